//! One service port's rules as text, and which of its chains must be written.

use std::hash::{DefaultHasher, Hash, Hasher};

use bytes::{Bytes, BytesMut};

use crate::chain::{ChainName, Table};
use crate::parse::SavedRule;
use crate::render::RenderedPort;
use crate::ruleset::Placed;
use crate::service::ServicePortName;
use crate::text;

use super::installed::InstalledPort;
use super::writer::Section;
use super::{Applied, Found, SharedChain};

/// A service port about to be installed.
#[derive(Clone, Debug)]
pub(super) struct PortText {
    pub(super) installed: InstalledPort,
    /// Which of `installed.own` differ from what is there.
    pub(super) differs: Box<[bool]>,
    /// Rules of own chains in the order in which kube-proxy writes them: for each the index of its chain in
    /// `installed.own`, four bytes, then the rule as it stands behind `-A CHAIN`.
    text: Bytes,
    /// Rules in shared chains in their normal form, if the rules that are there were read back.
    pub(super) shared_rules: Vec<(SharedChain, SavedRule)>,
}

/// Texts of many service ports in few large pieces of memory. What is installed lives long and lies elsewhere, so
/// that all of this can be given back once it was written.
#[derive(Debug, Default)]
pub(super) struct Texts(BytesMut);

/// The size of a piece in bytes; the allocator fetches such from the kernel, and gives them back, one by one.
const PIECE: usize = 1 << 20;
/// A few service ports do not need as much.
const FIRST_PIECE: usize = 1 << 12;

impl Texts {
    fn keep(&mut self, text: &[u8]) -> Bytes {
        if self.0.capacity() < text.len() {
            let piece = if self.0.capacity() == 0 { FIRST_PIECE } else { PIECE };
            self.0 = BytesMut::with_capacity(text.len().max(piece));
        }
        self.0.extend_from_slice(text);
        self.0.split().freeze()
    }
}

impl PortText {
    pub(super) fn of(port: &RenderedPort, applied: &Applied, texts: &mut Texts) -> Self {
        let chains = &port.rules.chains;
        let own_index = |placed: &Placed| {
            let is_own = |own: &ChainName| placed.table == Table::Nat && *own == placed.chain;
            chains.iter().position(is_own)
        };
        let (mut text, mut own_rules) = (Vec::new(), 0);
        let mut shared: Vec<(SharedChain, Vec<u8>)> = Vec::new();
        for placed in &port.rules.rules {
            match own_index(placed) {
                Some(index) => {
                    text.extend(narrow(index).to_le_bytes());
                    text::rule(&placed.rule, &mut text);
                    own_rules += 1;
                }
                None => text::rule(&placed.rule, lines_of(&mut shared, placed)),
            }
        }
        let digests = digests(chains.len(), rules(&text));
        let installed = InstalledPort {
            shared: shared.into_iter().map(|(chain, lines)| (chain, lines.into())).collect(),
            own: chains.iter().cloned().zip(digests).collect(),
            own_rules,
            reachability: port.reachability,
        };
        let (differs, shared_rules) = match applied {
            Applied::Known(there) => (differs(&installed, there.ports.get(&port.name)), Vec::new()),
            Applied::Found(found) => (differs_from_found(port, found), normal_shared_rules(port, own_index)),
        };
        Self { installed, differs, text: texts.keep(&text), shared_rules }
    }

    /// How much there is to write, in bytes, if all of it is.
    pub(super) fn size(&self) -> usize {
        self.text.len()
    }

    /// The rules of a service port that stay what they were `before`, if they must be mentioned in the plan: of
    /// those that were written, only what is rendered is mentioned.
    pub(super) fn kept(name: &ServicePortName, applied: &Applied, before: &Applied) -> Option<Self> {
        let Applied::Found(found) = applied else { return None };
        let old = found.old_rules(name, before)?;
        let differs = old.installed.own.iter().map(|_| false).collect();
        Some(Self { installed: old.installed, differs, text: Bytes::new(), shared_rules: old.shared })
    }

    /// Index of the chain, and rule.
    pub(super) fn own_rules(&self) -> impl Iterator<Item = (usize, &[u8])> {
        rules(&self.text)
    }

    /// The chains that must be written.
    pub(super) fn differing(&self) -> impl Iterator<Item = (usize, &ChainName)> {
        let own = self.installed.own.iter().zip(&self.differs).enumerate();
        own.filter(|(_, (_, differs))| **differs).map(|(index, ((chain, _), _))| (index, chain))
    }
    /// Writes the chains that must be written.
    pub(super) fn write(&self, section: &mut Section) {
        self.differing().for_each(|(_, chain)| text::declare(chain, &mut section.chains));
        for (index, rule) in self.own_rules().filter(|(index, _)| self.differs[*index]) {
            text::append_lines(&self.installed.own[index].0, [rule], &mut section.rules);
        }
    }
}

fn differs(new: &InstalledPort, old: Option<&InstalledPort>) -> Box<[bool]> {
    let is_same = |(chain, digest): &(ChainName, u64)| old.and_then(|old| old.digest(chain)) == Some(*digest);
    new.own.iter().map(|own| !is_same(own)).collect()
}

/// What was read back is spelled by iptables; only the normal forms of rules can be compared.
fn differs_from_found(port: &RenderedPort, found: &Found) -> Box<[bool]> {
    let is_same = |chain: &ChainName| {
        let rules =
            port.rules.rules.iter().filter(|placed| placed.table == Table::Nat && placed.chain == *chain);
        let normal = rules.map(|placed| SavedRule::Known(placed.rule.clone().normal()));
        found.own(chain).is_some_and(|own| own.digest == digest(normal))
    };
    port.rules.chains.iter().map(|chain| !is_same(chain)).collect()
}

fn normal_shared_rules(
    port: &RenderedPort,
    own_index: impl Fn(&Placed) -> Option<usize>,
) -> Vec<(SharedChain, SavedRule)> {
    let shared = port.rules.rules.iter().filter(|placed| own_index(placed).is_none());
    let normal = |placed: &Placed| SavedRule::Known(placed.rule.clone().normal());
    shared.map(|placed| ((placed.table, placed.chain.clone()), normal(placed))).collect()
}

/// A digest of the rules of a chain in their normal form.
pub(super) fn digest(rules: impl IntoIterator<Item = SavedRule>) -> u64 {
    let mut hasher = DefaultHasher::new();
    rules.into_iter().for_each(|rule| rule.hash(&mut hasher));
    hasher.finish()
}

fn rules(mut text: &[u8]) -> impl Iterator<Item = (usize, &[u8])> {
    std::iter::from_fn(move || {
        let (index, rest) = text.split_first_chunk()?;
        let end = rest.iter().position(|byte| *byte == b'\n').map_or(rest.len(), |end| end + 1);
        let (rule, rest) = rest.split_at(end);
        text = rest;
        Some((u32::from_le_bytes(*index) as usize, rule))
    })
}

fn digests<'a>(chains: usize, rules: impl Iterator<Item = (usize, &'a [u8])>) -> Vec<u64> {
    let mut hashers = vec![DefaultHasher::new(); chains];
    rules.for_each(|(index, rule)| hashers[index].write(rule));
    hashers.into_iter().map(|hasher| hasher.finish()).collect()
}

fn lines_of<'a>(shared: &'a mut Vec<(SharedChain, Vec<u8>)>, placed: &Placed) -> &'a mut Vec<u8> {
    let position =
        shared.iter().position(|((table, chain), _)| *table == placed.table && *chain == placed.chain);
    let position = position.unwrap_or_else(|| {
        shared.push(((placed.table, placed.chain.clone()), Vec::new()));
        shared.len() - 1
    });
    &mut shared[position].1
}

fn narrow(size: usize) -> u32 {
    u32::try_from(size).expect("the rules of one service port are counted in megabytes")
}
