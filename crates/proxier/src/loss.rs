//! Turns what was installed and what was found into what somebody took away.
//!
//! Knows nothing of how it comes back.

use std::collections::BTreeSet;
use std::fmt;

use crate::chain::{ChainName, Table};
use crate::jump::Jump;
use crate::plan::{Found, Installed};

/// How many chains are named; of more, their number says enough.
const NAMED: usize = 5;

/// Rules that somebody took away.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Loss {
    /// Jumps from built-in chains.
    pub jumps: Vec<Jump>,
    /// Chains.
    pub chains: Vec<(Table, ChainName)>,
    /// How many rules were written to mend it, besides jumps. If the cluster changed at the same time: how many fewer
    /// there were than before.
    pub rules: usize,
}

impl Loss {
    /// What is not there of what was installed.
    pub fn between(installed: &Installed, found: &Found) -> Self {
        let chains = installed.chains().filter(|(table, chain)| !found.has_chain(*table, chain));
        // Rules that nobody wants any more are not there in place of others.
        let nat = found.count(Table::Nat).saturating_sub(installed.stale_rules(found));
        let missing = |table, found| installed.rules(table).saturating_sub(found);
        let rules = missing(Table::Filter, found.count(Table::Filter)) + missing(Table::Nat, nat);
        Self { jumps: found.missing_jumps(), chains: chains.collect(), rules }
    }

    /// What is not there any more of what a look found.
    pub fn since(before: &Found, found: &Found) -> Self {
        let chains = before.our_chains().filter(|(table, chain)| !found.has_chain(*table, chain));
        let chains: BTreeSet<_> = chains.collect();
        let missing = |table| before.count(table).saturating_sub(found.count(table));
        let rules = missing(Table::Filter) + missing(Table::Nat);
        Self { jumps: found.missing_jumps(), chains: chains.into_iter().collect(), rules }
    }

    /// What was missing at two looks.
    pub fn and(mut self, later: Self) -> Self {
        self.jumps
            .extend(later.jumps.into_iter().filter(|jump| !self.jumps.contains(jump)).collect::<Vec<_>>());
        let chains: BTreeSet<_> = self.chains.into_iter().chain(later.chains).collect();
        Self { jumps: self.jumps, chains: chains.into_iter().collect(), rules: self.rules + later.rules }
    }

    /// Whether nothing is missing.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// `jumps: nat PREROUTING to KUBE-SERVICES; chains: nat KUBE-SERVICES and 12 more; 40 rules`.
impl fmt::Display for Loss {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let jumps = self.jumps.iter().map(|Jump { table, from, to, .. }| format!("{table} {from} to {to}"));
        let chains = self.chains.iter().map(|(table, chain)| format!("{table} {chain}"));
        for (what, names) in [("jumps", jumps.collect::<Vec<_>>()), ("chains", chains.collect())] {
            if !names.is_empty() {
                let named = names[..names.len().min(NAMED)].join(", ");
                let rest = names.len().saturating_sub(NAMED);
                let more = if rest > 0 { format!(" and {rest} more") } else { String::new() };
                write!(f, "{what}: {named}{more}; ")?;
            }
        }
        write!(f, "{} rules", self.rules)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::jump::jumps;

    #[test]
    fn few_are_named_and_many_are_counted() {
        let chain = |number: usize| (Table::Nat, ChainName::parse(&format!("KUBE-SVC-{number}")));
        let loss = |jumps, chains: usize| Loss { jumps, chains: (0..chains).map(chain).collect(), rules: 7 };
        assert_eq!(loss(Vec::new(), 0).to_string(), "7 rules");
        let jump = jumps().into_iter().find(|jump| jump.from == ChainName::PREROUTING).unwrap();
        assert_eq!(
            loss(vec![jump], 2).to_string(),
            "jumps: nat PREROUTING to KUBE-SERVICES; chains: nat KUBE-SVC-0, nat KUBE-SVC-1; 7 rules"
        );
        let many = loss(Vec::new(), 100).to_string();
        assert!(many.ends_with("nat KUBE-SVC-4 and 95 more; 7 rules"), "{many}");
    }
}
