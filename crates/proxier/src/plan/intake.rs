//! Takes in what iptables-save prints, piece by piece, and keeps of it what a plan needs.
//!
//! Knows nothing of what is wanted.

use std::borrow::Cow;
use std::io;

use memchr::memchr;

use crate::chain::{ChainName, Table};
use crate::parse::{self, Command, ParseError, Parser, Problem, Unread};

use super::SharedChain;
use super::found::{Found, OwnChain, is_own};

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
#[derive(Debug, Default)]
pub struct Intake {
    parser: Parser,
    taken: Taken,
    /// A line that has not ended yet.
    line: Vec<u8>,
}

/// What was taken in so far.
#[derive(Debug)]
struct Taken {
    found: Found,
    table: Table,
    row: Option<Row>,
}

/// A chain whose rules are being told. They come in a row, so that it is looked up once.
#[derive(Debug)]
struct Row {
    chain: SharedChain,
    place: Place,
}

/// Where the rules of a chain go.
#[derive(Clone, Copy, Debug)]
enum Place {
    /// To the own chain with this index.
    Own(usize),
    /// To the other chains.
    Other,
    /// Nowhere: in the mangle table, only the canary is ours.
    Nowhere,
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
}

impl Intake {
    /// Takes in what comes next.
    ///
    /// # Errors
    /// It is not a save.
    pub fn push(&mut self, mut bytes: &[u8]) -> Result<(), Unreadable> {
        while let Some(end) = memchr(b'\n', bytes) {
            let (line, rest) = bytes.split_at(end + 1);
            bytes = rest;
            if self.line.is_empty() {
                self.read(line)?;
            } else {
                self.line.extend_from_slice(line);
                self.read_begun()?;
            }
        }
        self.line.extend_from_slice(bytes);
        Ok(())
    }

    /// What was found.
    ///
    /// # Errors
    /// The save was cut short.
    pub fn finish(mut self) -> Result<Found, Unreadable> {
        if !self.line.is_empty() {
            self.read_begun()?;
        }
        self.parser.end()?;
        Ok(self.taken.found)
    }

    fn read_begun(&mut self) -> Result<(), Unreadable> {
        let line = std::mem::take(&mut self.line);
        self.read(&line)
    }

    fn read(&mut self, line: &[u8]) -> Result<(), Unreadable> {
        // Nearly always it is text, and this is the quicker way to see it.
        let text = str::from_utf8(line).map_or_else(|_| String::from_utf8_lossy(line), Cow::Borrowed);
        match self.parser.read(&text) {
            Ok(command) => command.into_iter().for_each(|command| self.taken.take(command)),
            // The name of an interface may hold a line break, too: what stands behind it is of no rule of ours.
            Err(ParseError { problem: Problem::NotACommand | Problem::NoSuchPolicy, .. }) => {}
            Err(error) => return Err(error.into()),
        }
        Ok(())
    }
}

// === impl Taken ===

impl Default for Taken {
    fn default() -> Self {
        Self { found: Found::default(), table: Table::Filter, row: None }
    }
}

impl Taken {
    fn take(&mut self, command: Unread<'_>) {
        match command {
            Command::Table(table) => {
                self.row = None;
                self.table = table;
            }
            Command::Chain { chain, .. } => {
                self.row = None;
                self.declare((self.table, ChainName::parse(chain)));
            }
            Command::Append { chain, rule } => self.append(chain, rule),
            Command::Insert { .. }
            | Command::Delete { .. }
            | Command::Flush(_)
            | Command::DeleteChain(_)
            | Command::Commit => {}
        }
    }

    fn declare(&mut self, chain: SharedChain) {
        if is_own(&chain) {
            self.found.own.insert(chain.1, OwnChain::default());
        } else if chain.0 != Table::Mangle {
            self.found.others.insert(chain, Vec::new());
        }
    }

    fn append(&mut self, name: &str, rule: &str) {
        if self.row.as_ref().is_none_or(|row| !row.chain.1.is(name)) {
            self.row = None;
        }
        let Self { found, table, row } = self;
        let row = row.get_or_insert_with(|| Row::begin((*table, ChainName::parse(name)), found));
        if row.chain.1.is_ours() {
            *found.rules.entry(*table).or_default() += 1;
        }
        match row.place {
            Place::Own(index) => found.own[index].add(rule),
            Place::Other => {
                found.others.get_mut(&row.chain).expect("the row has begun").push(parse::rule(rule));
            }
            Place::Nowhere => {}
        }
    }
}

impl Row {
    fn begin(chain: SharedChain, found: &mut Found) -> Self {
        let place = if is_own(&chain) {
            let entry = found.own.entry(chain.1.clone());
            let index = entry.index();
            entry.or_default();
            Place::Own(index)
        } else if chain.0 == Table::Mangle {
            Place::Nowhere
        } else {
            found.others.entry(chain.clone()).or_default();
            Place::Other
        };
        Self { chain, place }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parse::SavedRule;

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

    /// Nobody prints them so, but only the order within a chain has a meaning.
    #[test]
    fn rules_need_not_stand_in_a_row() {
        let found = |rules: &[&str]| {
            let rules: String = rules.iter().map(|rule| format!("-A {rule}\n")).collect();
            let text = format!("*nat\n:KUBE-SVC-A - [0:0]\n:KUBE-SERVICES - [0:0]\n{rules}COMMIT\n");
            let found = Found::of(text.as_bytes()).unwrap();
            (found.digest(), found.count(Table::Nat))
        };
        let [one, two] = ["KUBE-SVC-A -j KUBE-SEP-A", "KUBE-SVC-A -j KUBE-SEP-B"];
        let [other, foreign] = ["KUBE-SERVICES -j KUBE-SVC-A", "KUBE-SVC-B -j LOG"];
        let in_rows = found(&[one, two, other, foreign]);
        assert_eq!(in_rows.1, 4);
        assert_eq!(in_rows, found(&[one, foreign, other, two]));
        assert_ne!(in_rows, found(&[two, one, other, foreign]));
        assert_ne!(in_rows, found(&[one, two, other, "KUBE-SVC-B -j MARK"]));
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
