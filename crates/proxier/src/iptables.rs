//! EDGE: runs iptables, iptables-save and iptables-restore, each for a limited time.
//!
//! Knows nothing of what is written and why.
#![expect(clippy::disallowed_methods, reason = "the one place that runs the iptables tools")]

pub(crate) mod child;
mod lock;
mod look;
pub(crate) mod said;
mod verdict;
mod writers;

use std::cell::Cell;
use std::fs::File;
use std::io::{self, Seek, Write};
use std::process::{Command, Output};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use iptables::IPTables;

use crate::backend::{Programs, Suite};
use crate::chain::{ChainName, Table};
use crate::family::Family;
use crate::generation;
use crate::jump::{self, Jump};
use crate::plan::{Found, Layout};
use crate::rule::Rule;
use crate::tables::{CANARY_TABLES, Tables, TablesError};
use crate::version::{Features, Version};

use child::{NoOutput, within};
use look::Ahead;
pub(crate) use verdict::{ended, failure};
use writers::Writers;

/// Exit status of iptables for "there is no such chain or rule", and of `-N` for "exists already".
const EXIT_ABSENT: i32 = 1;

/// How long a tool may take that looks at or adds a single rule. It may wait 5 s for the lock; the rest takes
/// milliseconds, and seconds at most where the legacy variant fetches a table of 10,000 Services.
const LOOK_LIMIT: Duration = Duration::from_secs(30);
/// How long iptables-restore may take for a small input. With 10,000 Services installed it takes 0.2 to 0.8 s, and
/// it may wait 5 s for the lock.
const RESTORE_LIMIT: Duration = Duration::from_secs(60);
/// How much longer it may take for each megabyte of input. 10,000 Services are 24 megabytes, and take 5 s.
const RESTORE_LIMIT_PER_MEGABYTE: Duration = Duration::from_secs(10);

/// What is said of a tool that ends well and does nothing.
const NOTHING_WRITTEN: &str = "ended as if all had gone well, but nothing was written to nf_tables";

/// The iptables tools of one family, as found in `PATH`.
pub struct Iptables {
    programs: Programs,
    version: Option<Version>,
    features: Features,
    writers: Writers,
    /// How long tools have waited for the lock.
    waited: Cell<Duration>,
    ahead: Option<Ahead>,
}

impl Iptables {
    /// Asks the tool for its version. An unknown version means old, without any of the features
    /// that came later.
    pub fn new(suite: Suite, family: Family) -> Self {
        let programs = suite.programs(family);
        let version = version_of(programs.rules);
        Self {
            programs,
            features: Features::of(version.as_ref()),
            version,
            writers: Writers::default(),
            waited: Cell::default(),
            ahead: None,
        }
    }

    /// The version, if the tool told one.
    pub fn version(&self) -> Option<&Version> {
        self.version.as_ref()
    }

    /// What in the kernel the tool writes to: `nf_tables` or `legacy`. Versions that do not tell know only the latter.
    pub fn backend(&self) -> &str {
        self.version.as_ref().map_or("unknown", Version::backend)
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

    /// The command, and what it printed of a table.
    pub(crate) fn save(&self, table: Table) -> Result<(String, File), TablesError> {
        let command = format!("{} -t {table}", self.programs.save);
        let save = look::table(self.programs.save, table.name())?;
        Ok((command, save))
    }

    fn feed(&mut self, input: &[u8], more: &[&'static str]) -> Result<(), TablesError> {
        let program = self.programs.restore;
        let stdin = in_memory("iptables-restore", input)
            .map_err(|source| TablesError::Missing { command: program.to_owned(), source })?;
        let mut arguments = self.features.restore_wait_arguments().to_vec();
        arguments.extend(["--noflush", "--counters"]);
        arguments.extend(more);
        let command = [&[program], more].concat().join(" ");
        let (announce, started) = mpsc::channel();
        let run = move || {
            let mut restore = Command::new(program);
            restore.args(&arguments).stdin(stdin);
            said::everything(restore, |process| {
                // Nobody listens any more if it took too long.
                let _unheard = announce.send(process);
            })
        };
        let limit = restore_limit(input);
        let result = self.in_turn(limit, run);
        started.try_iter().for_each(|process| self.writers.add(process));
        let output = ended(&command, limit, result)?;
        if output.status.success() { Ok(()) } else { Err(failure(&command, &output, input)) }
    }

    fn ensure_chain(&self, table: Table, chain: &ChainName) -> Result<(), TablesError> {
        let command = format!("-N {chain}");
        let output = self.run(table, &command)?;
        match output.status.code() {
            Some(0 | EXIT_ABSENT) => Ok(()),
            _ => Err(self.refused(&format!("{command} -t {table}"), &output)),
        }
    }

    fn ensure_one_by_one<'a>(&self, jumps: impl IntoIterator<Item = &'a Jump>) -> Result<(), TablesError> {
        for jump in jumps {
            self.ensure_chain(jump.table, &jump.to)?;
            self.ensure_first(jump)?;
        }
        Ok(())
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

    /// How often anything of nf_tables was changed; absent where these tables are of the other variant.
    fn generation(&self) -> Option<u32> {
        match self.layout() {
            Layout::Blocks => generation::current().ok(),
            Layout::Single => None,
        }
    }

    fn insert(&self, jump: &Jump) -> Result<(), TablesError> {
        let insert = format!("-I {}{}", jump.from, text(&jump.rule));
        let output = self.run(jump.table, &insert)?;
        if output.status.success() { Ok(()) } else { Err(self.refused(&insert, &output)) }
    }

    pub(crate) fn run(&self, table: Table, command: &str) -> Result<Output, TablesError> {
        let command = format!("{command}{}", self.features.wait_arguments());
        let program = self.programs.rules;
        // The crate's own --wait would wait for ever.
        let rules = IPTables { cmd: program, has_check: true, has_wait: false, is_numeric: false };
        let arguments = command.clone();
        let run = move || {
            rules.execute(table.name(), &arguments).map_err(|error| match error.downcast::<io::Error>() {
                Ok(error) => *error,
                Err(error) => io::Error::other(error.to_string()),
            })
        };
        ended(&format!("{program} {command}"), LOOK_LIMIT, self.in_turn(LOOK_LIMIT, run))
    }

    /// Runs a tool that takes turns with others; only those of the legacy variant have a lock for that.
    fn in_turn<E: Into<NoOutput> + 'static>(
        &self,
        limit: Duration,
        work: impl FnOnce() -> Result<Output, E> + Send + 'static,
    ) -> Result<Output, NoOutput> {
        match self.layout() {
            Layout::Single => lock::within(limit, &self.waited, work),
            Layout::Blocks => within(limit, work),
        }
    }

    pub(crate) fn refused(&self, command: &str, output: &Output) -> TablesError {
        failure(&format!("{} {command}", self.programs.rules), output, &[])
    }
}

impl Tables for Iptables {
    /// The tools may have become others since the last time: those of the other variant see none of the rules.
    fn look(&mut self) -> Result<Found, TablesError> {
        let ahead = self.ahead.take().and_then(Ahead::seen);
        let seen = ahead.map_or_else(|| look::see(self.programs), Ok)?;
        if let Some(version) = seen.version {
            self.features = Features::of(Some(&version));
            self.version = Some(version);
        }
        Ok(seen.found)
    }

    fn look_ahead(&mut self) {
        self.ahead = Ahead::start(self.programs);
    }

    fn look_anew(&mut self) {
        self.ahead = None;
    }

    fn ensure_jumps(&mut self, jumps: &[Jump], found: &Found) -> Result<(), TablesError> {
        // A chain that is not there cannot be jumped to: nothing needs to be checked, and all can be done at once.
        let is_there = |jump: &&Jump| found.has_chain(jump.table, &jump.to);
        let (checked, new): (Vec<_>, Vec<_>) = jumps.iter().partition(is_there);
        if new.is_empty() {
            return self.ensure_one_by_one(checked);
        }
        match self.feed(&jump::input(&new), &[]) {
            Ok(()) => self.ensure_one_by_one(checked),
            // Somebody may have made one of them meanwhile.
            Err(TablesError::Refused { .. }) => self.ensure_one_by_one(jumps),
            Err(error) => Err(error),
        }
    }

    fn layout(&self) -> Layout {
        match self.version.as_ref().and_then(|version| version.backend.as_deref()) {
            Some("nf_tables") => Layout::Blocks,
            Some(_) | None => Layout::Single,
        }
    }

    fn restore(&mut self, input: &[u8]) -> Result<(), TablesError> {
        let before = if generation::must_change(input) { self.generation() } else { None };
        self.feed(input, &[])?;
        match before {
            Some(before) if self.generation() == Some(before) => {
                let (command, text) = (self.programs.restore.to_owned(), NOTHING_WRITTEN.to_owned());
                Err(TablesError::Astray { command, text })
            }
            Some(_) | None => Ok(()),
        }
    }

    fn examine(&mut self) -> Result<(), TablesError> {
        let command = self.programs.restore;
        let Some(version) = version_of(command) else { return Ok(()) };
        let (wanted, found) = (self.backend(), version.backend());
        if wanted == found {
            return Ok(());
        }
        let text = format!("writes to {found}, but {} reads {wanted}", self.programs.rules);
        Err(TablesError::Astray { command: command.to_owned(), text })
    }

    fn test(&mut self, input: &[u8]) -> Result<(), TablesError> {
        self.feed(input, &["--test"])
    }

    fn wrote(&self, process: u32) -> bool {
        self.writers.wrote(process, Instant::now())
    }

    fn rest(&mut self) {
        self.writers.rest(Instant::now());
    }

    fn random_fully(&self) -> Option<bool> {
        self.version.as_ref().map(|_| self.features.random_fully)
    }

    fn lock_wait(&self) -> Duration {
        self.waited.get()
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
                Some(EXIT_ABSENT) => return Ok(false),
                _ => return Err(self.refused(&list, &output)),
            }
        }
        Ok(true)
    }
}

fn version_of(program: &'static str) -> Option<Version> {
    let asked = within(LOOK_LIMIT, move || said::answer(Command::new(program).arg("--version")));
    Version::parse(&String::from_utf8_lossy(&asked.ok()?.stdout))
}

/// The child reads from memory, or writes to it: neither side can block on the other.
fn in_memory(name: &str, content: &[u8]) -> io::Result<File> {
    let mut file = File::from(rustix::fs::memfd_create(name, rustix::fs::MemfdFlags::CLOEXEC)?);
    file.write_all(content)?;
    file.rewind()?;
    Ok(file)
}

/// How long iptables-restore may take.
fn restore_limit(input: &[u8]) -> Duration {
    let megabytes = u32::try_from(input.len() >> 20).unwrap_or(u32::MAX);
    RESTORE_LIMIT + RESTORE_LIMIT_PER_MEGABYTE.saturating_mul(megabytes)
}

pub(crate) fn text(rule: &Rule) -> String {
    let mut text = Vec::new();
    rule.write(&mut text);
    String::from_utf8(text).expect("rules are written from text")
}
