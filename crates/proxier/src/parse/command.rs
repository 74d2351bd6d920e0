//! Splits a text for iptables-restore, or one of iptables-save, into commands.
//!
//! Knows nothing of the matches and targets of a rule (see `spelling`) and of what the commands do.

use std::num::NonZeroUsize;

use super::{SavedRule, spelling, word};
use crate::chain::{ChainName, Table};

/// One line's meaning. Where names of chains and rules are not read yet, they are text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command<C = ChainName, R = SavedRule> {
    /// `*filter`: what follows, up to [`Command::Commit`], concerns this table.
    Table(Table),
    /// `:CHAIN`: the chain is made; if it is there, it is emptied, unless it is built in.
    Chain {
        /// The chain.
        chain: C,
        /// Absent for a chain that is not built in.
        policy: Option<Policy>,
    },
    /// `-A`: a rule at the end.
    Append {
        /// The chain.
        chain: C,
        /// The rule.
        rule: R,
    },
    /// `-I`: a rule before the one at that position.
    Insert {
        /// The chain.
        chain: C,
        /// Counted from 1, which is also meant by no number.
        position: NonZeroUsize,
        /// The rule.
        rule: R,
    },
    /// `-D`: the first rule that is equal goes.
    Delete {
        /// The chain.
        chain: C,
        /// The rule.
        rule: R,
    },
    /// `-F`: all rules of a chain go.
    Flush(C),
    /// `-X`: the chain goes; it must be empty, and nothing may lead to it.
    DeleteChain(C),
    /// `COMMIT`: everything since the table began happens at once.
    Commit,
}

/// A command of which names and rules are not read yet.
pub(crate) type Unread<'a> = Command<&'a str, &'a str>;

impl Unread<'_> {
    fn read(self) -> Command {
        let (name, rule) = (ChainName::parse, spelling::rule);
        match self {
            Command::Table(table) => Command::Table(table),
            Command::Chain { chain, policy } => Command::Chain { chain: name(chain), policy },
            Command::Append { chain, rule: text } => Command::Append { chain: name(chain), rule: rule(text) },
            Command::Insert { chain, position, rule: text } => {
                Command::Insert { chain: name(chain), position, rule: rule(text) }
            }
            Command::Delete { chain, rule: text } => Command::Delete { chain: name(chain), rule: rule(text) },
            Command::Flush(chain) => Command::Flush(name(chain)),
            Command::DeleteChain(chain) => Command::DeleteChain(name(chain)),
            Command::Commit => Command::Commit,
        }
    }
}

/// What becomes of a packet at the end of a built-in chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Policy {
    /// It passes.
    Accept,
    /// It vanishes.
    Drop,
}

/// A line that means nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {problem}")]
pub struct ParseError {
    /// Counted from 1.
    pub line: usize,
    /// What is wrong with it.
    pub problem: Problem,
}

/// What is wrong with a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    /// Neither a table, a chain, a rule, a comment nor COMMIT.
    #[error("not a command")]
    NotACommand,
    /// A chain, a rule or COMMIT that belongs to no table.
    #[error("no table is open")]
    NoTable,
    /// The text ends, or another table begins, before COMMIT.
    #[error("COMMIT is missing")]
    NoCommit,
    /// A chain with a policy that is neither `ACCEPT`, `DROP` nor `-`.
    #[error("no such policy")]
    NoSuchPolicy,
    /// A command that iptables-save does not print.
    #[error("such a command does not stand in a save")]
    NotInSave,
}

/// The commands of a text, one after the other. Comments, blank lines and whole tables without
/// chains of ours are passed over. After an error, what follows is read all the same.
pub fn commands(text: &str) -> Commands<'_> {
    Commands { lines: text.lines(), parser: Parser::default() }
}

/// See [`commands`].
#[derive(Clone, Debug)]
pub struct Commands<'a> {
    lines: std::str::Lines<'a>,
    parser: Parser,
}

impl Commands<'_> {
    /// The number, counted from 1, of the line that was read last.
    pub fn line(&self) -> usize {
        self.parser.line
    }
}

/// Reads a text line by line, for those who do not have all of it at once.
#[derive(Clone, Debug, Default)]
pub(crate) struct Parser {
    line: usize,
    open: Open,
    /// The first lines of a rule that goes on: somebody put a line break into a comment.
    begun: String,
    /// All lines of such a rule.
    whole: String,
}

/// The table that is open.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Open {
    #[default]
    Nothing,
    Ours,
    Foreign,
}

impl Parser {
    /// What the next line says; nothing for a line that is passed over, or that begins a rule of several lines.
    ///
    /// # Errors
    /// The line means nothing. What follows can be read all the same.
    pub(crate) fn read<'a>(&'a mut self, line: &'a str) -> Result<Option<Unread<'a>>, ParseError> {
        self.line += 1;
        let number = self.line;
        let line = line.strip_suffix('\n').unwrap_or(line);
        let is_inside = !self.begun.is_empty();
        let is_rule = self.open != Open::Nothing && line.starts_with(['-', '[']);
        let goes_on = (is_inside || is_rule) && word::ends_in_string(line, is_inside);
        let whole = if is_inside || goes_on {
            self.begun.push_str(line);
            if goes_on {
                self.begun.push('\n');
                return Ok(None);
            }
            self.whole = std::mem::take(&mut self.begun);
            &self.whole
        } else {
            line
        };
        self.open.command(whole.trim_ascii()).map_err(|problem| ParseError { line: number, problem })
    }

    /// To be called after the last line.
    ///
    /// # Errors
    /// The text ended before COMMIT: it was cut short.
    pub(crate) fn end(&mut self) -> Result<(), ParseError> {
        self.begun.clear();
        match std::mem::take(&mut self.open) {
            Open::Nothing => Ok(()),
            Open::Ours | Open::Foreign => Err(ParseError { line: self.line, problem: Problem::NoCommit }),
        }
    }
}

impl Open {
    fn command<'a>(&mut self, line: &'a str) -> Result<Option<Unread<'a>>, Problem> {
        if line.is_empty() || line.starts_with('#') {
            return Ok(None);
        }
        if let Some(name) = line.strip_prefix('*') {
            return self.begin(name);
        }
        match self {
            Self::Nothing => Err(Problem::NoTable),
            Self::Foreign if line != "COMMIT" => Ok(None),
            Self::Foreign => {
                *self = Self::Nothing;
                Ok(None)
            }
            Self::Ours if line == "COMMIT" => {
                *self = Self::Nothing;
                Ok(Some(Command::Commit))
            }
            Self::Ours => match line.strip_prefix(':') {
                Some(text) => chain(text).map(Some),
                None => rule_command(line).map(Some).ok_or(Problem::NotACommand),
            },
        }
    }

    fn begin(&mut self, name: &str) -> Result<Option<Unread<'static>>, Problem> {
        let table = [Table::Mangle, Table::Filter, Table::Nat].into_iter().find(|table| table.name() == name);
        let opened = if table.is_some() { Self::Ours } else { Self::Foreign };
        match std::mem::replace(self, opened) {
            Self::Nothing => Ok(table.map(Command::Table)),
            Self::Ours | Self::Foreign => Err(Problem::NoCommit),
        }
    }
}

impl Iterator for Commands<'_> {
    type Item = Result<Command, ParseError>;

    fn next(&mut self) -> Option<Self::Item> {
        for line in self.lines.by_ref() {
            let command = self.parser.read(line).transpose();
            if let Some(command) = command {
                return Some(command.map(Unread::read));
            }
        }
        self.parser.end().err().map(Err)
    }
}

/// `INPUT ACCEPT [0:0]`, perhaps without counters.
fn chain(text: &str) -> Result<Unread<'_>, Problem> {
    let mut words = text.split_ascii_whitespace();
    let chain = words.next().ok_or(Problem::NotACommand)?;
    let policy = match words.next() {
        Some("-") => None,
        Some("ACCEPT") => Some(Policy::Accept),
        Some("DROP") => Some(Policy::Drop),
        Some(_) | None => return Err(Problem::NoSuchPolicy),
    };
    Ok(Command::Chain { chain, policy })
}

/// `-A CHAIN ...` and its like, perhaps behind counters.
fn rule_command(line: &str) -> Option<Unread<'_>> {
    let (option, rest) = first_word(without_counters(line)?);
    let (chain, rule) = first_word(rest);
    if chain.is_empty() {
        return None;
    }
    match option {
        "-A" => Some(Command::Append { chain, rule }),
        "-I" => {
            let (position, rule) = position(rule);
            Some(Command::Insert { chain, position, rule })
        }
        "-D" => Some(Command::Delete { chain, rule }),
        "-F" if rule.is_empty() => Some(Command::Flush(chain)),
        "-X" if rule.is_empty() => Some(Command::DeleteChain(chain)),
        _ => None,
    }
}

fn without_counters(line: &str) -> Option<&str> {
    match line.strip_prefix('[') {
        Some(counters) => counters.split_once(']').map(|(_, rest)| rest.trim_ascii_start()),
        None => Some(line),
    }
}

fn position(text: &str) -> (NonZeroUsize, &str) {
    let (word, rest) = first_word(text);
    match word.parse() {
        Ok(position) => (position, rest),
        Err(_) => (NonZeroUsize::MIN, text),
    }
}

fn first_word(text: &str) -> (&str, &str) {
    let (word, rest) = word::split_word(text);
    (word, rest.trim_ascii_start())
}
