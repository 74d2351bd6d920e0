//! What differs between the rules that are there and the wanted ones.

use std::collections::{BTreeMap, BTreeSet};

use crate::chain::{ChainName, Table};
use crate::parse::SavedRule;
use crate::ruleset::{Placed, Ruleset};
use crate::service::ServicePortName;

use super::installed::{FixedChains, Installed, InstalledPort};
use super::order::{Order, WantedChain};
use super::port::PortText;
use super::{Applied, Found, SharedChain, lines};

/// Up to so many rules of a shared chain are inserted and deleted one by one; beyond, the chain is
/// written anew.
const MOST_EDITS: usize = 64;

/// The shared chains that must be written, and the chains that nobody wants.
#[derive(Debug, Default)]
pub(super) struct Changes {
    pub(super) shared: BTreeMap<SharedChain, Extent>,
    pub(super) stale: BTreeSet<ChainName>,
    /// Shared chains that stay as they are with service ports in another order than ours, or with rules that are
    /// spelled in another way.
    pub(super) reordered: BTreeSet<SharedChain>,
}

/// How much of a shared chain is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Extent {
    /// The rules that come and go.
    Edits,
    /// Everything.
    Whole,
}

impl Changes {
    pub(super) fn between(
        applied: &Applied,
        ruleset: &Ruleset,
        fixed: &FixedChains,
        ports: &BTreeMap<ServicePortName, PortText>,
        gone: &BTreeSet<ServicePortName>,
    ) -> Self {
        let mut changes = match applied {
            Applied::Known(installed) => Self::since(installed, fixed, ports, gone),
            Applied::Found(found) => Self::from_found(found, ruleset, ports),
        };
        if !changes.stale.is_empty() {
            let wanted = ports.values().flat_map(|port| &port.installed.own).map(|(chain, _)| chain);
            wanted.for_each(|chain| {
                changes.stale.remove(chain);
            });
        }
        changes
    }

    /// Service ports stay as they were read back. A rule is deleted only in the words that it was written with, and a
    /// save does not tell them: what changes in such a chain later is not a single rule.
    pub(super) fn keep_whole<'a>(&mut self, kept: impl Iterator<Item = &'a PortText>) {
        let chains = kept.flat_map(|port| &port.installed.shared).map(|(chain, _)| chain);
        self.reordered.extend(chains.filter(|chain| !self.shared.contains_key(*chain)).cloned());
    }

    pub(super) fn extent(&self, chain: &SharedChain) -> Option<Extent> {
        self.shared.get(chain).copied()
    }

    fn from_found(found: &Found, ruleset: &Ruleset, ports: &BTreeMap<ServicePortName, PortText>) -> Self {
        let mut wanted: BTreeMap<&SharedChain, WantedChain<'_>> =
            ruleset.fixed_chains.iter().map(|chain| (chain, WantedChain::default())).collect();
        for placed in &ruleset.head {
            of(&mut wanted, &(placed.table, placed.chain.clone())).head.push(normal(placed));
        }
        for placed in &ruleset.tail {
            of(&mut wanted, &(placed.table, placed.chain.clone())).tail.push(normal(placed));
        }
        for port in ports.values() {
            let mut rules: BTreeMap<&SharedChain, Vec<&SavedRule>> = BTreeMap::new();
            port.shared_rules.iter().for_each(|(chain, rule)| rules.entry(chain).or_default().push(rule));
            rules.into_iter().for_each(|(chain, rules)| of(&mut wanted, chain).ports.push(rules));
        }
        let own = ports.values().flat_map(|port| &port.installed.own).map(|(chain, _)| chain);
        let mut changes = Self { stale: found.own_chains_but(own), ..Self::default() };
        for (chain, wanted) in wanted {
            match found.rules(chain).map_or(Order::Differs, |found| wanted.order_of(found)) {
                Order::Ours => {}
                Order::Another => drop(changes.reordered.insert(chain.clone())),
                Order::Differs => drop(changes.shared.insert(chain.clone(), Extent::Whole)),
            }
        }
        changes
    }

    fn since(
        installed: &Installed,
        fixed: &FixedChains,
        ports: &BTreeMap<ServicePortName, PortText>,
        gone: &BTreeSet<ServicePortName>,
    ) -> Self {
        let mut changes = Self { stale: installed.stale.clone(), ..Self::default() };
        let mut edits = BTreeMap::new();
        let nothing = InstalledPort::default();
        let old = |name| installed.ports.get(name).unwrap_or(&nothing);
        ports.iter().for_each(|(name, new)| changes.replace(old(name), &new.installed, &mut edits));
        gone.iter().for_each(|name| changes.replace(old(name), &nothing, &mut edits));
        // Where a single rule goes is known only if the rest stands in our order.
        let extent = |chain: &SharedChain, edits| {
            if edits > MOST_EDITS || installed.reordered.contains(chain) {
                Extent::Whole
            } else {
                Extent::Edits
            }
        };
        for (chain, edits) in edits {
            let extent = extent(&chain, edits);
            changes.shared.insert(chain, extent);
        }
        let differs = |(chain, lines): &&(SharedChain, _)| installed.fixed.get(chain) != Some(lines);
        let differing = fixed.0.iter().filter(differs).map(|(chain, _)| (chain.clone(), Extent::Whole));
        changes.shared.extend(differing);
        changes.reordered = installed.reordered.clone();
        changes.reordered.retain(|chain| !changes.shared.contains_key(chain));
        changes
    }

    fn replace(
        &mut self,
        old: &InstalledPort,
        new: &InstalledPort,
        edits: &mut BTreeMap<SharedChain, usize>,
    ) {
        let chains: BTreeSet<_> = old.shared.iter().chain(&new.shared).map(|(chain, _)| chain).collect();
        for chain in chains {
            let (before, after) = (old.shared_lines(chain), new.shared_lines(chain));
            if before != after {
                *edits.entry(chain.clone()).or_default() += lines(before).count() + lines(after).count();
            }
        }
        let left = old.own.iter().map(|(chain, _)| chain).filter(|chain| new.content(chain).is_none());
        self.stale.extend(left.cloned());
    }
}

fn normal(placed: &Placed) -> SavedRule {
    SavedRule::Known(placed.rule.clone().normal())
}

fn of<'a, 'b>(
    wanted: &'a mut BTreeMap<&SharedChain, WantedChain<'b>>,
    chain: &SharedChain,
) -> &'a mut WantedChain<'b> {
    wanted.get_mut(chain).expect("shared chains are fixed chains")
}

/// Whether a shared chain is one in which traffic is rejected or dropped that nat does not deliver.
pub(super) fn holds_refusals((table, chain): &SharedChain) -> bool {
    let refusals =
        [ChainName::KUBE_SERVICES, ChainName::KUBE_EXTERNAL_SERVICES, ChainName::KUBE_PROXY_FIREWALL];
    *table == Table::Filter && refusals.contains(chain)
}
