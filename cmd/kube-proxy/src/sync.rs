//! THE loop: one owner of all state, one closed set of reasons to wake.
//!
//! Knows nothing of where changes come from.
#![expect(clippy::disallowed_methods, reason = "the loop reads the clock for everything inside it")]

use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::thread;
use std::time::Instant;

use informer::change::{Batch, Change};
use informer::object::Complaint;
use proxier::tables::Tables;
use tracing::warn;

use crate::family::FamilySync;

/// Why the loop wakes, besides that something is due.
#[derive(Debug)]
pub(crate) enum Wake {
    /// The cluster changed.
    Changed(Batch),
    /// The process is to end. The rules stay.
    Shutdown,
}

/// Turns until told to end, or until nobody is left to tell.
pub(crate) fn run<T: Tables + Send>(wakes: &Receiver<Wake>, families: &mut [FamilySync<T>]) {
    let mut synced = false;
    loop {
        let wake = match (synced, next(families)) {
            (true, Some(due)) => wakes.recv_timeout(due.saturating_duration_since(Instant::now())),
            (_, _) => wakes.recv().map_err(|_| RecvTimeoutError::Disconnected),
        };
        match wake {
            Ok(Wake::Changed(batch)) => synced |= take_in(&batch, families),
            Ok(Wake::Shutdown) | Err(RecvTimeoutError::Disconnected) => return,
            Err(RecvTimeoutError::Timeout) => {}
        }
        // Whatever is known already is taken into account before any rule is written.
        for wake in wakes.try_iter() {
            match wake {
                Wake::Changed(batch) => synced |= take_in(&batch, families),
                Wake::Shutdown => return,
            }
        }
        if synced {
            turn(families);
        }
    }
}

fn next<T: Tables>(families: &[FamilySync<T>]) -> Option<Instant> {
    let now = Instant::now();
    families.iter().map(|family| family.next(now)).min()
}

/// Tells whether everything that existed at the start is known by now.
fn take_in<T: Tables>(batch: &Batch, families: &mut [FamilySync<T>]) -> bool {
    log_complaints(&batch.complaints);
    for change in &batch.changes {
        families.iter_mut().for_each(|family| family.apply(change));
    }
    batch.changes.contains(&Change::Synced)
}

/// Logs what could not be used of the objects.
pub(crate) fn log_complaints(complaints: &[Complaint]) {
    for Complaint { object, field, value, reason } in complaints {
        warn!(object, field, value, reason, "Ignored what cannot be used");
    }
}

/// The families do not wait for each other.
fn turn<T: Tables + Send>(families: &mut [FamilySync<T>]) {
    thread::scope(|scope| {
        for family in families {
            scope.spawn(|| family.turn(Instant::now));
        }
    });
}
