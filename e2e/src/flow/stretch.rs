//! Turns a piece of work into the longest time for which it kept a CPU from all others.
//!
//! Does not know what the work is.
#![expect(clippy::disallowed_methods, reason = "times are measured")]

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, sleep};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use rustix::thread::{CpuSet, gettid, sched_getaffinity, sched_setaffinity};

use crate::command::{command, run};

/// The longest time for which a thread that goes before all others did not get its CPU while `work` was done.
///
/// # Errors
/// The work failed, or the threads may not go before others: that needs root.
pub fn longest_stretch(work: impl FnOnce() -> Result<()>) -> Result<Duration> {
    let (ended, longest) = (AtomicBool::new(false), AtomicU64::new(0));
    let cpus = sched_getaffinity(None).context("which CPUs are there")?;
    thread::scope(|scope| {
        let (ended, longest) = (&ended, &longest);
        let watches: Vec<_> = (0..CpuSet::MAX_CPU)
            .filter(|cpu| cpus.is_set(*cpu))
            .map(|cpu| scope.spawn(move || watch(cpu, ended, longest)))
            .collect();
        sleep(Duration::from_millis(50));
        let done = work();
        ended.store(true, Ordering::Relaxed);
        watches.into_iter().try_for_each(|watch| watch.join().expect("watching does not panic"))?;
        done
    })?;
    Ok(Duration::from_micros(longest.load(Ordering::Relaxed)))
}

fn watch(cpu: usize, ended: &AtomicBool, longest: &AtomicU64) -> Result<()> {
    const NAP: Duration = Duration::from_millis(1);
    let mut only = CpuSet::new();
    only.set(cpu);
    sched_setaffinity(None, &only).context("stay on a CPU")?;
    let thread = gettid().as_raw_nonzero().to_string();
    run(command("chrt").args(["--fifo", "--pid", "50", &thread])).context("go before all others")?;
    while !ended.load(Ordering::Relaxed) {
        let begin = Instant::now();
        sleep(NAP);
        let late = begin.elapsed().saturating_sub(NAP).as_micros();
        longest.fetch_max(u64::try_from(late).expect("a short time"), Ordering::Relaxed);
    }
    Ok(())
}
