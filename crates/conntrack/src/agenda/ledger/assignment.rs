//! What is taken from a ledger for one pass: commits, looks to be repeated, the hourly one.
//!
//! Does not know when any of them is due, nor what follows from what the pass finds.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::time::Instant;

use super::Fresh;
use crate::dirty::Look;
use crate::generation::FrontEnd;
use crate::kernel::Outcome;
use crate::pass::{Task, front_end_of};
use crate::report::{Findings, Occasion};

/// What was taken from the agenda for one pass over one family. It goes back with [`finish`](crate::agenda::Agenda::finish).
#[derive(Debug)]
pub struct Assignment {
    /// What the pass has to do.
    pub task: Task,
    pub(super) fresh: Option<Fresh>,
    pub(super) settles: Vec<Settle>,
    pub(super) hourly: bool,
}

/// A look that is repeated for the sake of packets that were under way during the one before, or of entries that
/// could not be deleted. Nothing else waits for it.
#[derive(Clone, Debug)]
pub(super) struct Settle {
    pub(super) at: Instant,
    pub(super) round: Round,
    pub(super) look: Look,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Round {
    Second,
    Third,
    /// Entries were busy as often as this.
    Busy {
        failures: u32,
    },
}

// === impl Settle ===

impl Settle {
    pub(super) fn is_busy(&self) -> bool {
        matches!(self.round, Round::Busy { .. })
    }
}

// === impl Assignment ===

impl Assignment {
    pub(super) fn look(&self) -> Look {
        let mut look = if self.hourly { Look::everything() } else { Look::default() };
        let parts = self.settles.iter().map(|settle| &settle.look);
        parts.chain(self.fresh.as_ref().map(|fresh| &fresh.look)).for_each(|part| look.merge(part));
        look
    }

    pub(crate) fn occasion(&self) -> Occasion {
        match &self.fresh {
            Some(fresh) => Occasion::Commit(fresh.cause),
            None if self.hourly => Occasion::Hourly,
            None => Occasion::Settle,
        }
    }

    /// Whether it was made because entries were busy before.
    pub(crate) fn was_busy(&self) -> bool {
        self.settles.iter().any(Settle::is_busy)
    }

    /// How often entries sent to an address were busy before.
    pub(super) fn failures_at(&self, address: SocketAddr) -> u32 {
        let failures = self.settles.iter().map(|settle| match settle.round {
            Round::Busy { failures } if settle.look.covers(&self.task.snapshot, address) => failures,
            Round::Busy { .. } | Round::Second | Round::Third => 0,
        });
        failures.max().unwrap_or_default()
    }

    /// Front ends of a repeated look that were stale again, unless a commit explains it.
    pub(super) fn persisting(&self, settle: &Settle, findings: &Findings) -> BTreeSet<FrontEnd> {
        let snapshot = &self.task.snapshot;
        let explained =
            |address| self.fresh.as_ref().is_some_and(|fresh| fresh.look.covers(snapshot, address));
        let stale = findings.stale.iter().filter(|stale| {
            let address = stale.flow.orig.destination();
            stale.outcome == Some(Outcome::Deleted)
                && settle.look.covers(snapshot, address)
                && !explained(address)
        });
        stale.map(|stale| front_end_of(&stale.flow, snapshot)).collect()
    }
}
