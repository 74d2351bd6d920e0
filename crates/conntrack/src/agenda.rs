//! Remembers what has to be looked at until it was, and says when the next pass may start.
//!
//! Reads no clock and makes no pass: time and findings are arguments.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::dirty::{Dirty, Look, changes};
use crate::flow::Family;
use crate::generation::{Cause, FrontEnd, Generation};
use crate::kernel::{Error, Outcome};
use crate::pass::{Task, front_end_of};
use crate::report::{End, Failure, FailureReason, Findings, Occasion, Report, Warning};
use crate::snapshot::Snapshot;

/// What waits to be looked at, for both families.
#[derive(Debug)]
pub struct Agenda {
    ledgers: BTreeMap<Family, Ledger>,
    full_look_each: Duration,
}

/// What one family waits for.
#[derive(Debug)]
struct Ledger {
    snapshot: Arc<Snapshot>,
    /// What commits changed, since when, and the weightiest cause.
    fresh: Option<Fresh>,
    settles: Vec<Settle>,
    full_look_at: Instant,
    retry: Option<Retry>,
    resting_until: Option<Instant>,
    /// CPU time of the passes of either family since the last one of this.
    cpu: Duration,
    /// Whether it was said that deletes are addressed wrongly; once is enough.
    all_gone: bool,
}

#[derive(Clone, Debug)]
struct Fresh {
    since: Instant,
    cause: Cause,
    look: Look,
}

/// A look that is repeated for the sake of packets that were under way during the one before.
#[derive(Clone, Debug)]
struct Settle {
    at: Instant,
    round: Round,
    look: Look,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Round {
    Second,
    Third,
}

#[derive(Clone, Copy, Debug)]
struct Retry {
    failures: u32,
    at: Instant,
}

/// What was taken from the agenda for one pass over one family. It goes back with [`Agenda::finish`].
#[derive(Debug)]
pub struct Assignment {
    /// What the pass has to do.
    pub task: Task,
    fresh: Option<Fresh>,
    settles: Vec<Settle>,
    hourly: bool,
}

const SECOND_LOOK_AFTER: Duration = Duration::from_secs(2);
const THIRD_LOOK_AFTER: Duration = Duration::from_secs(10);
const SHORTEST_GAP: Duration = Duration::from_millis(500);
/// At most one ninth of a core, whatever changes.
const GAP_PER_CPU: u32 = 8;
const FIRST_RETRY: Duration = Duration::from_secs(1);
const LAST_RETRY: Duration = Duration::from_secs(60);

impl Agenda {
    /// An empty agenda. `full_look_each` is the time between two looks at everything without other reason: one
    /// hour, give or take some minutes, so that not all nodes look at the same time.
    pub fn new(full_look_each: Duration) -> Agenda {
        Agenda { ledgers: BTreeMap::new(), full_look_each }
    }

    /// Takes note of a commit that succeeded.
    pub fn committed(&mut self, now: Instant, family: Family, generation: &Generation, cause: Cause) {
        let snapshot = Arc::new(Snapshot::new(family, generation));
        let look = match self.ledgers.get(&family) {
            Some(ledger) => {
                let mut look = changes(&ledger.snapshot, &snapshot);
                if cause != Cause::Incremental {
                    look.merge(&Look::everything());
                }
                look
            }
            None => Look::everything(),
        };
        let full_look_at = now + self.full_look_each;
        let ledger =
            self.ledgers.entry(family).or_insert_with(|| Ledger::new(snapshot.clone(), full_look_at));
        ledger.snapshot = snapshot;
        ledger.add(Fresh { since: now, cause, look });
    }

    /// The rules committed last.
    pub fn snapshot(&self, family: Family) -> Option<Arc<Snapshot>> {
        self.ledgers.get(&family).map(|ledger| ledger.snapshot.clone())
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
    pub fn finish(&mut self, now: Instant, assignment: Assignment, findings: Findings) -> Report {
        self.ledgers.values_mut().for_each(|ledger| ledger.cpu += findings.cpu);
        let failing = self.ledgers.values().any(|ledger| ledger.retry.is_some());
        let family = assignment.task.snapshot.family();
        let full_look_at = now + self.full_look_each;
        let ledger = self.ledgers.get_mut(&family).expect("an assignment comes from a ledger");
        ledger.rest(now);
        let occasion = assignment.occasion();
        let (failure, warnings) = match FailureReason::of(&findings.end) {
            Some(reason) => {
                ledger.put_back(assignment);
                (Some(ledger.failed(now, reason, !failing)), findings.warnings.clone())
            }
            None if findings.end == End::Stopped => {
                ledger.put_back(assignment);
                (None, findings.warnings.clone())
            }
            None => (None, ledger.complete(now, full_look_at, assignment, &findings)),
        };
        let warnings = ledger.news(warnings);
        Report { family, occasion, findings, pending: ledger.pending(), failure, warnings }
    }
}

// === impl Ledger ===

impl Ledger {
    fn new(snapshot: Arc<Snapshot>, full_look_at: Instant) -> Ledger {
        Ledger {
            snapshot,
            fresh: None,
            settles: Vec::new(),
            full_look_at,
            retry: None,
            resting_until: None,
            cpu: Duration::ZERO,
            all_gone: false,
        }
    }

    fn add(&mut self, added: Fresh) {
        if added.look.is_empty() {
            return;
        }
        match &mut self.fresh {
            Some(fresh) => {
                fresh.since = fresh.since.min(added.since);
                fresh.cause = fresh.cause.max(added.cause);
                fresh.look.merge(&added.look);
            }
            None => self.fresh = Some(added),
        }
    }

    fn due(&self) -> Option<Instant> {
        let fresh = self.fresh.as_ref().filter(|fresh| !self.is_idle(&fresh.look)).map(|fresh| fresh.since);
        let settles = self.settles.iter().map(|settle| settle.at);
        let hourly = (!self.snapshot.is_empty()).then_some(self.full_look_at);
        let due = settles.chain(fresh).chain(hourly).min()?;
        let earliest = self.resting_until.max(self.retry.map(|retry| retry.at));
        Some(earliest.map_or(due, |earliest| due.max(earliest)))
    }

    /// Sets the gap to the next pass. Families do not wait for each other after a quiet time, but pay for both.
    fn rest(&mut self, now: Instant) {
        self.resting_until = Some(now + SHORTEST_GAP.max(self.cpu * GAP_PER_CPU));
        self.cpu = Duration::ZERO;
    }

    /// Without any front end, now or before, no entry can be stale. After a failure a pass is made nevertheless:
    /// its report ends what the failed one began.
    fn is_idle(&self, look: &Look) -> bool {
        self.snapshot.is_empty() && look.former.is_empty() && self.retry.is_none()
    }

    fn take(&mut self, now: Instant) -> Assignment {
        let settles = self.settles.extract_if(.., |settle| settle.at <= now).collect();
        let hourly = self.full_look_at <= now;
        let mut assignment = Assignment {
            task: Task { snapshot: self.snapshot.clone(), look: Look::default() },
            fresh: self.fresh.take(),
            settles,
            hourly,
        };
        assignment.task.look = assignment.look();
        assignment
    }

    fn put_back(&mut self, assignment: Assignment) {
        self.settles.extend(assignment.settles);
        if let Some(fresh) = assignment.fresh {
            self.add(fresh);
        }
    }

    fn failed(&mut self, now: Instant, reason: FailureReason, first: bool) -> Failure {
        let failures = self.retry.map_or(0, |retry| retry.failures);
        let retry_in = match reason {
            FailureReason::Kernel(Error::Unavailable { .. }) => LAST_RETRY,
            FailureReason::Kernel(_) | FailureReason::Doubtful | FailureReason::Busy => {
                (FIRST_RETRY * 2u32.pow(failures.min(6))).min(LAST_RETRY)
            }
        };
        self.retry = Some(Retry { failures: failures.saturating_add(1), at: now + retry_in });
        Failure { reason, first, retry_in }
    }

    fn complete(
        &mut self,
        now: Instant,
        full_look_at: Instant,
        assignment: Assignment,
        findings: &Findings,
    ) -> Vec<Warning> {
        self.retry = None;
        if assignment.task.look.dirty == Dirty::Everything {
            self.full_look_at = full_look_at;
        }
        let mut warnings = findings.warnings.clone();
        for settle in &assignment.settles {
            let persisting = assignment.persisting(settle, findings);
            match settle.round {
                _ if persisting.is_empty() => {}
                Round::Second => {
                    let at = now + THIRD_LOOK_AFTER;
                    self.settles.push(Settle { at, round: Round::Third, look: settle.look.clone() });
                }
                Round::Third => warnings.push(Warning::Persisting { front_ends: persisting }),
            }
        }
        if let Some(fresh) = assignment.fresh {
            let at = now + SECOND_LOOK_AFTER;
            self.settles.push(Settle { at, round: Round::Second, look: fresh.look });
        }
        if findings.deleted() > 0 {
            self.all_gone = false;
        }
        warnings
    }

    fn news(&mut self, mut warnings: Vec<Warning>) -> Vec<Warning> {
        let said = self.all_gone;
        warnings.retain(|warning| !(said && matches!(warning, Warning::AllGone { .. })));
        self.all_gone |= warnings.iter().any(|warning| matches!(warning, Warning::AllGone { .. }));
        warnings
    }

    fn pending(&self) -> usize {
        self.fresh.as_ref().map_or(0, |fresh| fresh.look.len(&self.snapshot))
    }
}

// === impl Assignment ===

impl Assignment {
    fn look(&self) -> Look {
        let mut look = if self.hourly { Look::everything() } else { Look::default() };
        let parts = self.settles.iter().map(|settle| &settle.look);
        parts.chain(self.fresh.as_ref().map(|fresh| &fresh.look)).for_each(|part| look.merge(part));
        look
    }

    fn occasion(&self) -> Occasion {
        match &self.fresh {
            Some(fresh) => Occasion::Commit(fresh.cause),
            None if self.hourly => Occasion::Hourly,
            None => Occasion::Settle,
        }
    }

    /// Front ends of a repeated look that were stale again, unless a commit explains it.
    fn persisting(&self, settle: &Settle, findings: &Findings) -> BTreeSet<FrontEnd> {
        let snapshot = &self.task.snapshot;
        let explained =
            |address| self.fresh.as_ref().is_some_and(|fresh| fresh.look.covers(snapshot, address));
        let stale = findings.stale.iter().filter(|stale| {
            let address = stale.flow.orig.destination();
            let found = stale.outcome.is_some_and(|outcome| outcome != Outcome::Gone);
            found && settle.look.covers(snapshot, address) && !explained(address)
        });
        stale.map(|stale| front_end_of(&stale.flow, snapshot)).collect()
    }
}

impl FailureReason {
    fn of(end: &End) -> Option<FailureReason> {
        match end {
            End::Complete | End::Stopped => None,
            End::Doubtful => Some(FailureReason::Doubtful),
            End::Busy => Some(FailureReason::Busy),
            End::Failed(error) => Some(FailureReason::Kernel(error.clone())),
        }
    }
}

#[cfg(test)]
mod tests;
