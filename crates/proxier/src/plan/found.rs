//! The rules that are there, as they were read back.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{DefaultHasher, Hash, Hasher};

use crate::chain::{ChainName, Table};
use crate::jump::{Jump, jumps};
use crate::parse::{Command, ParseError, SavedRule, commands};

use super::SharedChain;

/// The rules of one family as iptables-save tells them.
#[derive(Clone, Debug, Default)]
pub struct Found {
    /// Chains of service ports in the nat table, with a digest of their rules in normal form.
    own: BTreeMap<ChainName, u64>,
    /// Every other chain of both tables.
    others: BTreeMap<SharedChain, Vec<SavedRule>>,
}

impl Found {
    /// Takes in the save of one table, or of several.
    ///
    /// # Errors
    /// It is not a save, or was cut short.
    pub fn read(&mut self, save: &str) -> Result<(), ParseError> {
        let mut hashers: BTreeMap<ChainName, DefaultHasher> = BTreeMap::new();
        let mut open = Table::Filter;
        for command in commands(save) {
            match command? {
                Command::Table(table) => open = table,
                Command::Chain { chain, .. } if is_own(open, &chain) => {
                    hashers.insert(chain, DefaultHasher::new());
                }
                Command::Chain { chain, .. } => {
                    self.others.insert((open, chain), Vec::new());
                }
                Command::Append { chain, rule } if is_own(open, &chain) => {
                    rule.hash(hashers.entry(chain).or_default());
                }
                Command::Append { chain, rule } => self.others.entry((open, chain)).or_default().push(rule),
                Command::Insert { .. }
                | Command::Delete { .. }
                | Command::Flush(_)
                | Command::DeleteChain(_)
                | Command::Commit => {}
            }
        }
        self.own.extend(hashers.into_iter().map(|(chain, hasher)| (chain, hasher.finish())));
        Ok(())
    }

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

    /// The digest of a service port's chain, if it is there.
    pub(super) fn own(&self, chain: &ChainName) -> Option<u64> {
        self.own.get(chain).copied()
    }

    /// The rules of any other chain, if it is there.
    pub(super) fn rules(&self, chain: &SharedChain) -> Option<&[SavedRule]> {
        self.others.get(chain).map(Vec::as_slice)
    }

    /// Chains that only kube-proxy makes.
    pub(super) fn own_chains(&self) -> BTreeSet<ChainName> {
        self.own.keys().cloned().collect()
    }
}

fn is_own(table: Table, chain: &ChainName) -> bool {
    table == Table::Nat && chain.is_of_service_port()
}
