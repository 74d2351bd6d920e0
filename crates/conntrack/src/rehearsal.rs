//! Turns the agenda on a fake kernel and a clock that only moves when told, for tests.

use std::cell::Cell;
use std::collections::VecDeque;
use std::time::{Duration, Instant};

use crate::agenda::Agenda;
use crate::fake::Fake;
use crate::filter::Filtering;
use crate::flow::{Entry, Family};
use crate::generation::{Cause, Generation};
use crate::pass::{Rules, Surroundings, Task, run};
use crate::report::Report;
use crate::sample::generation;

pub(crate) const HOUR: Duration = Duration::from_secs(3600);

/// A node: its table, its agenda, its time.
pub(crate) struct Rehearsal {
    pub(crate) kernel: Fake,
    pub(crate) agenda: Agenda,
    pub(crate) filtering: Filtering,
    pub(crate) start: Instant,
    pub(crate) now: Instant,
    /// CPU time that each pass is said to take.
    pub(crate) cpu_per_pass: Duration,
    /// What happens while the next pass is about to delete.
    pub(crate) meanwhile: VecDeque<Meanwhile>,
    /// Every report so far, with the time since the start.
    pub(crate) reports: Vec<(Duration, Report)>,
}

/// What the sync loop does in the middle of a pass.
#[derive(Clone, Debug)]
pub(crate) enum Meanwhile {
    /// Begins to write, and does not end for long.
    Writes,
    /// Commits.
    Commits(Generation),
}

impl Rehearsal {
    #[expect(
        clippy::disallowed_methods,
        reason = "an Instant can be had nowhere else; it is moved by hand from here"
    )]
    pub(crate) fn new(entries: impl IntoIterator<Item = Entry>) -> Rehearsal {
        let now = Instant::now();
        Rehearsal {
            kernel: Fake::new(entries),
            agenda: Agenda::new(HOUR),
            filtering: Filtering::default(),
            start: now,
            now,
            cpu_per_pass: Duration::from_millis(5),
            meanwhile: VecDeque::new(),
            reports: Vec::new(),
        }
    }

    pub(crate) fn commit(&mut self, text: &str) {
        self.commit_with(text, Cause::Incremental);
    }

    pub(crate) fn commit_with(&mut self, text: &str, cause: Cause) {
        self.agenda.committed(self.now, Family::V4, &generation(text), cause);
    }

    /// Lets time pass, and with it every pass that becomes due.
    pub(crate) fn wait(&mut self, time: Duration) {
        let until = self.now + time;
        while let Some(next) = self.agenda.next().filter(|next| *next <= until) {
            self.now = self.now.max(next);
            self.pass();
        }
        self.now = until;
    }

    /// Makes the pass that is due at once, if any.
    pub(crate) fn settle_now(&mut self) {
        self.wait(Duration::ZERO);
    }

    fn pass(&mut self) {
        let assignments = self.agenda.begin(self.now);
        let tasks: Vec<Task> = assignments.iter().map(|assignment| assignment.task.clone()).collect();
        let mut around = Around {
            agenda: &mut self.agenda,
            now: self.now,
            cpu: Cell::new(Duration::ZERO),
            cpu_per_reading: self.cpu_per_pass,
            meanwhile: &mut self.meanwhile,
        };
        let findings = run(&mut self.kernel, &tasks, &mut self.filtering, &mut around);
        for (assignment, findings) in assignments.into_iter().zip(findings) {
            let report = self.agenda.finish(self.now, assignment, findings);
            self.reports.push((self.now - self.start, report));
        }
    }

    pub(crate) fn last(&self) -> &Report {
        &self.reports.last().expect("a pass was made").1
    }

    /// When passes were made, in seconds since the start.
    pub(crate) fn times(&self) -> Vec<f64> {
        self.reports.iter().map(|(at, _)| at.as_secs_f64()).collect()
    }

    /// The destinations of what is left in the table, in order.
    pub(crate) fn left(&self) -> Vec<String> {
        let flows = self.kernel.entries.iter().filter_map(Entry::flow);
        flows.map(|flow| format!("{}>{}", flow.orig.source(), flow.backend())).collect()
    }
}

struct Around<'a> {
    agenda: &'a mut Agenda,
    now: Instant,
    /// Each pass reads it twice.
    cpu: Cell<Duration>,
    cpu_per_reading: Duration,
    meanwhile: &'a mut VecDeque<Meanwhile>,
}

impl Surroundings for Around<'_> {
    fn rules(&mut self, family: Family) -> Rules {
        match self.meanwhile.pop_front() {
            Some(Meanwhile::Writes) => self.agenda.writing(family),
            Some(Meanwhile::Commits(generation)) => {
                self.agenda.committed(self.now, family, &generation, Cause::Incremental);
            }
            None => {}
        }
        self.agenda.rules(family)
    }

    fn stopping(&self) -> bool {
        false
    }

    fn now(&self) -> Instant {
        self.now
    }

    fn cpu(&self) -> Duration {
        self.cpu.replace(self.cpu.get() + self.cpu_per_reading)
    }
}
