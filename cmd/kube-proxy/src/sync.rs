//! THE loop: one owner of all state, one closed set of reasons to wake.
//!
//! Knows nothing of where changes come from.
#![expect(clippy::disallowed_methods, reason = "the loop reads the clock for everything inside it")]

use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::thread;
use std::time::Instant;

use informer::change::Batch;
use informer::object::Complaint;
use proxier::tables::Tables;
use tracing::warn;

use crate::family::FamilySync;
use crate::node::ThisNode;

/// Why the loop wakes, besides that something is due.
#[derive(Debug)]
pub(crate) enum Wake {
    /// The cluster changed.
    Changed(Batch),
    /// The process is to end. The rules stay.
    Shutdown,
    /// The process is to end with this error. The rules stay.
    Failed(anyhow::Error),
}

/// Begins with everything that existed at the start, and turns until told to end, or until nobody is
/// left to tell.
pub(crate) fn run<T: Tables + Send>(
    initial: Batch,
    wakes: &Receiver<Wake>,
    node: &ThisNode,
    families: &mut [FamilySync<T>],
) -> anyhow::Result<()> {
    families.iter().for_each(FamilySync::started);
    take_in(&initial, node, families)?;
    drop(initial);
    loop {
        turn(families);
        let wake = match next(families) {
            Some(due) => wakes.recv_timeout(due.saturating_duration_since(Instant::now())),
            None => wakes.recv().map_err(|_| RecvTimeoutError::Disconnected),
        };
        match wake {
            Ok(Wake::Changed(batch)) => take_in(&batch, node, families)?,
            Ok(Wake::Shutdown) | Err(RecvTimeoutError::Disconnected) => return Ok(()),
            Ok(Wake::Failed(error)) => return Err(error),
            Err(RecvTimeoutError::Timeout) => {}
        }
        // Whatever is known already is taken into account before any rule is written.
        for wake in wakes.try_iter() {
            match wake {
                Wake::Changed(batch) => take_in(&batch, node, families)?,
                Wake::Shutdown => return Ok(()),
                Wake::Failed(error) => return Err(error),
            }
        }
    }
}

fn next<T: Tables>(families: &[FamilySync<T>]) -> Option<Instant> {
    let now = Instant::now();
    families.iter().map(|family| family.next(now)).min()
}

fn take_in<T: Tables>(batch: &Batch, node: &ThisNode, families: &mut [FamilySync<T>]) -> anyhow::Result<()> {
    log_complaints(&batch.complaints);
    for change in &batch.changes {
        families.iter_mut().for_each(|family| family.apply(change));
        node.take_in(change)?;
    }
    Ok(())
}

/// Logs what could not be used of the objects.
fn log_complaints(complaints: &[Complaint]) {
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
