//! The rules that are there, as they were read back.

use std::collections::{BTreeMap, BTreeSet};

use foldhash::fast::FixedState;
use indexmap::IndexMap;

use crate::chain::{ChainName, Table};
use crate::digest::{digest, unordered};
use crate::jump::{Jump, jumps};
use crate::parse::{self, SavedRule};
use crate::rule::{Rule, Target};

use super::content::Content;
use super::{SharedChain, Transaction};

/// The rules of one family as iptables-save tells them.
#[derive(Clone, Debug, Default)]
pub struct Found {
    /// Chains of service ports in the nat table. They are many, and each is looked up.
    pub(super) own: IndexMap<ChainName, OwnChain, FixedState>,
    /// Every other chain of the filter and the nat table.
    pub(super) others: BTreeMap<SharedChain, Vec<SavedRule>>,
    /// How many rules the chains have that are ours.
    pub(super) rules: BTreeMap<Table, usize>,
}

impl Found {
    /// The jumps from built-in chains that are not there.
    pub fn missing_jumps(&self) -> Vec<Jump> {
        let mut missing = jumps();
        missing.retain(|jump| !self.has(jump));
        missing
    }

    fn has(&self, jump: &Jump) -> bool {
        let rules = self.others.get(&(jump.table, jump.from.clone()));
        let normal = SavedRule::Known(jump.rule.clone().normal());
        rules.is_some_and(|rules| rules.contains(&normal))
    }

    /// Whether the chain is there.
    pub fn has_chain(&self, table: Table, chain: &ChainName) -> bool {
        let chain = (table, chain.clone());
        if is_own(&chain) { self.own.contains_key(&chain.1) } else { self.others.contains_key(&chain) }
    }

    /// All chains that are ours, in no certain order.
    pub fn our_chains(&self) -> impl Iterator<Item = (Table, ChainName)> {
        let own = self.own.keys().map(|chain| (Table::Nat, chain.clone()));
        own.chain(self.others.keys().filter(|(_, chain)| chain.is_ours()).cloned())
    }

    /// The same without what a transaction may have changed, however far it got: chains without their rules.
    pub(super) fn untouched_by(&self, transaction: &Transaction) -> Self {
        let is_there = |chain: &ChainName| !transaction.unwanted.contains(chain);
        let own = self.own.keys().filter(|chain| is_there(chain));
        let others = self.others.keys().map(|chain| (chain.clone(), Vec::new()));
        Self {
            own: own.map(|chain| (chain.clone(), OwnChain::default())).collect(),
            others: others.collect(),
            rules: BTreeMap::new(),
        }
    }

    /// How many rules the chains of a table have that are ours.
    pub fn count(&self, table: Table) -> usize {
        self.rules.get(&table).copied().unwrap_or_default()
    }

    /// A digest of all chains that are ours.
    pub fn digest(&self) -> u64 {
        let others = self.others.iter().filter(|((_, chain), _)| chain.is_ours());
        digest(&(unordered(&self.own), unordered(others)))
    }

    /// A service port's chain, if it is there.
    pub(super) fn own(&self, chain: &ChainName) -> Option<&OwnChain> {
        self.own.get(chain)
    }

    /// All chains but those of service ports.
    pub(super) fn others(&self) -> impl Iterator<Item = (&SharedChain, &[SavedRule])> {
        self.others.iter().map(|(chain, rules)| (chain, rules.as_slice()))
    }

    /// The rules of any other chain, if it is there.
    pub(super) fn rules(&self, chain: &SharedChain) -> Option<&[SavedRule]> {
        self.others.get(chain).map(Vec::as_slice)
    }

    /// Chains that only kube-proxy makes, besides these.
    pub(super) fn own_chains_but<'a>(
        &self,
        wanted: impl Iterator<Item = &'a ChainName>,
    ) -> BTreeSet<ChainName> {
        let mut is_wanted = vec![false; self.own.len()];
        wanted.filter_map(|chain| self.own.get_index_of(chain)).for_each(|index| is_wanted[index] = true);
        let unwanted = self.own.keys().zip(is_wanted).filter(|(_, is_wanted)| !is_wanted);
        unwanted.map(|(chain, _)| chain.clone()).collect()
    }
}

/// What is kept of a service port's chain.
#[derive(Clone, Debug, Default, Hash)]
pub(super) struct OwnChain {
    pub(super) content: Content,
    /// How many they are.
    pub(super) rules: u32,
    /// Chains of service ports that it leads to.
    pub(super) jumps: Vec<ChainName>,
}

impl OwnChain {
    /// Takes in one more rule, as it stands behind the name of the chain.
    pub(super) fn add(&mut self, text: &str) {
        match parse::known(text) {
            Some(rule) => {
                self.content.add(&rule);
                self.jumps.extend(jump_to_own(&rule).cloned());
            }
            None => self.content.add_foreign(text),
        }
        self.rules += 1;
    }
}

/// The chain of a service port that a rule leads to.
pub(super) fn jump_to_own(rule: &Rule) -> Option<&ChainName> {
    match &rule.target {
        Some(Target::Jump(chain)) if chain.is_of_service_port() => Some(chain),
        _ => None,
    }
}

/// Whether it is the kind of chain that belongs to a single service port.
pub(super) fn is_own((table, chain): &SharedChain) -> bool {
    *table == Table::Nat && chain.is_of_service_port()
}
