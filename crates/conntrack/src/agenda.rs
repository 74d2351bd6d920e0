//! Remembers what has to be looked at until it was, and says when the next pass may start.
//!
//! Reads no clock and makes no pass: time and findings are arguments.

mod ledger;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

pub use ledger::Assignment;
use ledger::{Fresh, Ledger};

use crate::dirty::{Look, changes};
use crate::flow::Family;
use crate::generation::{Cause, Generation};
use crate::report::{End, Findings, Report};
use crate::snapshot::Snapshot;

/// What waits to be looked at, for both families.
#[derive(Debug)]
pub struct Agenda {
    ledgers: BTreeMap<Family, Ledger>,
    /// What commits that failed may have let in, until one succeeds.
    attempted: BTreeMap<Family, Look>,
    full_look_each: Duration,
}

impl Agenda {
    /// An empty agenda. `full_look_each` is the time between two looks at everything without other reason: one
    /// hour, give or take some minutes, so that not all nodes look at the same time.
    pub fn new(full_look_each: Duration) -> Agenda {
        Agenda { ledgers: BTreeMap::new(), attempted: BTreeMap::new(), full_look_each }
    }

    /// Takes note of a commit that succeeded.
    pub fn committed(&mut self, now: Instant, family: Family, generation: &Generation, cause: Cause) {
        let snapshot = Arc::new(Snapshot::new(family, generation));
        let mut look = match self.ledgers.get(&family) {
            Some(ledger) => {
                let mut look = changes(ledger.snapshot(), &snapshot);
                if cause != Cause::Incremental {
                    look.merge(&Look::everything());
                }
                look
            }
            None => Look::everything(),
        };
        look.merge(&self.attempted.remove(&family).unwrap_or_default());
        let full_look_at = now + self.full_look_each;
        let ledger =
            self.ledgers.entry(family).or_insert_with(|| Ledger::new(snapshot.clone(), full_look_at));
        ledger.renew(snapshot, Fresh { since: now, cause, look });
    }

    /// Takes note of a commit that failed: any part of it may be in the kernel, and has let in flows to backends of
    /// front ends that the next commit may not have any more. To be followed by one with [`Cause::AfterFailure`].
    pub fn failed(&mut self, family: Family, generation: &Generation) {
        let attempted = Snapshot::new(family, generation);
        let nothing = Snapshot::new(family, &Generation::default());
        let committed = self.ledgers.get(&family).map_or(&nothing, |ledger| ledger.snapshot());
        // As if all of it had come and gone: what it adds to the last commit has left.
        let Look { former, .. } = changes(&attempted, committed);
        self.attempted.entry(family).or_default().merge(&Look { former, ..Look::default() });
    }

    /// The rules committed last.
    pub fn snapshot(&self, family: Family) -> Option<Arc<Snapshot>> {
        self.ledgers.get(&family).map(|ledger| ledger.snapshot().clone())
    }

    /// When the next pass may start, if anything waits.
    pub fn next(&self) -> Option<Instant> {
        self.ledgers.values().filter_map(Ledger::due).min()
    }

    /// Takes out all that is due.
    pub fn begin(&mut self, now: Instant) -> Vec<Assignment> {
        let due = self.ledgers.values_mut().filter(|ledger| ledger.due().is_some_and(|due| due <= now));
        due.map(|ledger| ledger.take(now)).collect()
    }

    /// Takes note of what became of an assignment: a completed look is done with, all else comes back.
    pub fn finish(&mut self, now: Instant, assignment: Assignment, mut findings: Findings) -> Report {
        let failing = self.ledgers.values().any(Ledger::is_failing);
        self.ledgers.values_mut().for_each(|ledger| ledger.pay(findings.cpu));
        let family = assignment.task.snapshot.family();
        let ledger = self.ledgers.get_mut(&family).expect("an assignment comes from a ledger");
        ledger.rest(now);
        let occasion = assignment.occasion();
        let failure = match findings.end {
            End::Complete => {
                ledger.complete(now, now + self.full_look_each, assignment, &mut findings);
                None
            }
            End::Stopped => {
                ledger.put_back(assignment);
                None
            }
            End::Doubtful | End::Busy | End::Failed(_) => {
                ledger.put_back(assignment);
                Some(ledger.fail(now, &findings.end, !failing))
            }
        };
        ledger.drop_old_news(&mut findings.warnings);
        Report { family, occasion, pending: ledger.pending(), findings, failure }
    }
}

#[cfg(test)]
mod tests;
