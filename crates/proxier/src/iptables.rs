//! EDGE: runs iptables, iptables-save and iptables-restore.
//!
//! Knows nothing of what is written and why.
#![expect(clippy::disallowed_methods, reason = "the one place that runs the iptables tools")]

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, BufReader, Seek, Write};
use std::process::{Command, Output, Stdio};

use iptables::IPTables;

use crate::backend::{Programs, Suite};
use crate::chain::{ChainName, Table};
use crate::family::Family;
use crate::jump::Jump;
use crate::plan::{Found, Layout};
use crate::rule::Rule;
use crate::tables::{CANARY_TABLES, Tables, TablesError};
use crate::version::{Features, Version};

/// Exit status of iptables for "there is no such chain or rule", and of `-N` for "exists already".
const EXIT_ABSENT: i32 = 1;
/// Exit status of the iptables tools when the xtables lock could not be had.
const EXIT_LOCKED: i32 = 4;
/// How much of a save is read at once, in bytes.
const SAVE_BUFFER: usize = 1 << 16;
/// How many restores may end before somebody asks who wrote.
const WRITERS: usize = 64;

/// The iptables tools of one family, as found in `PATH`.
pub struct Iptables {
    programs: Programs,
    version: Option<Version>,
    features: Features,
    rules: IPTables,
    /// The processes of the last restores.
    writers: VecDeque<u32>,
}

impl Iptables {
    /// Asks the tool for its version. An unknown version means old, without any of the features
    /// that came later.
    pub fn new(suite: Suite, family: Family) -> Self {
        let programs = suite.programs(family);
        let asked = Command::new(programs.rules).arg("--version").output();
        let version = asked.ok().and_then(|output| Version::parse(&String::from_utf8_lossy(&output.stdout)));
        // The crate's own --wait would wait for ever.
        let rules = IPTables { cmd: programs.rules, has_check: true, has_wait: false, is_numeric: false };
        Self { programs, features: Features::of(version.as_ref()), version, rules, writers: VecDeque::new() }
    }

    /// The version, if the tool told one.
    pub fn version(&self) -> Option<&Version> {
        self.version.as_ref()
    }

    /// What in the kernel the tool writes to: `nf_tables` or `legacy`. Versions that do not tell know only the latter.
    pub fn backend(&self) -> &str {
        self.version.as_ref().map_or("unknown", |version| version.backend.as_deref().unwrap_or("legacy"))
    }

    /// What this version can do.
    pub fn features(&self) -> Features {
        self.features
    }

    /// Whether the kernel has the nat table of this family.
    pub fn is_usable(&self) -> Result<(), TablesError> {
        let output = self.run(Table::Nat, "-S POSTROUTING")?;
        if output.status.success() { Ok(()) } else { Err(self.refused("-S POSTROUTING -t nat", &output)) }
    }

    /// The command, and what it printed of one table, or of all that there are.
    pub(crate) fn save(&self, table: Option<Table>) -> Result<(String, File), TablesError> {
        let program = self.programs.save;
        let arguments: Vec<_> = table.into_iter().flat_map(|table| ["-t", table.name()]).collect();
        let command = [&[program], arguments.as_slice()].concat().join(" ");
        let saved = in_memory("iptables-save", &[]).and_then(|file| {
            // The tool prints line by line: through a pipe, each line would wake its reader.
            let output = Command::new(program).args(&arguments).stdout(file.try_clone()?).output()?;
            Ok((file, output))
        });
        let (mut save, output) =
            saved.map_err(|source| TablesError::Missing { command: command.clone(), source })?;
        if !output.status.success() {
            return Err(failure(&command, &output, &[]));
        }
        save.rewind()
            .map_err(|source| TablesError::Unreadable { command: command.clone(), source: source.into() })?;
        Ok((command, save))
    }

    fn ensure_chain(&self, table: Table, chain: &ChainName) -> Result<(), TablesError> {
        let command = format!("-N {chain}");
        let output = self.run(table, &command)?;
        match output.status.code() {
            Some(0 | EXIT_ABSENT) => Ok(()),
            _ => Err(self.refused(&format!("{command} -t {table}"), &output)),
        }
    }

    fn ensure_first(&self, jump: &Jump) -> Result<(), TablesError> {
        let check = format!("-C {}{}", jump.from, text(&jump.rule));
        let output = self.run(jump.table, &check)?;
        match output.status.code() {
            Some(0) => Ok(()),
            Some(EXIT_ABSENT) => self.insert(jump),
            _ => Err(self.refused(&check, &output)),
        }
    }

    fn insert(&self, jump: &Jump) -> Result<(), TablesError> {
        let insert = format!("-I {}{}", jump.from, text(&jump.rule));
        let output = self.run(jump.table, &insert)?;
        if output.status.success() { Ok(()) } else { Err(self.refused(&insert, &output)) }
    }

    pub(crate) fn run(&self, table: Table, command: &str) -> Result<Output, TablesError> {
        let command = format!("{command}{}", self.features.wait_arguments());
        self.rules.execute(table.name(), &command).map_err(|error| TablesError::Missing {
            command: format!("{} {command}", self.rules.cmd),
            source: io::Error::other(error.to_string()),
        })
    }

    fn run_restore(&mut self, command: &mut Command) -> io::Result<Output> {
        let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
        self.writers.truncate(WRITERS - 1);
        self.writers.push_front(child.id());
        child.wait_with_output()
    }

    pub(crate) fn refused(&self, command: &str, output: &Output) -> TablesError {
        failure(&format!("{} {command}", self.rules.cmd), output, &[])
    }
}

impl Tables for Iptables {
    fn look(&mut self) -> Result<Found, TablesError> {
        let mut found = Found::default();
        // The nf_tables variant fetches all tables even for one, so they are asked for together.
        let (command, save) = self.save(None)?;
        let save = BufReader::with_capacity(SAVE_BUFFER, save);
        found.read(save).map_err(|source| TablesError::Unreadable { command, source })?;
        Ok(found)
    }

    fn ensure_jumps(&mut self, jumps: &[Jump]) -> Result<(), TablesError> {
        for jump in jumps {
            self.ensure_chain(jump.table, &jump.to)?;
            self.ensure_first(jump)?;
        }
        Ok(())
    }

    fn layout(&self) -> Layout {
        match self.version.as_ref().and_then(|version| version.backend.as_deref()) {
            Some("nf_tables") => Layout::Blocks,
            Some(_) | None => Layout::Single,
        }
    }

    fn restore(&mut self, input: &[u8]) -> Result<(), TablesError> {
        let command = self.programs.restore;
        let mut arguments = self.features.restore_wait_arguments().to_vec();
        arguments.extend(["--noflush", "--counters"]);
        let output = in_memory("iptables-restore", input).and_then(|stdin| {
            self.run_restore(Command::new(command).args(&arguments).stdin(Stdio::from(stdin)))
        });
        let output = output.map_err(|source| TablesError::Missing { command: command.into(), source })?;
        if output.status.success() { Ok(()) } else { Err(failure(command, &output, input)) }
    }

    fn wrote(&self, process: u32) -> bool {
        self.writers.contains(&process)
    }

    fn ensure_canary(&mut self) -> Result<(), TablesError> {
        CANARY_TABLES.iter().try_for_each(|table| self.ensure_chain(*table, &ChainName::KUBE_PROXY_CANARY))
    }

    fn has_canary(&mut self) -> Result<bool, TablesError> {
        for table in CANARY_TABLES {
            let list = format!("-S {}", ChainName::KUBE_PROXY_CANARY);
            let output = self.run(table, &list)?;
            match output.status.code() {
                Some(0) => {}
                Some(EXIT_LOCKED) => return Err(self.refused(&list, &output)),
                _ => return Ok(false),
            }
        }
        Ok(true)
    }
}

/// The child reads from memory, or writes to it: neither side can block on the other.
fn in_memory(name: &str, content: &[u8]) -> io::Result<File> {
    let mut file = File::from(rustix::fs::memfd_create(name, rustix::fs::MemfdFlags::CLOEXEC)?);
    file.write_all(content)?;
    file.rewind()?;
    Ok(file)
}

pub(crate) fn failure(command: &str, output: &Output, input: &[u8]) -> TablesError {
    let said = [output.stdout.as_slice(), output.stderr.as_slice()].concat();
    let text = String::from_utf8_lossy(&said).trim().replace('\n', "; ");
    let command = command.to_owned();
    if output.status.code() == Some(EXIT_LOCKED) {
        return TablesError::Busy { command, text };
    }
    let context = crate::refusal::lines_around(&text, input);
    TablesError::Refused { command, text: format!("{}: {text}", output.status), context }
}

pub(crate) fn text(rule: &Rule) -> String {
    let mut text = Vec::new();
    rule.write(&mut text);
    String::from_utf8(text).expect("rules are written from text")
}
