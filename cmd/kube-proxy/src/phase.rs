//! Turns the calls of one sync into how long each phase took, logs what the tools are given, and tells the conntrack
//! thread before rules are written.
//!
//! Knows nothing of why they are called. What a sync spends outside of them is rendering and planning, which go
//! hand in hand: a service port is compared with what is installed as soon as it is rendered.

use std::time::{Duration, Instant};

use conntrack::worker::Worker;
use proxier::family::Family;
use proxier::jump::Jump;
use proxier::plan::{Attempt, Found, Layout};
use proxier::tables::{Tables, TablesError};
use tracing::info;

use crate::earplug::Earplug;
use crate::flows;

/// How long a sync spent in each of its calls to the tools.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Phases {
    /// Reading back what is there: iptables-save.
    pub(crate) look: Duration,
    /// Hanging our chains on the built-in ones: iptables.
    pub(crate) jumps: Duration,
    /// Writing: iptables-restore.
    pub(crate) restore: Duration,
    /// How often rules were given to iptables-restore, whatever it made of them.
    pub(crate) restores: u32,
    /// How many runs of iptables-restore failed, also those that only read their input.
    pub(crate) failures: u32,
}

impl Phases {
    /// The rest of a sync that took so long: rendering and planning.
    pub(crate) fn plan(&self, elapsed: Duration) -> Duration {
        elapsed.saturating_sub(self.look + self.jumps + self.restore)
    }

    /// All phases of a sync that took so long, by name, in their order.
    pub(crate) fn named(&self, elapsed: Duration) -> [(&'static str, Duration); 4] {
        [("look", self.look), ("jumps", self.jumps), ("plan", self.plan(elapsed)), ("restore", self.restore)]
    }
}

/// Tables for one sync.
pub(crate) struct Timed<'a, T> {
    tables: &'a mut T,
    family: Family,
    flows: Option<&'a Worker>,
    clock: fn() -> Instant,
    /// Hears of each restore before it happens.
    attempted: &'a (dyn Fn(&Attempt) + Sync),
    /// Hears of each transaction that a tool has done or refused.
    advanced: &'a (dyn Fn() + Sync),
    /// For the ear, while much is written.
    earplug: Option<&'a Earplug>,
    /// How often the restore that comes next commits.
    commits: usize,
    pub(crate) phases: Phases,
}

impl<'a, T: Tables> Timed<'a, T> {
    /// Nothing took any time yet.
    pub(crate) fn new(
        tables: &'a mut T,
        family: Family,
        flows: Option<&'a Worker>,
        clock: fn() -> Instant,
        attempted: &'a (dyn Fn(&Attempt) + Sync),
        advanced: &'a (dyn Fn() + Sync),
    ) -> Self {
        let phases = Phases::default();
        Self { tables, family, flows, clock, attempted, advanced, earplug: None, commits: 0, phases }
    }

    /// Rules are told of as they are written; this keeps it from us where they are many.
    pub(crate) fn with_earplug(self, earplug: Option<&'a Earplug>) -> Self {
        let is_told = self.tables.layout() == Layout::Blocks;
        Self { earplug: earplug.filter(|_| is_told), ..self }
    }

    /// iptables-restore has run, if it could.
    fn has_run(&mut self, result: &Result<(), TablesError>) {
        self.phases.failures += u32::from(result.is_err());
        if matches!(result, Ok(()) | Err(TablesError::Refused { .. })) {
            (self.advanced)();
        }
    }

    /// Does it, and tells how long it took.
    fn time<R>(&mut self, work: impl FnOnce(&mut T) -> R) -> (R, Duration) {
        let begin = (self.clock)();
        let result = work(self.tables);
        (result, (self.clock)() - begin)
    }
}

impl<T: Tables> Tables for Timed<'_, T> {
    fn look(&mut self) -> Result<Found, TablesError> {
        let (result, took) = self.time(T::look);
        self.phases.look += took;
        info!(v = 4, ipFamily = %self.family, ?took, "Read back the rules that are there");
        result
    }

    fn ensure_jumps(&mut self, jumps: &[Jump], found: &Found) -> Result<(), TablesError> {
        let (result, took) = self.time(|tables| tables.ensure_jumps(jumps, found));
        self.phases.jumps += took;
        info!(v = 4, ipFamily = %self.family, jumps = jumps.len(), ?took, "Put jumps first in built-in chains");
        result
    }

    fn layout(&self) -> Layout {
        self.tables.layout()
    }

    fn attempt(&mut self, attempt: &Attempt) {
        self.commits = attempt.written.commits;
        (self.attempted)(attempt);
    }

    fn restore(&mut self, input: &[u8]) -> Result<(), TablesError> {
        info!(v = 6, ipFamily = %self.family, input = %String::from_utf8_lossy(input), "Restoring");
        if let Some(flows) = self.flows {
            flows.writing(flows::family(self.family));
        }
        self.phases.restores += 1;
        // What was not announced changes nothing.
        let (earplug, commits) = (self.earplug, std::mem::take(&mut self.commits));
        let (result, took) = self.time(|tables| match earplug {
            Some(earplug) => earplug.during(input.len(), commits, || tables.restore(input)),
            None => tables.restore(input),
        });
        self.phases.restore += took;
        info!(v = 4, ipFamily = %self.family, bytes = input.len(), ?took, "Ran iptables-restore");
        self.has_run(&result);
        result
    }

    fn wrote(&self, process: u32) -> bool {
        self.tables.wrote(process)
    }

    fn rest(&mut self) {
        self.tables.rest();
    }

    fn random_fully(&self) -> Option<bool> {
        self.tables.random_fully()
    }

    fn test(&mut self, input: &[u8]) -> Result<(), TablesError> {
        let (result, took) = self.time(|tables| tables.test(input));
        self.phases.restore += took;
        info!(v = 4, ipFamily = %self.family, bytes = input.len(), ?took, "Ran iptables-restore --test");
        self.has_run(&result);
        result
    }

    fn examine(&mut self) -> Result<(), TablesError> {
        self.tables.examine()
    }

    fn lock_wait(&self) -> Duration {
        self.tables.lock_wait()
    }

    fn ensure_canary(&mut self) -> Result<(), TablesError> {
        self.tables.ensure_canary()
    }

    fn has_canary(&mut self) -> Result<bool, TablesError> {
        self.tables.has_canary()
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use proxier::tables::fake::{FakeTables, Poison, RefusedBy};

    use super::*;

    thread_local! {
        static SECONDS: Cell<u64> = const { Cell::new(0) };
    }

    /// Each look at this clock finds it a second later than the one before.
    fn clock() -> Instant {
        thread_local! {
            #[expect(clippy::disallowed_methods, reason = "a test needs some instant to start from")]
            static START: Instant = Instant::now();
        }
        SECONDS.set(SECONDS.get() + 1);
        START.with(|start| *start + Duration::from_secs(SECONDS.get()))
    }

    #[test]
    fn each_call_counts_for_its_phase() {
        let mut fake = FakeTables::new(Layout::Single);
        fake.poisons.push(Poison { text: "poison".to_owned(), refused_by: RefusedBy::Tool });
        let mut tables = Timed::new(&mut fake, Family::V4, None, clock, &|_| (), &|| ());
        let begin = clock();
        tables.look().unwrap();
        tables.restore(b"*nat\nCOMMIT\n").unwrap();
        tables.restore(b"*filter\nCOMMIT\n").unwrap();
        tables.restore(b"nonsense").unwrap_err();
        tables.test(b"nonsense").unwrap();
        tables.test(b"-A poison").unwrap_err();
        let elapsed = clock() - begin;
        let second = Duration::from_secs(1);
        let expected =
            Phases { look: second, jumps: Duration::ZERO, restore: 5 * second, restores: 3, failures: 2 };
        assert_eq!(tables.phases, expected, "also what fails takes its time");
        assert_eq!(tables.phases.plan(elapsed), 7 * second);
    }
}
