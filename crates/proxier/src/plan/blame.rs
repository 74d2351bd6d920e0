//! Whom a refused line belongs to.
//!
//! Knows nothing of what becomes of the culprit.

use std::collections::{BTreeMap, BTreeSet};

use crate::chain::{ChainName, Table};
use crate::service::ServicePortName;

use super::installed::InstalledPort;
use super::{Applied, Transaction, lines};

/// What can be left out of a transaction while all else is applied.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Suspect {
    /// The rules of a service port.
    Port(ServicePortName),
    /// The deletion of a chain that nobody wants.
    Chain(ChainName),
}

/// Who may be the reason why a transaction was refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Blame {
    /// The refused line is of this one.
    One(Suspect),
    /// One of these, perhaps: they have lines in what was refused as a whole.
    AnyOf(BTreeSet<Suspect>),
    /// The refused line does not depend on any Service.
    Nobody,
}

impl Transaction {
    /// Who may be the reason for the refusal of a line, counted from 1, or of an unknown one.
    pub fn blame(&self, applied: &Applied, line: Option<usize>) -> Blame {
        let all: Vec<_> = lines(&self.input).collect();
        let Some(refused) = line.and_then(|number| all.get(number.checked_sub(1)?)) else {
            return Blame::AnyOf(self.suspects(applied));
        };
        let owners = Owners::of(self, applied);
        let before = &all[..line.expect("a line was found")];
        let begin = before.iter().rposition(|line| line.starts_with(b"*")).unwrap_or_default();
        if refused.starts_with(b"COMMIT") {
            return Blame::AnyOf(owners.suspects(&before[begin..]));
        }
        match owners.suspect(table_of(before[begin]), refused) {
            Some(suspect) => Blame::One(suspect),
            None => Blame::Nobody,
        }
    }

    /// Who has lines in it.
    pub fn suspects(&self, applied: &Applied) -> BTreeSet<Suspect> {
        Owners::of(self, applied).suspects(&lines(&self.input).collect::<Vec<_>>())
    }

    /// The first rule that a service port or chain contributes; empty if it contributes none.
    pub fn first_line_of(&self, suspect: &Suspect, applied: &Applied) -> String {
        let owners = Owners::of(self, applied);
        let mut table = Table::Filter;
        let mut rules = lines(&self.input).filter(|line| {
            table = if line.starts_with(b"*") { table_of(line) } else { table };
            line.starts_with(b"-") && owners.suspect(table, line).as_ref() == Some(suspect)
        });
        rules.next().map(printable).unwrap_or_default()
    }

    /// The text of a line, counted from 1; empty if there is none.
    pub fn line(&self, number: usize) -> String {
        number
            .checked_sub(1)
            .and_then(|index| lines(&self.input).nth(index))
            .map(printable)
            .unwrap_or_default()
    }

    /// How many COMMITs stand before a line, counted from 1: what they close was applied when it was refused.
    pub fn commits_before(&self, line: usize) -> usize {
        lines(&self.input).take(line.saturating_sub(1)).filter(|line| line.starts_with(b"COMMIT")).count()
    }
}

fn printable(line: &[u8]) -> String {
    String::from_utf8_lossy(line).trim_end().to_owned()
}

fn table_of(line: &[u8]) -> Table {
    if line.starts_with(b"*nat") { Table::Nat } else { Table::Filter }
}

/// Which lines are whose.
struct Owners<'a> {
    chains: BTreeMap<&'a ChainName, &'a ServicePortName>,
    rules: BTreeMap<(Table, &'a ChainName), BTreeMap<&'a [u8], &'a ServicePortName>>,
    deleted: &'a BTreeSet<ChainName>,
}

impl<'a> Owners<'a> {
    fn of(transaction: &'a Transaction, applied: &'a Applied) -> Self {
        let mut owners =
            Self { chains: BTreeMap::new(), rules: BTreeMap::new(), deleted: &transaction.unwanted };
        if let Applied::Known(installed) = applied {
            installed.ports.iter().for_each(|(name, port)| owners.add(name, port));
        }
        transaction.ports.iter().for_each(|(name, port)| owners.add(name, port));
        owners
    }

    fn add(&mut self, name: &'a ServicePortName, port: &'a InstalledPort) {
        self.chains.extend(port.own.iter().map(|(chain, _)| (chain, name)));
        for (chain, text) in &port.shared {
            let of_chain = self.rules.entry((chain.0, &chain.1)).or_default();
            of_chain.extend(lines(text).map(|rule| (rule, name)));
        }
    }

    fn suspects(&self, section: &[&[u8]]) -> BTreeSet<Suspect> {
        let mut table = Table::Filter;
        let mut suspects = BTreeSet::new();
        for line in section {
            table = if line.starts_with(b"*") { table_of(line) } else { table };
            suspects.extend(self.suspect(table, line));
        }
        suspects
    }

    fn suspect(&self, table: Table, line: &[u8]) -> Option<Suspect> {
        let (chain, rule) = chain_and_rule(line)?;
        if self.deleted.contains(&chain) {
            return Some(Suspect::Chain(chain));
        }
        let by_chain = self.chains.get(&chain).filter(|_| table == Table::Nat);
        let owner = by_chain.or_else(|| self.rules.get(&(table, &chain))?.get(rule));
        owner.map(|name| Suspect::Port((*name).clone()))
    }
}

/// The chain of a line, and what stands behind it and behind a position.
fn chain_and_rule(line: &[u8]) -> Option<(ChainName, &[u8])> {
    let after = match line {
        [b':', after @ ..] | [b'-', _, b' ', after @ ..] => after,
        _ => return None,
    };
    let end = after.iter().position(u8::is_ascii_whitespace).unwrap_or(after.len());
    let (name, rest) = after.split_at(end);
    let chain = ChainName::parse(&String::from_utf8_lossy(name));
    let digits = rest.iter().skip(1).take_while(|byte| byte.is_ascii_digit()).count();
    let rule = if line.starts_with(b"-I") { &rest[1 + digits..] } else { rest };
    Some((chain, rule))
}
