//! Reads what iptables-save prints and what iptables-restore takes, back into rules.
//!
//! Knows nothing of which rules are wanted, and of rules that are never written here beyond their text.

mod command;
mod normal;
mod spelling;
mod word;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

pub use command::{Command, Commands, ParseError, Policy, Problem, commands};
pub(crate) use command::{Parser, Unread};
pub(crate) use spelling::known;

use crate::chain::{ChainName, Table};
use crate::rule::Rule;

/// One rule that stands in a text.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum SavedRule {
    /// One of those that are written here, in its normal form (see [`Rule::normal`]).
    Known(Rule),
    /// Any other: what stands behind the name of its chain.
    Foreign(Box<str>),
}

/// Reads what stands behind the name of a rule's chain.
pub(crate) fn rule(text: &str) -> SavedRule {
    spelling::rule(text.trim_ascii())
}

impl SavedRule {
    /// The rule, if it is one of those that are written here.
    pub fn known(&self) -> Option<&Rule> {
        match self {
            Self::Known(rule) => Some(rule),
            Self::Foreign(_) => None,
        }
    }
}

/// A chain as it is installed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Chain {
    /// What becomes of a packet that meets the end of a built-in chain; absent for any other chain.
    pub policy: Option<Policy>,
    /// In the order in which packets meet them.
    pub rules: Vec<SavedRule>,
}

/// The tables that were installed when a save was made. Tables without chains of ours are left out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Save {
    /// Each table that the text has, even if it is empty.
    pub tables: BTreeMap<Table, BTreeMap<ChainName, Chain>>,
}

impl Save {
    /// A chain, if it is there.
    pub fn chain(&self, table: Table, chain: &ChainName) -> Option<&Chain> {
        self.tables.get(&table)?.get(chain)
    }

    /// The known rules by chain, as a packet meets them; chains without rules are there too.
    pub fn by_chain(&self) -> BTreeMap<(Table, &ChainName), Vec<&Rule>> {
        let mut known = BTreeMap::new();
        for (table, chains) in &self.tables {
            for (name, chain) in chains {
                known.insert((*table, name), chain.rules.iter().filter_map(SavedRule::known).collect());
            }
        }
        known
    }
}

/// Reads the output of iptables-save, with or without counters, of one table or of all.
///
/// # Errors
///
/// If the text ends inside a table, or holds anything that iptables-save does not print.
pub fn save(text: &str) -> Result<Save, ParseError> {
    let mut save = Save::default();
    let mut open = Table::Filter;
    let mut commands = commands(text);
    while let Some(command) = commands.next() {
        match command? {
            Command::Table(table) => {
                open = table;
                save.tables.entry(table).or_default();
            }
            Command::Chain { chain, policy } => {
                save.tables.entry(open).or_default().insert(chain, Chain { policy, rules: Vec::new() });
            }
            Command::Append { chain, rule } => {
                let chains = save.tables.entry(open).or_default();
                chains.entry(chain).or_default().rules.push(rule);
            }
            Command::Commit => {}
            Command::Insert { .. } | Command::Delete { .. } | Command::Flush(_) | Command::DeleteChain(_) => {
                return Err(ParseError { line: commands.line(), problem: Problem::NotInSave });
            }
        }
    }
    Ok(save)
}
