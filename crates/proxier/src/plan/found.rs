//! The rules that are there, as they were read back.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io;

use crate::chain::{ChainName, Table};
use crate::jump::{Jump, jumps};
use crate::parse::{Command, ParseError, Parser, Problem, SavedRule};
use crate::rule::{Rule, Target};

use super::{SharedChain, Transaction, lines};

/// The rules of one family as iptables-save tells them.
#[derive(Clone, Debug, Default)]
pub struct Found {
    /// Chains of service ports in the nat table.
    own: BTreeMap<ChainName, OwnChain>,
    /// Every other chain of the filter and the nat table.
    others: BTreeMap<SharedChain, Vec<SavedRule>>,
    /// How many rules the chains have that are ours.
    rules: BTreeMap<Table, usize>,
}

impl Found {
    /// What a save of all tables tells.
    ///
    /// # Errors
    /// It is not a save, or was cut short.
    pub fn of(save: &[u8]) -> Result<Self, Unreadable> {
        let mut intake = Intake::default();
        intake.push(save)?;
        intake.finish()
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

    /// Whether the chain is there.
    pub fn has_chain(&self, table: Table, chain: &ChainName) -> bool {
        if is_own(table, chain) {
            self.own.contains_key(chain)
        } else {
            self.others.contains_key(&(table, chain.clone()))
        }
    }

    /// All chains that are ours.
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
        let mut hasher = DefaultHasher::new();
        self.own.hash(&mut hasher);
        let ours = self.others.iter().filter(|((_, chain), _)| chain.is_ours());
        ours.for_each(|chain| chain.hash(&mut hasher));
        hasher.finish()
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

    /// Chains that only kube-proxy makes.
    pub(super) fn own_chains(&self) -> BTreeSet<ChainName> {
        self.own.keys().cloned().collect()
    }
}

/// What is kept of a service port's chain.
#[derive(Clone, Debug, Default, Hash)]
pub(super) struct OwnChain {
    /// A digest of its rules in normal form.
    pub(super) digest: u64,
    /// How many they are.
    pub(super) rules: u32,
    /// Chains of service ports that it leads to.
    pub(super) jumps: Vec<ChainName>,
}

/// Why a save could not be taken in.
#[derive(Debug, thiserror::Error)]
pub enum Unreadable {
    /// It is none, or was cut short.
    #[error(transparent)]
    Parse(#[from] ParseError),
    /// Reading failed.
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// A save that is taken in piece by piece.
#[derive(Debug)]
pub struct Intake {
    found: Found,
    hashers: BTreeMap<ChainName, (DefaultHasher, OwnChain)>,
    parser: Parser,
    table: Table,
    /// A line that has not ended yet.
    line: Vec<u8>,
}

impl Default for Intake {
    fn default() -> Self {
        Self {
            found: Found::default(),
            hashers: BTreeMap::new(),
            parser: Parser::default(),
            table: Table::Filter,
            line: Vec::new(),
        }
    }
}

impl Intake {
    /// Takes in what comes next.
    ///
    /// # Errors
    /// It is not a save.
    pub fn push(&mut self, bytes: &[u8]) -> Result<(), Unreadable> {
        for piece in lines(bytes) {
            if self.line.is_empty() && piece.ends_with(b"\n") {
                self.read(piece)?;
                continue;
            }
            self.line.extend_from_slice(piece);
            if piece.ends_with(b"\n") {
                let line = std::mem::take(&mut self.line);
                self.read(&line)?;
            }
        }
        Ok(())
    }

    /// What was found.
    ///
    /// # Errors
    /// The save was cut short.
    pub fn finish(mut self) -> Result<Found, Unreadable> {
        let line = std::mem::take(&mut self.line);
        if !line.is_empty() {
            self.read(&line)?;
        }
        self.parser.end()?;
        let finished = |(hasher, own): (DefaultHasher, OwnChain)| OwnChain { digest: hasher.finish(), ..own };
        self.found.own = self.hashers.into_iter().map(|(chain, half)| (chain, finished(half))).collect();
        Ok(self.found)
    }

    fn read(&mut self, line: &[u8]) -> Result<(), Unreadable> {
        match self.parser.read(&String::from_utf8_lossy(line)) {
            Ok(command) => command.into_iter().for_each(|command| self.take(command)),
            // The name of an interface may hold a line break, too: what stands behind it is of no rule of ours.
            Err(ParseError { problem: Problem::NotACommand | Problem::NoSuchPolicy, .. }) => {}
            Err(error) => return Err(error.into()),
        }
        Ok(())
    }

    fn take(&mut self, command: Command) {
        if let Command::Append { chain, .. } = &command
            && chain.is_ours()
        {
            *self.found.rules.entry(self.table).or_default() += 1;
        }
        match command {
            Command::Table(table) => self.table = table,
            // Only the canary lives there.
            Command::Chain { .. } | Command::Append { .. } if self.table == Table::Mangle => {}
            Command::Chain { chain, .. } if is_own(self.table, &chain) => {
                self.hashers.insert(chain, Default::default());
            }
            Command::Chain { chain, .. } => {
                self.found.others.insert((self.table, chain), Vec::new());
            }
            Command::Append { chain, rule } if is_own(self.table, &chain) => {
                let (hasher, own) = self.hashers.entry(chain).or_default();
                rule.hash(hasher);
                own.rules += 1;
                own.jumps.extend(rule.known().and_then(jump_to_own).cloned());
            }
            Command::Append { chain, rule } => {
                self.found.others.entry((self.table, chain)).or_default().push(rule);
            }
            Command::Insert { .. }
            | Command::Delete { .. }
            | Command::Flush(_)
            | Command::DeleteChain(_)
            | Command::Commit => {}
        }
    }
}

/// The chain of a service port that a rule leads to.
pub(super) fn jump_to_own(rule: &Rule) -> Option<&ChainName> {
    match &rule.target {
        Some(Target::Jump(chain)) if chain.is_of_service_port() => Some(chain),
        _ => None,
    }
}

fn is_own(table: Table, chain: &ChainName) -> bool {
    table == Table::Nat && chain.is_of_service_port()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As iptables-save 1.8.9 prints them, of both variants.
    const LINE_BREAKS: &str = "\
*raw
:PREROUTING ACCEPT [0:0]
-A PREROUTING -m comment --comment \"c
COMMIT
*nat\" -j ACCEPT
COMMIT
*filter
:INPUT ACCEPT [0:0]
:KUBE-FORWARD - [0:0]
:a\"b - [0:0]
-A INPUT -m comment --comment \"a
COMMIT
-A KUBE-FORWARD -j ACCEPT
*nat
b \\\"q\\\" c\" -j ACCEPT
-A INPUT -i y
z -j ACCEPT
-A INPUT -m comment --comment \"x
y\" -m comment --comment \"tail\\\\\" -j ACCEPT
-A a\"b -i \"x -j ACCEPT
-A KUBE-FORWARD -m comment --comment \"a
b\" -j DROP
COMMIT
";

    /// Whatever others write into a comment or the name of an interface is theirs.
    #[test]
    fn line_breaks_make_no_rules() {
        let found = Found::of(LINE_BREAKS.as_bytes()).unwrap();
        let rules = |chain| found.rules(&(Table::Filter, ChainName::parse(chain))).unwrap();
        let [SavedRule::Foreign(comment), _of_an_interface, SavedRule::Foreign(_)] = rules("INPUT") else {
            panic!("{:?}", rules("INPUT"));
        };
        assert!(comment.contains("-A KUBE-FORWARD") && comment.ends_with("-j ACCEPT"), "{comment}");
        assert!(matches!(rules("a\"b"), [SavedRule::Foreign(_)]));
        assert!(matches!(rules("KUBE-FORWARD"), [SavedRule::Foreign(_)]), "{:?}", rules("KUBE-FORWARD"));
        assert_eq!((found.count(Table::Filter), found.count(Table::Nat)), (1, 0));
    }

    #[test]
    fn what_is_cut_short_is_not_believed() {
        for (end, _) in LINE_BREAKS.match_indices('\n') {
            let cut = Found::of(&LINE_BREAKS.as_bytes()[..end]);
            let is_whole = LINE_BREAKS[..end].ends_with("ACCEPT\nCOMMIT")
                || LINE_BREAKS[..end].ends_with("DROP\nCOMMIT");
            assert_eq!(cut.is_ok(), is_whole, "{}", &LINE_BREAKS[..end]);
        }
    }
}
