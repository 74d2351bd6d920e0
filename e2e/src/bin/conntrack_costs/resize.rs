//! Turns a hash table that is really resized, again and again, while it is looked at into the time until all stale
//! entries are gone.
//!
//! Does not know how the daemon notices.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, sleep};
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use e2e::backend::Family;
use e2e::flow::service::{PORTS, pod_address, ready};

use crate::looks::Table;
use crate::row::Other;
use crate::sysctl::Sysctl;

/// Sizes differ by so many buckets, and no two of so many in a row are the same.
const STEP: u32 = 4096;
const SIZES: u32 = 64;
const PAUSE: Duration = Duration::from_millis(5);
const DOUBT: &str = "the conntrack table changed under each dump";
const GOAL: Duration = Duration::from_millis(2900);
/// So much longer than it takes that it must have failed.
const PATIENCE: Duration = Duration::from_secs(60);

/// Looks at so many entries; exactly the stale ones must go in the end.
pub(crate) fn during_looks(table: &mut Table, entries: u32, buckets: &Sysctl) -> Result<Other> {
    let service = table.prepare(entries)?;
    let daemon = &table.stage.daemon;
    let doubts = daemon.count(DOUBT)?;
    let ended = AtomicBool::new(false);
    let commit = thread::scope(|scope| {
        let resizing = scope.spawn(|| resize(buckets, &ended));
        let without = service.clone().with_endpoints(Family::V4, &[ready(0)]);
        let commit = table.stage.put(Family::V4, &without);
        // A look at a table that stood still would show nothing.
        let doubted = commit.and_then(|commit| daemon.says(DOUBT, doubts).map(|_| commit));
        ended.store(true, Ordering::Relaxed);
        resizing.join().expect("resizing does not panic")?;
        doubted
    })?;
    let took = until_gone(table, commit)?;
    table.has_the_right_ones()?;
    Ok(Other {
        what: format!("A40, until the last stale of {entries} entries is gone, hash table resized meanwhile"),
        measured: took.as_secs_f64(),
        goal: GOAL.as_secs_f64(),
        unit: "s",
    })
}

fn resize(buckets: &Sysctl, ended: &AtomicBool) -> Result<()> {
    for turn in 1.. {
        if ended.load(Ordering::Relaxed) {
            break;
        }
        buckets.set(buckets.before + (turn % SIZES + 1) * STEP)?;
        sleep(PAUSE);
    }
    Ok(())
}

fn until_gone(table: &Table, since: Instant) -> Result<Duration> {
    let leaving = SocketAddr::from((pod_address(Family::V4, 1), PORTS[0]));
    loop {
        let looked = since.elapsed();
        let left = table.entries()?.iter().filter(|entry| entry.flow.backend() == leaving).count();
        if left == 0 {
            return Ok(looked);
        }
        let tail = || table.stage.daemon.tail();
        ensure!(looked < PATIENCE, "{left} stale entries are left; the log:\n{}", tail());
        sleep(Duration::from_millis(50));
    }
}
