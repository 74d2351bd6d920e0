//! What was written: enough to tell what differs, not a second copy of the rules.

use std::collections::{BTreeMap, BTreeSet};

use informer::object::{NamespacedName, Protocol};

use crate::chain::{ChainName, Table};
use crate::render::Reachability;
use crate::ruleset::{Placed, Ruleset};
use crate::service::ServicePortName;
use crate::text;

use super::content::Content;
use super::{Found, SharedChain, Transaction, lines};

/// The rules of one family as they were written.
#[derive(Clone, Debug, Default)]
pub struct Installed {
    pub(super) fixed: FixedChains,
    pub(super) ports: BTreeMap<ServicePortName, InstalledPort>,
    pub(super) stale: BTreeSet<ChainName>,
    /// Shared chains in which service ports stand in another order than ours, or have rules that are spelled in another
    /// way.
    pub(super) reordered: BTreeSet<SharedChain>,
    totals: Totals,
}

/// Sums over all service ports, kept up to date so that a small change does not have to visit them all.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Totals {
    pub(super) filter_rules: usize,
    pub(super) nat_rules: usize,
    unreachable_internally: usize,
    unreachable_externally: usize,
}

impl Installed {
    /// The service ports that have rules.
    pub fn ports(&self) -> impl Iterator<Item = &ServicePortName> {
        self.ports.keys()
    }

    /// The service ports of one Service that have rules.
    pub fn ports_of(&self, service: &NamespacedName) -> impl Iterator<Item = &ServicePortName> {
        let first =
            ServicePortName { service: service.clone(), port: Default::default(), protocol: Protocol::Tcp };
        self.ports.range(first..).map(|(name, _)| name).take_while(move |name| name.service == *service)
    }

    /// Whether a service port has rules.
    pub fn contains(&self, port: &ServicePortName) -> bool {
        self.ports.contains_key(port)
    }

    /// What becomes of the traffic of a service port; refused if it has no rules.
    pub fn reachability(&self, port: &ServicePortName) -> Reachability {
        self.ports.get(port).map(|port| port.reachability).unwrap_or_default()
    }

    /// How many service ports have rules.
    pub fn len(&self) -> usize {
        self.ports.len()
    }

    /// Whether no service port has rules.
    pub fn is_empty(&self) -> bool {
        self.ports.is_empty()
    }

    /// The chains that are wanted.
    pub fn chains(&self) -> impl Iterator<Item = (Table, ChainName)> {
        let fixed = self.fixed.0.iter().map(|(chain, _)| chain.clone());
        let own = self.ports.values().flat_map(|port| &port.own);
        fixed.chain(own.map(|(chain, _)| (Table::Nat, chain.clone())))
    }

    /// How many rules a table holds.
    pub fn rules(&self, table: Table) -> usize {
        let fixed = self.fixed.rules(table);
        match table {
            Table::Nat => fixed + self.totals.nat_rules,
            Table::Filter | Table::Mangle => fixed + self.totals.filter_rules,
        }
    }

    /// How many rules were found in chains that nobody wants any more and that are deleted later.
    pub(crate) fn stale_rules(&self, found: &Found) -> usize {
        self.stale.iter().filter_map(|chain| found.own(chain)).map(|own| own.rules as usize).sum()
    }

    /// How many service ports have usable endpoints, none of which may serve traffic to the cluster IP.
    pub fn unreachable_internally(&self) -> usize {
        self.totals.unreachable_internally
    }

    /// How many service ports have usable endpoints, none of which may serve traffic from outside.
    pub fn unreachable_externally(&self) -> usize {
        self.totals.unreachable_externally
    }

    /// The same in memory of its own, without gaps: what was made between things that are gone keeps their place
    /// occupied.
    pub(crate) fn settled(&self) -> Self {
        let ports = self.ports.iter().map(|(name, port)| (name.clone(), port.clone()));
        Self {
            fixed: self.fixed.clone(),
            ports: ports.collect(),
            stale: self.stale.clone(),
            reordered: self.reordered.clone(),
            totals: self.totals,
        }
    }

    /// The same without what a transaction may have changed, however far it got.
    pub(super) fn untouched_by(&self, transaction: &Transaction) -> Self {
        let mut untouched = self.clone();
        let touched = transaction.ports.keys().chain(&transaction.gone);
        touched.for_each(|name| untouched.remove(name));
        untouched
    }

    /// The sums once a transaction succeeded.
    pub(super) fn totals_after(&self, transaction: &Transaction) -> Totals {
        let mut totals = self.totals;
        let gone = transaction.gone.iter().filter(|name| !transaction.ports.contains_key(name));
        let replaced = transaction.ports.keys().chain(gone);
        replaced.filter_map(|name| self.ports.get(name)).for_each(|port| totals.subtract(port));
        transaction.ports.values().for_each(|port| totals.add(port));
        totals
    }

    pub(super) fn insert(&mut self, name: ServicePortName, port: InstalledPort) {
        self.totals.add(&port);
        if let Some(old) = self.ports.insert(name, port) {
            self.totals.subtract(&old);
        }
    }

    pub(super) fn remove(&mut self, name: &ServicePortName) {
        if let Some(old) = self.ports.remove(name) {
            self.totals.subtract(&old);
        }
    }
}

// === impl Totals ===

impl Totals {
    fn of(port: &InstalledPort) -> Self {
        let shared = |table| {
            let of_table = port.shared.iter().filter(move |((of, _), _)| *of == table);
            of_table.map(|(_, text)| lines(text).count()).sum::<usize>()
        };
        let Reachability { any, internal, external } = port.reachability;
        Self {
            filter_rules: shared(Table::Filter),
            nat_rules: shared(Table::Nat) + port.own_rules as usize,
            unreachable_internally: usize::from(any && !internal),
            unreachable_externally: usize::from(any && !external),
        }
    }

    fn add(&mut self, port: &InstalledPort) {
        let of = Self::of(port);
        self.filter_rules += of.filter_rules;
        self.nat_rules += of.nat_rules;
        self.unreachable_internally += of.unreachable_internally;
        self.unreachable_externally += of.unreachable_externally;
    }

    fn subtract(&mut self, port: &InstalledPort) {
        let of = Self::of(port);
        self.filter_rules -= of.filter_rules;
        self.nat_rules -= of.nat_rules;
        self.unreachable_internally -= of.unreachable_internally;
        self.unreachable_externally -= of.unreachable_externally;
    }
}

/// The fixed chains in the order of their declaration, each with the rules before and after those
/// of service ports. Rules are kept as they are written behind `-A CHAIN`, one in each line.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct FixedChains(pub(super) Vec<(SharedChain, FixedLines)>);

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct FixedLines {
    pub(super) head: Vec<u8>,
    pub(super) tail: Vec<u8>,
}

impl FixedChains {
    pub(super) fn of(ruleset: &Ruleset) -> Self {
        let write = |rules: &[Placed], (table, chain): &SharedChain| {
            let mut out = Vec::new();
            let of_chain = rules.iter().filter(|placed| placed.table == *table && placed.chain == *chain);
            of_chain.for_each(|placed| text::rule(&placed.rule, &mut out));
            out
        };
        let fixed = |chain: &SharedChain| FixedLines {
            head: write(&ruleset.head, chain),
            tail: write(&ruleset.tail, chain),
        };
        Self(ruleset.fixed_chains.iter().map(|chain| (chain.clone(), fixed(chain))).collect())
    }

    /// How many rules a table holds that do not belong to any service port.
    pub(super) fn rules(&self, table: Table) -> usize {
        let of_table = self.0.iter().filter(|((of, _), _)| *of == table);
        of_table.map(|(_, text)| lines(&text.head).count() + lines(&text.tail).count()).sum()
    }

    pub(super) fn get(&self, chain: &SharedChain) -> Option<&FixedLines> {
        self.0.iter().find(|(of, _)| of == chain).map(|(_, lines)| lines)
    }
}

/// What is kept of an installed service port.
#[derive(Clone, Debug, Default)]
pub(super) struct InstalledPort {
    /// Its rules in shared chains, each chain once.
    pub(super) shared: Box<[(SharedChain, Box<[u8]>)]>,
    /// Its own chains.
    pub(super) own: Box<[(ChainName, Content)]>,
    pub(super) own_rules: u32,
    pub(super) reachability: Reachability,
}

impl InstalledPort {
    pub(super) fn shared_lines(&self, chain: &SharedChain) -> &[u8] {
        self.shared.iter().find(|(of, _)| of == chain).map_or(&[], |(_, lines)| lines)
    }

    pub(super) fn content(&self, chain: &ChainName) -> Option<Content> {
        self.own.iter().find(|(of, _)| of == chain).map(|(_, content)| *content)
    }
}
