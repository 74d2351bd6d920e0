//! The rules of one family: what is wanted, as a value.
//!
//! Knows nothing of what is installed (see `plan`) and of how a service port comes by its rules (see `render`).

use std::collections::BTreeMap;

use crate::chain::{ChainName, Table};
use crate::rule::Rule;
use crate::service::ServicePortName;

/// One rule and where it stands. Rules are kept in the order in which they are written;
/// within a chain this is the order in which packets meet them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Placed {
    /// The table.
    pub table: Table,
    /// The chain.
    pub chain: ChainName,
    /// The rule.
    pub rule: Rule,
}

/// What one service port contributes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PortRules {
    /// Its own nat chains, in the order in which they are declared.
    pub chains: Vec<ChainName>,
    /// Its rules, in its own chains and in the shared dispatch chains.
    pub rules: Vec<Placed>,
}

/// Every rule of one family.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ruleset {
    /// The fixed chains of each table, in the order in which they are declared.
    pub fixed_chains: Vec<(Table, ChainName)>,
    /// Rules before those of the service ports.
    pub head: Vec<Placed>,
    /// The service ports' rules.
    pub ports: BTreeMap<ServicePortName, PortRules>,
    /// Rules after those of the service ports.
    pub tail: Vec<Placed>,
}

impl Ruleset {
    /// Every chain of a table, in the order in which chains are declared.
    pub fn chains(&self, table: Table) -> impl Iterator<Item = &ChainName> {
        let fixed = self.fixed_chains.iter().filter(move |(of, _)| *of == table).map(|(_, chain)| chain);
        let own = self.ports.values().filter(move |_| table == Table::Nat).flat_map(|port| &port.chains);
        fixed.chain(own)
    }

    /// Every rule, in the order in which rules are written.
    pub fn rules(&self) -> impl Iterator<Item = &Placed> {
        self.head.iter().chain(self.ports.values().flat_map(|port| &port.rules)).chain(&self.tail)
    }

    /// The rules by chain, as a packet meets them; chains without rules are there too.
    pub fn by_chain(&self) -> BTreeMap<(Table, &ChainName), Vec<&Rule>> {
        let mut chains = BTreeMap::new();
        for table in [Table::Filter, Table::Nat] {
            chains.extend(self.chains(table).map(|chain| ((table, chain), Vec::new())));
        }
        for Placed { table, chain, rule } in self.rules() {
            chains.entry((*table, chain)).or_default().push(rule);
        }
        chains
    }
}
