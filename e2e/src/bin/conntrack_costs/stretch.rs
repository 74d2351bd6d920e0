//! Turns a change in one family into the longest time for which a CPU was kept by looking at the entries of both.
//!
//! Does not fill the table.
#![expect(clippy::disallowed_methods, reason = "times are measured")]

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, sleep};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use e2e::backend::Family;
use e2e::command::{command, run};
use e2e::flow::service::Target::ClusterIp;
use e2e::flow::service::{Service, pods};
use e2e::flow::stage::Stage;
use rustix::thread::{CpuSet, gettid, sched_getaffinity, sched_setaffinity};

use crate::looks::rest;
use crate::row::Other;

/// The machine may be kept from its work by others, but not each time.
const ATTEMPTS: usize = 3;
const GOAL_MILLISECONDS: f64 = 25.0;

/// An IPv6 endpoint is replaced.
pub(crate) fn other_family(stage: &Stage) -> Result<Other> {
    let service = |pod: usize| {
        let service = Service::new(&pods(&[0])).named("six", 60);
        service.with_endpoints(Family::V6, &pods(&[pod]))
    };
    let begin = stage.put(Family::V6, &service(0))?;
    let senders = stage.clients(&stage.client, Family::V6, &service(0), ClusterIp)?;
    stage.arrive(&senders, 0, begin)?;
    let mut shortest = Duration::MAX;
    for attempt in 1..=ATTEMPTS {
        rest(stage)?;
        shortest = shortest.min(longest_stretch(|| {
            let commit = stage.put(Family::V6, &service(attempt % 2))?;
            stage.arrive(&senders, attempt % 2, commit)?;
            Ok(())
        })?);
    }
    stage.remove(Family::V6, &service(0))?;
    Ok(Other {
        what: "longest time for which a CPU was kept, IPv6 change beside 200,000 IPv4 entries".to_owned(),
        measured: shortest.as_secs_f64() * 1000.0,
        goal: GOAL_MILLISECONDS,
        unit: "ms",
    })
}

/// The longest time for which a thread that goes before all others did not get its CPU while `work` was done.
fn longest_stretch(work: impl FnOnce() -> Result<()>) -> Result<Duration> {
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
