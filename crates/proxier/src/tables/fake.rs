//! Tables in memory: apply what iptables-restore would apply, and refuse what it would refuse.
//!
//! Stands in for the kernel where no kernel is needed.

use std::collections::{BTreeMap, BTreeSet};

use crate::chain::{ChainName, Table};
use crate::error_line::line_number;
use crate::jump::Jump;
use crate::parse::{Chain, Command, SavedRule, commands};
use crate::plan::{Found, Layout};
use crate::rule::Target;
use crate::text;

use super::{CANARY_TABLES, Tables, TablesError};

/// The chains of a table.
pub type Chains = BTreeMap<ChainName, Chain>;

/// Tables of one family in memory.
#[derive(Clone, Debug)]
pub struct FakeTables {
    /// The form in which it likes its input.
    pub layout: Layout,
    /// Whether it knows `--random-fully`, if it tells.
    pub random_fully: Option<bool>,
    /// What is installed.
    pub tables: BTreeMap<Table, Chains>,
    /// Every text that was accepted.
    pub restored: Vec<String>,
    /// What was installed after each COMMIT of the last restore.
    pub commits: Vec<BTreeMap<Table, Chains>>,
    /// How many of the next restores fail.
    pub failures: usize,
    /// Whether every input is refused, whatever it is, without a word about why.
    pub is_broken: bool,
    /// Whether it works on other tables than these, and so refuses every change of what is not there.
    pub is_astray: bool,
    /// Rules that are refused.
    pub poisons: Vec<Poison>,
    /// Chains that rules of somebody else lead to: they cannot be deleted.
    pub in_use: BTreeSet<ChainName>,
    /// How often the input was refused, by restores and by tests.
    pub refusals: usize,
    /// The restore behind so many refusals fails, once.
    pub fails_after_refusals: Option<usize>,
    /// The COMMIT of this number in a restore fails, counted from 1; those before it hold.
    pub fails_at_commit: Option<usize>,
    /// Somebody empties all tables after so many refusals, once.
    pub flushed_after_refusals: Option<usize>,
    /// Somebody empties all tables right after so many looks, once.
    pub flushed_after_looks: Option<usize>,
    /// Rules as they were spelled when they were written, each behind the name of its chain.
    spelled: BTreeSet<String>,
}

/// Rules that are refused when they are appended or inserted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Poison {
    /// What the line of such a rule contains.
    pub text: String,
    /// Who refuses it.
    pub refused_by: RefusedBy,
}

/// Who refuses a rule, and what is said about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RefusedBy {
    /// The tool when it reads the line, which it names. A test finds it.
    Tool,
    /// The tool when it reads the line, without a word about which. A test finds it.
    SpeechlessTool,
    /// The kernel at COMMIT; the tool names the line of the rule, as the nf_tables variant does.
    Kernel,
    /// The kernel at COMMIT; the tool names the line of COMMIT, as the legacy variant does.
    SpeechlessKernel,
}

impl FakeTables {
    /// Empty tables.
    pub fn new(layout: Layout) -> Self {
        Self {
            layout,
            random_fully: None,
            tables: BTreeMap::new(),
            restored: Vec::new(),
            commits: Vec::new(),
            failures: 0,
            is_broken: false,
            is_astray: false,
            poisons: Vec::new(),
            in_use: BTreeSet::new(),
            refusals: 0,
            fails_after_refusals: None,
            fails_at_commit: None,
            flushed_after_refusals: None,
            flushed_after_looks: None,
            spelled: BTreeSet::new(),
        }
    }

    /// What iptables-save would print.
    pub fn save(&self) -> String {
        let mut out = Vec::new();
        for (table, chains) in &self.tables {
            text::begin(*table, &mut out);
            chains.keys().for_each(|chain| text::declare(chain, &mut out));
            for (name, chain) in chains {
                chain.rules.iter().for_each(|rule| match rule {
                    SavedRule::Known(rule) => text::append(name, rule, &mut out),
                    SavedRule::Foreign(rule) => {
                        text::append_lines(name, [format!(" {rule}\n").as_bytes()], &mut out)
                    }
                });
            }
            text::commit(&mut out);
        }
        String::from_utf8(out).expect("rules are text")
    }

    /// The chains of a table.
    pub fn chains(&self, table: Table) -> Chains {
        self.tables.get(&table).cloned().unwrap_or_default()
    }

    /// Forgets everything, as `iptables -F` and `-X` in every table would.
    pub fn flush(&mut self) {
        self.tables.clear();
    }
}

impl Tables for FakeTables {
    fn look(&mut self) -> Result<Found, TablesError> {
        let found = Found::of(self.save().as_bytes()).map_err(|error| refused(error.to_string()))?;
        self.flushed_after_looks = match self.flushed_after_looks {
            Some(1) => {
                self.flush();
                None
            }
            more => more.map(|looks| looks - 1),
        };
        Ok(found)
    }

    fn ensure_jumps(&mut self, jumps: &[Jump], _found: &Found) -> Result<(), TablesError> {
        for jump in jumps {
            let chains = self.tables.entry(jump.table).or_default();
            chains.entry(jump.to.clone()).or_default();
            let rules = &mut chains.entry(jump.from.clone()).or_default().rules;
            let rule = SavedRule::Known(jump.rule.clone().normal());
            if !rules.contains(&rule) {
                rules.insert(0, rule);
            }
        }
        Ok(())
    }

    fn layout(&self) -> Layout {
        self.layout
    }

    fn random_fully(&self) -> Option<bool> {
        self.random_fully
    }

    fn restore(&mut self, input: &[u8]) -> Result<(), TablesError> {
        if self.failures > 0 {
            self.failures -= 1;
            return Err(busy());
        }
        if self.is_broken {
            return Err(self.refuse("told to be broken".to_owned()));
        }
        self.commits.clear();
        let text = String::from_utf8_lossy(input).into_owned();
        let lines: Vec<_> = text.lines().collect();
        let mut commands = commands(&text);
        let mut open = None;
        let mut begin = 0;
        while let Some(command) = commands.next() {
            let command = command.map_err(|error| refused(error.to_string()))?;
            let line = commands.line();
            self.read(lines[line - 1], line)?;
            if matches!(&command, Command::DeleteChain(chain) if self.in_use.contains(chain)) {
                return Err(self.refuse(format!("line {line}: CHAIN_DEL failed")));
            }
            if command == Command::Commit {
                if self.fails_at_commit == Some(self.commits.len() + 1) {
                    return Err(busy());
                }
                self.judge(&lines[..line], begin)?;
                begin = line;
            }
            let run = self.spell(lines[line - 1]).and_then(|()| self.run(command, &mut open));
            run.map_err(|reason| refused(format!("line {line}: {reason}")))?;
        }
        self.restored.push(text);
        Ok(())
    }

    fn examine(&mut self) -> Result<(), TablesError> {
        let (command, text) = ("restore".to_owned(), "told to be astray".to_owned());
        if self.is_astray { Err(TablesError::Astray { command, text }) } else { Ok(()) }
    }

    fn test(&mut self, input: &[u8]) -> Result<(), TablesError> {
        let text = String::from_utf8_lossy(input);
        text.lines().zip(1..).try_for_each(|(text, line)| self.read(text, line))
    }

    fn ensure_canary(&mut self) -> Result<(), TablesError> {
        for table in CANARY_TABLES {
            self.tables.entry(table).or_default().entry(ChainName::KUBE_PROXY_CANARY).or_default();
        }
        Ok(())
    }

    fn has_canary(&mut self) -> Result<bool, TablesError> {
        let has = |table| self.chains(table).contains_key(&ChainName::KUBE_PROXY_CANARY);
        Ok(CANARY_TABLES.into_iter().all(has))
    }
}

impl FakeTables {
    /// What the tool has to say about a line with this number, counted from 1.
    fn read(&mut self, text: &str, line: usize) -> Result<(), TablesError> {
        match self.poison(text) {
            Some(RefusedBy::Tool) => Err(self.refuse(format!("Error occurred at line: {line}"))),
            Some(RefusedBy::SpeechlessTool) => Err(self.refuse("bad argument".to_owned())),
            Some(RefusedBy::Kernel | RefusedBy::SpeechlessKernel) | None => Ok(()),
        }
    }

    /// What the kernel has to say at COMMIT, which is the last line, about those from `begin` on.
    fn judge(&mut self, lines: &[&str], begin: usize) -> Result<(), TablesError> {
        let mut section = lines.iter().zip(1..).skip(begin);
        match section.find_map(|(text, line)| Some((line, self.poison(text)?))) {
            Some((line, RefusedBy::Kernel)) => Err(self.refuse(format!("line {line}: RULE_APPEND failed"))),
            Some(_) => Err(self.refuse(format!("line {} failed", lines.len()))),
            None => Ok(()),
        }
    }

    /// A rule is deleted only by the matches that it was written with, in their order.
    fn spell(&mut self, line: &str) -> Result<(), String> {
        let word = |text: &str| text.split_once(' ').map(|(word, rest)| (word.to_owned(), rest.to_owned()));
        let Some((verb, rest)) = word(line) else { return Ok(()) };
        match verb.as_str() {
            "-A" => drop(self.spelled.insert(rest)),
            "-I" => {
                let (chain, rest) = word(&rest).ok_or("-I without a chain")?;
                let (_position, rule) = word(&rest).ok_or("-I without a rule")?;
                self.spelled.insert(format!("{chain} {rule}"));
            }
            "-D" if !self.spelled.contains(&rest) => {
                return Err(format!("does a matching rule exist in that chain? {rest}"));
            }
            _ => {}
        }
        Ok(())
    }

    fn poison(&self, line: &str) -> Option<RefusedBy> {
        let comes = line.starts_with("-A") || line.starts_with("-I");
        let poison = self.poisons.iter().find(|poison| comes && line.contains(&poison.text));
        poison.map(|poison| poison.refused_by)
    }

    fn refuse(&mut self, text: String) -> TablesError {
        self.refusals += 1;
        self.failures += usize::from(self.fails_after_refusals == Some(self.refusals));
        if self.flushed_after_refusals == Some(self.refusals) {
            self.flush();
        }
        refused(text)
    }

    /// A table is worked on aside, and takes the place of the installed one at COMMIT.
    fn run(&mut self, command: Command, open: &mut Option<(Table, Chains)>) -> Result<(), String> {
        match (command, open) {
            (Command::Table(table), open) => *open = Some((table, self.chains(table))),
            (Command::Commit, open) => {
                let (table, chains) = open.take().ok_or("COMMIT without a table")?;
                check_targets(&chains)?;
                self.tables.insert(table, chains);
                self.commits.push(self.tables.clone());
            }
            (command, Some((_, chains))) => apply(command, chains)?,
            (_, None) => return Err("no table".to_owned()),
        }
        Ok(())
    }
}

fn apply(command: Command, chains: &mut Chains) -> Result<(), String> {
    match command {
        Command::Chain { chain, policy } => {
            chains.insert(chain, Chain { policy, rules: Vec::new() });
        }
        Command::Append { chain, rule } => {
            check_target(&rule, chains)?;
            rules(chains, &chain)?.push(rule);
        }
        Command::Insert { chain, position, rule } => {
            check_target(&rule, chains)?;
            let rules = rules(chains, &chain)?;
            let index = position.get() - 1;
            if index > rules.len() {
                return Err(format!("{chain} has no rule {position}"));
            }
            rules.insert(index, rule);
        }
        Command::Delete { chain, rule } => {
            let rules = rules(chains, &chain)?;
            let index = rules
                .iter()
                .position(|other| *other == rule)
                .ok_or_else(|| format!("no such rule in {chain}"))?;
            rules.remove(index);
        }
        Command::Flush(chain) => rules(chains, &chain)?.clear(),
        Command::DeleteChain(chain) => delete(&chain, chains)?,
        Command::Table(_) | Command::Commit => {}
    }
    Ok(())
}

fn rules<'a>(chains: &'a mut Chains, chain: &ChainName) -> Result<&'a mut Vec<SavedRule>, String> {
    chains.get_mut(chain).map(|chain| &mut chain.rules).ok_or_else(|| format!("no chain {chain}"))
}

fn delete(chain: &ChainName, chains: &mut Chains) -> Result<(), String> {
    if !rules(chains, chain)?.is_empty() {
        return Err(format!("{chain} is not empty"));
    }
    chains.remove(chain);
    Ok(())
}

/// The kernel accepts a table only if every jump leads somewhere.
fn check_targets(chains: &Chains) -> Result<(), String> {
    chains.values().flat_map(|chain| &chain.rules).try_for_each(|rule| check_target(rule, chains))
}

fn check_target(rule: &SavedRule, chains: &Chains) -> Result<(), String> {
    match rule.known().and_then(|rule| rule.target.as_ref()) {
        Some(Target::Jump(to)) if !chains.contains_key(to) => {
            Err(format!("a rule jumps to {to}, which does not exist"))
        }
        _ => Ok(()),
    }
}

fn busy() -> TablesError {
    TablesError::Busy { command: "restore".to_owned(), text: "told to fail".to_owned() }
}

fn refused(text: String) -> TablesError {
    let line = line_number(&text);
    TablesError::Refused { command: "restore".to_owned(), text, line, context: String::new() }
}
