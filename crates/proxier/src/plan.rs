//! Turns what is wanted and what is installed into what iptables-restore must do.
//!
//! Knows nothing of how a rule comes about (see `render`) and of processes (see `tables`).

mod blocks;
mod changes;
mod edits;
mod found;
mod installed;
mod order;
mod port;
mod writer;

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};

use crate::chain::{ChainName, Table};
use crate::render::RenderedPort;
use crate::ruleset::Ruleset;
use crate::service::ServicePortName;

use changes::Changes;
pub use found::{Found, Unreadable};
pub use installed::Installed;
use installed::{FixedChains, InstalledPort};
use port::{PortText, Texts};
pub use writer::Counts;

/// A chain that exists whatever Services there are; many of them hold rules of many service ports.
type SharedChain = (Table, ChainName);

/// What is known of the rules that are there.
#[derive(Clone, Debug)]
pub enum Applied {
    /// They are what was written last.
    Known(Installed),
    /// They were read back.
    Found(Found),
}

/// What is wanted, as far as it may differ from what is there.
#[derive(Debug)]
pub struct Wanted<P> {
    /// The fixed chains with the rules that do not depend on any Service.
    pub fixed: Ruleset,
    /// Service ports that were rendered again, in order of their names; all of them if the rules were read back.
    pub ports: P,
    /// Service ports that are gone.
    pub gone: BTreeSet<ServicePortName>,
    /// What happens to chains that no service port wants.
    pub stale: StaleChains,
    /// The form in which the tool likes its input.
    pub layout: Layout,
}

/// What happens to chains that no service port wants. They do no harm: nothing jumps to them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StaleChains {
    /// They are deleted.
    Delete,
    /// They are remembered; a later transaction deletes them.
    Keep,
}

/// How much goes into one transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layout {
    /// All of a table. The legacy variant fetches and replaces the whole table at each COMMIT.
    Single,
    /// A bounded number of chains. The nf_tables variant takes time that grows with the square of
    /// the number of chains that are named between two COMMITs.
    Blocks,
}

/// What one run of iptables-restore is fed, and what is there once it succeeded.
#[derive(Clone, Debug)]
pub struct Transaction {
    /// The text; empty if nothing has to be done.
    pub input: Vec<u8>,
    /// What it contains.
    pub counts: Counts,
    fixed: FixedChains,
    ports: BTreeMap<ServicePortName, InstalledPort>,
    gone: BTreeSet<ServicePortName>,
    stale: BTreeSet<ChainName>,
    reordered: BTreeSet<SharedChain>,
}

impl Transaction {
    /// How many service ports were rendered for it.
    pub fn service_ports(&self) -> usize {
        self.ports.len()
    }

    /// Whether the kernel's tables are as they should be already.
    pub fn is_empty(&self) -> bool {
        self.input.is_empty()
    }
}

impl Applied {
    /// What is there once a transaction, planned against this state, succeeded.
    pub fn commit(self, transaction: Transaction) -> Installed {
        let mut installed = match self {
            Self::Known(installed) => installed,
            Self::Found(_) => Installed::default(),
        };
        installed.fixed = transaction.fixed;
        installed.stale = transaction.stale;
        installed.reordered = transaction.reordered;
        transaction.gone.iter().for_each(|name| installed.remove(name));
        transaction.ports.into_iter().for_each(|(name, port)| installed.insert(name, port));
        installed
    }
}

/// Plans the difference. Chains whose content is as it should be are not mentioned, and a table of
/// which no chain is mentioned neither.
pub fn plan(applied: &Applied, wanted: Wanted<impl IntoIterator<Item = RenderedPort>>) -> Transaction {
    let fixed = FixedChains::of(&wanted.fixed);
    let mut texts = Texts::default();
    let ports = wanted.ports.into_iter();
    let ports: BTreeMap<_, _> =
        ports.map(|port| (port.name.clone(), PortText::of(&port, applied, &mut texts))).collect();
    let changes = Changes::between(applied, &wanted.fixed, &fixed, &ports, &wanted.gone);
    let (stale, deleted) = match wanted.stale {
        StaleChains::Delete => (BTreeSet::new(), changes.stale.clone()),
        StaleChains::Keep => (changes.stale.clone(), BTreeSet::new()),
    };
    let scene = Scene { applied, fixed: &fixed, ports: &ports, gone: &wanted.gone, changes: &changes };
    let (input, counts) = writer::write(&scene, &deleted, wanted.layout);
    let ports = ports.into_iter().map(|(name, port)| (name, port.installed)).collect();
    Transaction { input, counts, fixed, ports, gone: wanted.gone, stale, reordered: changes.reordered }
}

/// Everything that decides on what is written.
#[derive(Clone, Copy)]
struct Scene<'a> {
    applied: &'a Applied,
    fixed: &'a FixedChains,
    ports: &'a BTreeMap<ServicePortName, PortText>,
    gone: &'a BTreeSet<ServicePortName>,
    changes: &'a Changes,
}

/// A service port as it was, and as it is wanted where it was rendered again or is gone.
#[derive(Clone, Copy)]
struct Visited<'a> {
    old: Option<&'a InstalledPort>,
    new: Option<&'a PortText>,
    is_gone: bool,
}

impl<'a> Visited<'a> {
    /// Its rules in a shared chain as it was.
    fn old_lines(&self, chain: &SharedChain) -> &'a [u8] {
        self.old.map_or(&[], |old| old.shared_lines(chain))
    }

    /// Its rules in all shared chains as they are wanted.
    fn shared(&self) -> &'a [(SharedChain, Box<[u8]>)] {
        match self.new {
            Some(new) => &new.installed.shared,
            None if self.is_gone => &[],
            None => self.old.map_or(&[], |old| &old.shared),
        }
    }

    /// Its rules in a shared chain as it is wanted.
    fn lines(&self, chain: &SharedChain) -> &'a [u8] {
        match self.new {
            Some(new) => new.installed.shared_lines(chain),
            None if self.is_gone => &[],
            None => self.old_lines(chain),
        }
    }
}

impl<'a> Scene<'a> {
    /// Every service port, also those that are gone, in order.
    fn all_ports(&self) -> impl Iterator<Item = Visited<'a>> {
        let Self { applied, ports, gone, .. } = *self;
        let installed = match applied {
            Applied::Known(installed) => Some(&installed.ports),
            Applied::Found(_) => None,
        };
        let old = installed.into_iter().flat_map(BTreeMap::iter);
        merged(old, ports.iter()).map(move |(name, old, new)| Visited {
            old,
            new,
            is_gone: gone.contains(name),
        })
    }
}

/// Two ascending sequences made one, each key once.
fn merged<'a, K: Ord + 'a, A: 'a, B: 'a>(
    one: impl Iterator<Item = (&'a K, &'a A)>,
    other: impl Iterator<Item = (&'a K, &'a B)>,
) -> impl Iterator<Item = (&'a K, Option<&'a A>, Option<&'a B>)> {
    let (mut one, mut other) = (one.peekable(), other.peekable());
    std::iter::from_fn(move || {
        let order = match (one.peek(), other.peek()) {
            (Some((a, _)), Some((b, _))) => a.cmp(b),
            (Some(_), None) => Ordering::Less,
            (None, _) => Ordering::Greater,
        };
        let one = if order.is_le() { one.next() } else { None };
        let other = if order.is_ge() { other.next() } else { None };
        let key = one.map(|(key, _)| key).or(other.map(|(key, _)| key))?;
        Some((key, one.map(|(_, value)| value), other.map(|(_, value)| value)))
    })
}

/// The rules in a text that holds one in each line.
fn lines(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    text.split_inclusive(|byte| *byte == b'\n')
}
