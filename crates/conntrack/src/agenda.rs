//! Remembers what has to be looked at until it was, and says when the next pass may start: never while rules are
//! being written.
//!
//! Reads no clock and makes no pass: time and findings are arguments.

mod ledger;

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

pub use ledger::Assignment;
use ledger::{Fresh, Ledger};

use crate::dirty::{Look, changes};
use crate::doubt::Doubt;
use crate::flow::Family;
use crate::generation::{Cause, Generation};
use crate::pass::Rules;
use crate::report::{End, Failure, Findings, Report, Warning};
use crate::snapshot::Snapshot;

/// What waits to be looked at, for both families.
#[derive(Debug)]
pub struct Agenda {
    ledgers: BTreeMap<Family, Ledger>,
    /// What commits that failed may have let in, until one succeeds.
    attempted: BTreeMap<Family, Attempted>,
    /// Families whose rules are being written: nothing of them is judged.
    in_transition: BTreeSet<Family>,
    full_look_each: Duration,
}

/// What is known of the commits that failed since the last one that succeeded.
#[derive(Debug, Default)]
struct Attempted {
    /// What will have to be looked at beside all that there is by then.
    look: Look,
    /// What may be right until then.
    doubt: Arc<Doubt>,
}

impl Agenda {
    /// An empty agenda. `full_look_each` is the time between two looks at everything without other reason: one
    /// hour, give or take some minutes, so that not all nodes look at the same time.
    pub fn new(full_look_each: Duration) -> Agenda {
        Agenda {
            ledgers: BTreeMap::new(),
            attempted: BTreeMap::new(),
            in_transition: BTreeSet::new(),
            full_look_each,
        }
    }

    /// Takes note that rules of a family are about to be written. From here on there may be flows that only they let
    /// in, or only those before.
    pub fn writing(&mut self, family: Family) {
        self.in_transition.insert(family);
    }

    /// Takes note that what was written left the rules for flows as they were.
    pub fn unchanged(&mut self, family: Family) {
        self.in_transition.remove(&family);
    }

    /// Takes note of a commit that succeeded.
    pub fn committed(&mut self, now: Instant, family: Family, generation: &Generation, cause: Cause) {
        self.in_transition.remove(&family);
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
        look.merge(&self.attempted.remove(&family).unwrap_or_default().look);
        let full_look_at = now + self.full_look_each;
        let ledger =
            self.ledgers.entry(family).or_insert_with(|| Ledger::new(snapshot.clone(), full_look_at));
        ledger.renew(snapshot, Fresh { since: now, cause, look });
    }

    /// Takes note of a commit that failed: any part of it may be in the kernel, and has let in flows to backends of
    /// front ends that the next commit may not have any more. To be followed by one with [`Cause::AfterFailure`]; until
    /// then only what contradicts all of them is deleted.
    pub fn failed(&mut self, family: Family, generation: &Generation) {
        let attempted = Snapshot::new(family, generation);
        let nothing = Snapshot::new(family, &Generation::default());
        let committed = self.ledgers.get(&family).map_or(&nothing, |ledger| ledger.snapshot());
        // As if all of it had come and gone: what it adds to the last commit has left.
        let look = changes(&attempted, committed).former_only();
        let known = self.attempted.entry(family).or_default();
        known.look.merge(&look);
        let doubt = Arc::make_mut(&mut known.doubt);
        if !doubt.is_too_much() {
            doubt.add(committed, &attempted);
        }
        self.in_transition.remove(&family);
    }

    /// The rules by which flows of a family can be judged.
    pub fn rules(&self, family: Family) -> Rules {
        match self.ledgers.get(&family) {
            Some(ledger) if is_judged(&self.in_transition, &self.attempted, family) => {
                let doubt = self.attempted.get(&family).map(|attempted| attempted.doubt.clone());
                Rules::Committed(ledger.snapshot().clone(), doubt.unwrap_or_default())
            }
            Some(_) | None => Rules::InTransition,
        }
    }

    /// When the next pass may start, if anything waits that can be judged.
    pub fn next(&self) -> Option<Instant> {
        let is_judged = |family| is_judged(&self.in_transition, &self.attempted, family);
        let settled = self.ledgers.iter().filter(|(family, _)| is_judged(**family));
        settled.filter_map(|(_, ledger)| ledger.due()).min()
    }

    /// Takes note of the addresses that the node has now: node ports answer on no others, whatever was committed. To
    /// be called before [`Agenda::begin`]; what comes anew needs a commit.
    pub fn is_at(&mut self, now: Instant, local: &BTreeSet<IpAddr>) {
        self.ledgers.values_mut().for_each(|ledger| ledger.move_to(now, local));
    }

    /// Takes out all that is due.
    pub fn begin(&mut self, now: Instant) -> Vec<Assignment> {
        let is_judged = |family| is_judged(&self.in_transition, &self.attempted, family);
        let settled = self.ledgers.iter_mut().filter(|(family, _)| is_judged(**family));
        let due = settled.filter(|(_, ledger)| ledger.due().is_some_and(|due| due <= now));
        due.map(|(_, ledger)| ledger.take(now)).collect()
    }

    /// How many front ends of a family wait for their first look, or are being looked at.
    pub fn pending(&self, family: Family) -> usize {
        self.ledgers.get(&family).map_or(0, Ledger::pending)
    }

    /// Takes note of what became of an assignment: a completed look is done with, all else comes back.
    pub fn finish(&mut self, now: Instant, assignment: Assignment, mut findings: Findings) -> Report {
        let was_busy = assignment.was_busy() && findings.end == End::Busy;
        let is_known = was_busy || self.ledgers.values().any(|ledger| ledger.fails_with(&findings.end));
        self.ledgers.values_mut().for_each(|ledger| ledger.pay(findings.cpu));
        let family = assignment.task.snapshot.family();
        let ledger = self.ledgers.get_mut(&family).expect("an assignment comes from a ledger");
        ledger.rest(now);
        // What is spared now may have to go after the next commit, which looks at everything that it has.
        if let Some(attempted) = self.attempted.get_mut(&family) {
            attempted.look.merge(&assignment.task.look.former_only());
        }
        if assignment.task.look.is_full() {
            findings.warnings.push(Warning::Forgetting);
        }
        let occasion = assignment.occasion();
        let failure = match findings.end {
            End::Complete => {
                ledger.complete(now, now + self.full_look_each, assignment, &mut findings);
                None
            }
            End::Stopped | End::Overtaken => {
                ledger.put_back(assignment);
                None
            }
            End::Busy => {
                let retry_in = ledger.keep_busy(now, &assignment, &findings);
                ledger.complete(now, now + self.full_look_each, assignment, &mut findings);
                Some(Failure { is_news: !is_known, retry_in })
            }
            End::Doubtful | End::Failed(_) => {
                ledger.put_back(assignment);
                Some(ledger.fail(now, &findings.end, !is_known))
            }
        };
        ledger.drop_old_news(&findings.end, &mut findings.warnings);
        Report { family, occasion, pending: ledger.pending(), findings, failure }
    }
}

/// Whether it is known what contradicts the rules.
fn is_judged(
    in_transition: &BTreeSet<Family>,
    attempted: &BTreeMap<Family, Attempted>,
    family: Family,
) -> bool {
    let is_too_much = attempted.get(&family).is_some_and(|attempted| attempted.doubt.is_too_much());
    !in_transition.contains(&family) && !is_too_much
}

#[cfg(test)]
mod tests;
