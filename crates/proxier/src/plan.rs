//! Turns what is wanted and what is installed into what iptables-restore must do.
//!
//! Knows nothing of how a rule comes about (see `render`) and of processes (see `tables`).

mod blame;
mod blocks;
mod changes;
mod content;
mod draft;
mod edits;
mod found;
mod installed;
mod intake;
mod keep;
mod order;
mod port;
mod writer;

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};

use crate::chain::{ChainName, Table};
use crate::render::RenderedPort;
use crate::ruleset::Ruleset;
use crate::service::ServicePortName;

pub use blame::{Blame, Suspect};
use changes::Changes;
use draft::{Draft, There};
pub use found::Found;
pub use installed::Installed;
use installed::{FixedChains, InstalledPort};
pub use intake::{Intake, Unreadable};
use port::PortText;
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
pub struct Wanted<'a, S, F> {
    /// The fixed chains with the rules that do not depend on any Service.
    pub fixed: Ruleset,
    /// The Services that are rendered again, in order of their names; all of them if the rules were read back.
    pub services: &'a [S],
    /// Renders the service ports of one.
    pub render: F,
    /// What was there before anything was tried; absent if nothing was tried that left traces.
    pub before: Option<&'a Applied>,
    /// Chains that cannot be deleted, because others use them; they are emptied.
    pub in_use: BTreeSet<ChainName>,
    /// Service ports that are gone.
    pub gone: BTreeSet<ServicePortName>,
    /// What happens to chains that no service port wants.
    pub stale: StaleChains,
    /// The form for many chains; if absent, it is as for few: all of a table, service port by service port, as
    /// kube-proxy itself writes it.
    pub layout: Option<Layout>,
}

/// What happens to the rules of a service port that was rendered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// They become what was rendered.
    Written,
    /// They stay what they are, unless they take an address or port that the service port does not want any more.
    Kept,
    /// They go.
    Dropped,
}

/// What happens to chains that no service port wants. They do no harm: nothing jumps to them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StaleChains {
    /// They are deleted.
    Delete,
    /// They are remembered; a later transaction deletes them.
    Keep,
}

/// How the tool likes many chains: how much goes into one transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layout {
    /// All of a table, in order of the chains' names. The legacy variant fetches and replaces the whole table at
    /// each COMMIT, and keeps its chains in this order.
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
    rendered: BTreeSet<ServicePortName>,
    gone: BTreeSet<ServicePortName>,
    stale: BTreeSet<ChainName>,
    reordered: BTreeSet<SharedChain>,
    /// Chains that it deletes, or would delete if they were not in use.
    unwanted: BTreeSet<ChainName>,
}

impl Transaction {
    /// The service ports whose rules become what was rendered for it.
    pub fn rendered(&self) -> &BTreeSet<ServicePortName> {
        &self.rendered
    }

    /// Whether the kernel's tables are as they should be already.
    pub fn is_empty(&self) -> bool {
        self.input.is_empty()
    }
}

/// One run of iptables-restore that is about to happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Attempt {
    /// What its text contains.
    pub written: Counts,
    /// Rules that the filter table will hold in all if it succeeds.
    pub filter_rules: usize,
    /// Rules that the nat table will hold in all if it succeeds.
    pub nat_rules: usize,
}

impl Applied {
    /// What a transaction, planned against this state, tries.
    pub fn attempt(&self, transaction: &Transaction) -> Attempt {
        let totals = match self {
            Self::Known(installed) => installed.totals_after(transaction),
            Self::Found(_) => Installed::default().totals_after(transaction),
        };
        Attempt {
            written: transaction.counts,
            filter_rules: transaction.fixed.rules(Table::Filter) + totals.filter_rules,
            nat_rules: transaction.fixed.rules(Table::Nat) + totals.nat_rules,
        }
    }

    /// What of it is there after a transaction that failed, however far it got.
    pub(crate) fn untouched_by(&self, transaction: &Transaction) -> Self {
        match self {
            Self::Known(installed) => Self::Known(installed.untouched_by(transaction)),
            Self::Found(found) => Self::Found(found.untouched_by(transaction)),
        }
    }

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
pub fn plan<S: Sync, P: IntoIterator<Item = (RenderedPort, Fate)>>(
    applied: &Applied,
    wanted: Wanted<'_, S, impl Fn(&S) -> P + Sync>,
) -> Transaction {
    let fixed = FixedChains::of(&wanted.fixed);
    let there = There { applied, before: wanted.before.unwrap_or(applied) };
    let Draft { ports, rendered, mut gone } = Draft::of(wanted.services, &wanted.render, there);
    gone.extend(wanted.gone);
    let mut changes = Changes::between(applied, &wanted.fixed, &fixed, &ports, &gone);
    changes.keep_whole(ports.iter().filter(|(name, _)| !rendered.contains(*name)).map(|(_, port)| port));
    let (stale, unwanted) = match wanted.stale {
        StaleChains::Delete => {
            (&changes.stale & &wanted.in_use, Unwanted::of(&changes, &wanted.in_use, applied))
        }
        StaleChains::Keep => (changes.stale.clone(), Unwanted::default()),
    };
    let scene = Scene { applied, fixed: &fixed, ports: &ports, gone: &gone, changes: &changes };
    let (input, counts) = writer::write(&scene, &unwanted, wanted.layout);
    let ports = ports.into_iter().map(|(name, port)| (name, port.installed)).collect();
    let unwanted = &unwanted.deleted | &unwanted.emptied;
    Transaction { input, counts, fixed, ports, rendered, gone, stale, reordered: changes.reordered, unwanted }
}

/// Chains that no service port wants.
#[derive(Debug, Default)]
struct Unwanted {
    deleted: BTreeSet<ChainName>,
    /// Those that cannot be deleted, if they have rules.
    emptied: BTreeSet<ChainName>,
}

impl Unwanted {
    fn of(changes: &Changes, in_use: &BTreeSet<ChainName>, applied: &Applied) -> Self {
        let has_rules = |chain: &ChainName| match applied {
            Applied::Known(installed) => !installed.stale.contains(chain),
            Applied::Found(found) => found.own(chain).is_some_and(|own| own.rules > 0),
        };
        let emptied = changes.stale.intersection(in_use).filter(|chain| has_rules(chain));
        Self { deleted: &changes.stale - in_use, emptied: emptied.cloned().collect() }
    }
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
