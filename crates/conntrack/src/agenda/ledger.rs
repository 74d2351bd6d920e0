//! What one family waits for: commits not looked at yet, looks to be repeated, the hourly one, and until when to rest.
//!
//! Knows one family only; `agenda` joins them.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::dirty::{Dirty, Look};
use crate::generation::{Cause, FrontEnd};
use crate::kernel::{Error, Outcome};
use crate::pass::{Task, front_end_of};
use crate::report::{End, Failure, Findings, Occasion, Warning};
use crate::snapshot::Snapshot;

/// What one family waits for.
#[derive(Debug)]
pub(super) struct Ledger {
    snapshot: Arc<Snapshot>,
    fresh: Option<Fresh>,
    settles: Vec<Settle>,
    full_look_at: Instant,
    retry: Option<Retry>,
    resting_until: Option<Instant>,
    /// Front ends whose first look is under way.
    under_way: usize,
    /// CPU time of the passes of either family since the last one of this.
    cpu: Duration,
    /// Whether it was said that deletes are addressed wrongly; once is enough.
    all_gone: bool,
}

/// What commits changed, since when, and the weightiest cause.
#[derive(Clone, Debug)]
pub(super) struct Fresh {
    pub(super) since: Instant,
    pub(super) cause: Cause,
    pub(super) look: Look,
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

#[derive(Clone, Debug)]
struct Retry {
    failures: u32,
    /// How the last try ended.
    end: End,
    at: Instant,
}

/// What was taken from the agenda for one pass over one family. It goes back with [`finish`](super::Agenda::finish).
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

// === impl Ledger ===

impl Ledger {
    pub(super) fn new(snapshot: Arc<Snapshot>, full_look_at: Instant) -> Ledger {
        Ledger {
            snapshot,
            fresh: None,
            settles: Vec::new(),
            full_look_at,
            retry: None,
            resting_until: None,
            under_way: 0,
            cpu: Duration::ZERO,
            all_gone: false,
        }
    }

    /// The rules committed last.
    pub(super) fn snapshot(&self) -> &Arc<Snapshot> {
        &self.snapshot
    }

    /// Takes note of a commit.
    pub(super) fn renew(&mut self, snapshot: Arc<Snapshot>, fresh: Fresh) {
        self.snapshot = snapshot;
        self.add(fresh);
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

    pub(super) fn due(&self) -> Option<Instant> {
        let fresh = self.fresh.as_ref().filter(|fresh| !self.is_idle(&fresh.look)).map(|fresh| fresh.since);
        let settles = self.settles.iter().map(|settle| settle.at);
        let hourly = (!self.snapshot.is_empty()).then_some(self.full_look_at);
        let due = settles.chain(fresh).chain(hourly).min()?;
        let earliest = self.resting_until.max(self.retry.as_ref().map(|retry| retry.at));
        Some(earliest.map_or(due, |earliest| due.max(earliest)))
    }

    /// Adds CPU time of a pass of either family.
    pub(super) fn pay(&mut self, cpu: Duration) {
        self.cpu += cpu;
    }

    /// Sets the gap to the next pass. Families do not wait for each other after a quiet time, but pay for both.
    pub(super) fn rest(&mut self, now: Instant) {
        self.resting_until = Some(now + SHORTEST_GAP.max(self.cpu * GAP_PER_CPU));
        self.cpu = Duration::ZERO;
    }

    /// Without any front end, now or before, no entry can be stale. After a failure a pass is made nevertheless:
    /// its report ends what the failed one began.
    fn is_idle(&self, look: &Look) -> bool {
        self.snapshot.is_empty() && look.former.is_empty() && self.retry.is_none()
    }

    pub(super) fn take(&mut self, now: Instant) -> Assignment {
        self.under_way = self.pending();
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

    pub(super) fn put_back(&mut self, assignment: Assignment) {
        self.under_way = 0;
        self.settles.extend(assignment.settles);
        if let Some(fresh) = assignment.fresh {
            self.add(fresh);
        }
    }

    pub(super) fn fails_with(&self, end: &End) -> bool {
        self.retry.as_ref().is_some_and(|retry| retry.end == *end)
    }

    pub(super) fn fail(&mut self, now: Instant, end: &End, is_news: bool) -> Failure {
        let failures = self.retry.as_ref().map_or(0, |retry| retry.failures);
        let doubled = FIRST_RETRY * 2u32.pow(failures.min(6));
        let unavailable = matches!(end, End::Failed(Error::Unavailable { .. }));
        let retry_in = if unavailable { LAST_RETRY } else { doubled.min(LAST_RETRY) };
        self.retry =
            Some(Retry { failures: failures.saturating_add(1), end: end.clone(), at: now + retry_in });
        Failure { is_news, retry_in }
    }

    /// What was looked at is done with; what a commit changed is looked at once more, and what was stale again
    /// then a last time.
    pub(super) fn complete(
        &mut self,
        now: Instant,
        full_look_at: Instant,
        assignment: Assignment,
        findings: &mut Findings,
    ) {
        self.retry = None;
        self.under_way = 0;
        self.all_gone &= findings.deleted() == 0;
        if assignment.task.look.dirty == Dirty::Everything {
            self.full_look_at = full_look_at;
        }
        for settle in &assignment.settles {
            let persisting = assignment.persisting(settle, findings);
            match settle.round {
                _ if persisting.is_empty() => {}
                Round::Second => self.look_again(now + THIRD_LOOK_AFTER, Round::Third, &settle.look),
                Round::Third => findings.warnings.push(Warning::Persisting { front_ends: persisting }),
            }
        }
        if let Some(fresh) = &assignment.fresh {
            self.look_again(now + SECOND_LOOK_AFTER, Round::Second, &fresh.look);
        }
    }

    fn look_again(&mut self, at: Instant, round: Round, look: &Look) {
        self.settles.push(Settle { at, round, look: look.clone() });
    }

    /// That deletes are addressed wrongly is said once.
    pub(super) fn drop_old_news(&mut self, warnings: &mut Vec<Warning>) {
        let is_all_gone = |warning: &Warning| matches!(warning, Warning::AllGone { .. });
        let said = self.all_gone;
        self.all_gone |= warnings.iter().any(is_all_gone);
        warnings.retain(|warning| !(said && is_all_gone(warning)));
    }

    /// Front ends that wait for their first look, or are being looked at.
    pub(super) fn pending(&self) -> usize {
        self.under_way + self.fresh.as_ref().map_or(0, |fresh| fresh.look.len(&self.snapshot))
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

    pub(super) fn occasion(&self) -> Occasion {
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
