//! What one family waits for: commits not looked at yet, looks to be repeated, the hourly one, and until when to rest.
//!
//! Knows one family only; `agenda` joins them.

mod assignment;

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::dirty::{Dirty, Look, changes};
use crate::generation::Cause;
use crate::kernel::{Error, Outcome};
use crate::pass::{Task, service_ports_of};
use crate::report::{End, Failure, Findings, Warning};
use crate::snapshot::Snapshot;

pub use assignment::Assignment;
use assignment::{Round, Settle};

/// What one family waits for.
#[derive(Debug)]
pub(super) struct Ledger {
    /// The rules committed last, without node addresses that have left the node since.
    snapshot: Arc<Snapshot>,
    /// Those that they had when they were committed.
    node_addresses: BTreeSet<IpAddr>,
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
    /// Whether a pass that was not completed said that it deletes most of what there is.
    mass_deletion: bool,
    /// Whether one said that no more is remembered.
    forgetting: bool,
}

/// What commits changed, since when, and the weightiest cause.
#[derive(Clone, Debug)]
pub(super) struct Fresh {
    pub(super) since: Instant,
    pub(super) cause: Cause,
    pub(super) look: Look,
}

#[derive(Clone, Debug)]
struct Retry {
    failures: u32,
    /// How the last try ended.
    end: End,
    at: Instant,
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
            node_addresses: snapshot.node_addresses().clone(),
            snapshot,
            fresh: None,
            settles: Vec::new(),
            full_look_at,
            retry: None,
            resting_until: None,
            under_way: 0,
            cpu: Duration::ZERO,
            all_gone: false,
            mass_deletion: false,
            forgetting: false,
        }
    }

    /// The rules committed last.
    pub(super) fn snapshot(&self) -> &Arc<Snapshot> {
        &self.snapshot
    }

    /// Takes note of a commit.
    pub(super) fn renew(&mut self, snapshot: Arc<Snapshot>, fresh: Fresh) {
        self.node_addresses.clone_from(snapshot.node_addresses());
        self.snapshot = snapshot;
        // The table may stand still by now, and a look at more costs no more.
        if let Some(retry) = self.retry.as_mut().filter(|retry| retry.end == End::Doubtful) {
            retry.at = if fresh.look.is_empty() { retry.at } else { fresh.since };
        }
        self.add(fresh);
    }

    /// Takes note of the addresses that the node has now. Rules follow them at once, without a commit.
    pub(super) fn move_to(&mut self, now: Instant, local: &BTreeSet<IpAddr>) {
        let node_addresses: BTreeSet<IpAddr> = self.node_addresses.intersection(local).copied().collect();
        if node_addresses != *self.snapshot.node_addresses() {
            let snapshot = Arc::new(self.snapshot.at(node_addresses));
            let look = changes(&self.snapshot, &snapshot);
            self.snapshot = snapshot;
            self.add(Fresh { since: now, cause: Cause::Incremental, look });
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
        let settles: Vec<Settle> = self.settles.extract_if(.., |settle| settle.at <= now).collect();
        self.under_way = waiting(&self.snapshot, self.fresh.as_ref(), &settles);
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
        let is_busy = *end == End::Busy && self.settles.iter().any(Settle::is_busy);
        is_busy || self.retry.as_ref().is_some_and(|retry| retry.end == *end)
    }

    pub(super) fn fail(&mut self, now: Instant, end: &End, is_news: bool) -> Failure {
        let failures = self.retry.as_ref().map_or(0, |retry| retry.failures);
        let unavailable = matches!(end, End::Failed(Error::Unavailable { .. }));
        let retry_in = if unavailable { LAST_RETRY } else { delay(failures) };
        self.retry =
            Some(Retry { failures: failures.saturating_add(1), end: end.clone(), at: now + retry_in });
        Failure { is_news, retry_in }
    }

    /// Keeps the front ends of entries that could not be deleted, each with its own time; tells how soon the first of
    /// them is looked at again.
    pub(super) fn keep_busy(
        &mut self,
        now: Instant,
        assignment: &Assignment,
        findings: &Findings,
    ) -> Duration {
        let snapshot = &assignment.task.snapshot;
        let mut looks: BTreeMap<u32, Look> = BTreeMap::new();
        for stale in findings.stale.iter().filter(|stale| stale.outcome == Some(Outcome::Busy)) {
            let address = stale.flow.orig.destination();
            let look = Look::at(&stale.flow, snapshot, &service_ports_of(&stale.flow, &assignment.task));
            let mut busy = self.settles.iter_mut().filter(|settle| settle.is_busy());
            match busy.find(|settle| settle.look.covers(snapshot, address)) {
                Some(settle) => settle.look.merge(&look),
                None => looks.entry(assignment.failures_at(address)).or_default().merge(&look),
            }
        }
        let soonest = looks.keys().next().map_or(LAST_RETRY, |failures| delay(*failures));
        for (failures, look) in looks {
            self.look_again(now + delay(failures), Round::Busy { failures: failures + 1 }, &look);
        }
        soonest
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
                Round::Busy { .. } => {}
                Round::Second | Round::Third if persisting.is_empty() => {}
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

    /// That deletes are addressed wrongly is said once, and once however often it is tried: a mass deletion, and that
    /// no more can be remembered.
    pub(super) fn drop_old_news(&mut self, end: &End, warnings: &mut Vec<Warning>) {
        let (mut all_gone, mut mass_deletion, mut forgetting) =
            (self.all_gone, self.mass_deletion, self.forgetting);
        let forgets = warnings.contains(&Warning::Forgetting);
        warnings.retain(|warning| match warning {
            Warning::AllGone { .. } => !std::mem::replace(&mut all_gone, true),
            Warning::MassDeletion { .. } => !std::mem::replace(&mut mass_deletion, true),
            Warning::Forgetting => !std::mem::replace(&mut forgetting, true),
            Warning::Refused { .. } | Warning::Persisting { .. } => true,
        });
        self.all_gone = all_gone;
        self.mass_deletion = mass_deletion && *end != End::Complete;
        self.forgetting = forgetting && (forgets || *end != End::Complete);
    }

    /// Front ends that wait for their first look, are being looked at, or have entries that could not be deleted.
    pub(super) fn pending(&self) -> usize {
        self.under_way + waiting(&self.snapshot, self.fresh.as_ref(), &self.settles)
    }
}

fn waiting(snapshot: &Snapshot, fresh: Option<&Fresh>, settles: &[Settle]) -> usize {
    let busy = settles.iter().filter(|settle| settle.is_busy()).map(|settle| &settle.look);
    fresh.map(|fresh| &fresh.look).into_iter().chain(busy).map(|look| look.len(snapshot)).sum()
}

/// Until the next try, after so many that failed before this one.
fn delay(failures: u32) -> Duration {
    (FIRST_RETRY * 2u32.pow(failures.min(6))).min(LAST_RETRY)
}
