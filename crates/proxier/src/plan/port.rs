//! One service port's rules as text, and which of its chains must be written.

use bytes::{Bytes, BytesMut};

use crate::chain::{ChainName, Table};
use crate::parse::SavedRule;
use crate::render::RenderedPort;
use crate::rule::Rule;
use crate::ruleset::Placed;
use crate::service::ServicePortName;
use crate::text;

use super::content::Content;
use super::installed::InstalledPort;
use super::writer::Section;
use super::{Applied, SharedChain};

/// A service port about to be installed.
#[derive(Clone, Debug)]
pub(super) struct PortText {
    pub(super) installed: InstalledPort,
    /// Which of `installed.own` differ from what is there.
    pub(super) differs: Box<[bool]>,
    /// Rules of those chains in the order in which kube-proxy writes them: for each the index of its chain in
    /// `installed.own` and its length, four bytes each, then the rule as it stands behind `-A CHAIN`.
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

/// A service port's chain that must be written.
#[derive(Clone, Copy)]
pub(super) struct OwnChain<'a> {
    pub(super) name: &'a ChainName,
    port: &'a PortText,
    index: usize,
}

impl<'a> OwnChain<'a> {
    pub(super) fn rules(self) -> impl Iterator<Item = &'a [u8]> {
        rules(&self.port.text).filter(move |(index, _)| *index == self.index).map(|(_, rule)| rule)
    }

    pub(super) fn write(self, section: &mut Section) {
        text::declare(self.name, &mut section.chains);
        text::append_lines(self.name, self.rules(), &mut section.rules);
    }
}

impl PortText {
    pub(super) fn of(port: &RenderedPort, applied: &Applied, texts: &mut Texts) -> Self {
        let chains = &port.rules.chains;
        let indices = own_indices(port);
        let placed = || port.rules.rules.iter().zip(&indices);
        let mut contents = vec![Content::default(); chains.len()];
        let mut shared: Vec<(SharedChain, Vec<u8>)> = Vec::new();
        for (placed, index) in placed() {
            match index {
                Some(index) => contents[*index].add(&placed.rule),
                None => text::rule(&placed.rule, lines_of(&mut shared, placed)),
            }
        }
        let installed = InstalledPort {
            shared: shared.into_iter().map(|(chain, lines)| (chain, lines.into())).collect(),
            own: chains.iter().cloned().zip(contents).collect(),
            own_rules: narrow(indices.iter().flatten().count()),
            reachability: port.reachability,
        };
        let differs: Box<[_]> = match applied {
            Applied::Known(there) => differs(&installed, |chain| there.ports.get(&port.name)?.content(chain)),
            Applied::Found(found) => differs(&installed, |chain| Some(found.own(chain)?.content)),
        };
        let shared_rules = match applied {
            Applied::Known(_) => Vec::new(),
            Applied::Found(_) => {
                placed().filter(|(_, index)| index.is_none()).map(|(placed, _)| normal(placed)).collect()
            }
        };
        let mut text = Vec::new();
        for (placed, index) in placed() {
            if let Some(index) = index.filter(|index| differs[*index]) {
                append(index, &placed.rule, &mut text);
            }
        }
        Self { installed, differs, text: texts.keep(&text), shared_rules }
    }

    /// How much there is to write into own chains, in bytes.
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

    /// The chains that must be written.
    pub(super) fn differing(&self) -> impl Iterator<Item = OwnChain<'_>> {
        let own = self.installed.own.iter().zip(&self.differs).enumerate();
        let differing = own.filter(|(_, (_, differs))| **differs);
        differing.map(|(index, ((name, _), _))| OwnChain { name, port: self, index })
    }

    /// Writes the chains that must be written.
    pub(super) fn write(&self, section: &mut Section) {
        self.differing().for_each(|chain| text::declare(chain.name, &mut section.chains));
        for (index, rule) in rules(&self.text) {
            text::append_lines(&self.installed.own[index].0, [rule], &mut section.rules);
        }
    }
}

/// For each rule the index of its chain, if that is an own one.
fn own_indices(port: &RenderedPort) -> Vec<Option<usize>> {
    let chains = &port.rules.chains;
    let mut last = 0;
    let index = |placed: &Placed| {
        if placed.table != Table::Nat || !placed.chain.is_of_service_port() {
            return None;
        }
        // Most rules stand in the chain of the one before, or in the next one.
        let indices = (last..chains.len()).chain(0..last);
        last = indices.into_iter().find(|index| chains[*index] == placed.chain)?;
        Some(last)
    };
    port.rules.rules.iter().map(index).collect()
}

fn differs(wanted: &InstalledPort, there: impl Fn(&ChainName) -> Option<Content>) -> Box<[bool]> {
    wanted.own.iter().map(|(chain, content)| there(chain) != Some(*content)).collect()
}

fn normal(placed: &Placed) -> (SharedChain, SavedRule) {
    ((placed.table, placed.chain.clone()), SavedRule::Known(placed.rule.clone().normal()))
}

fn append(index: usize, rule: &Rule, text: &mut Vec<u8>) {
    text.extend(narrow(index).to_le_bytes());
    let length_at = text.len();
    text.extend([0; size_of::<u32>()]);
    let begin = text.len();
    text::rule(rule, text);
    let length = narrow(text.len() - begin);
    text[length_at..begin].copy_from_slice(&length.to_le_bytes());
}

fn rules(mut text: &[u8]) -> impl Iterator<Item = (usize, &[u8])> {
    std::iter::from_fn(move || {
        let (index, rest) = text.split_first_chunk()?;
        let (length, rest) = rest.split_first_chunk()?;
        let (rule, rest) = rest.split_at(u32::from_le_bytes(*length) as usize);
        text = rest;
        Some((u32::from_le_bytes(*index) as usize, rule))
    })
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
