//! Turns a conntrack table with hundreds of thousands of entries into the test that exactly the right ones are left.
//!
//! Does not measure what that costs in time: that is another program.
#![expect(clippy::disallowed_methods, reason = "changes come at a rate")]

use std::fs;
use std::net::SocketAddr;
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use e2e::backend::Family;
use e2e::flow::crowd::{client, elsewhere};
use e2e::flow::sender::Sender;
use e2e::flow::service::Target::ClusterIp;
use e2e::flow::service::{PORTS, Service, pod_address, pods, ready};
use e2e::flow::sink::Manner;
use e2e::flow::stage::{INTERVAL, Stage};
use e2e::flow::stretch::longest_stretch;
use e2e::flow::table::{self, New};

use crate::Outcome;
use crate::check;

const MANY: u32 = 200_000;
const MAXIMUM: &str = "/proc/sys/net/netfilter/nf_conntrack_max";
const MARK: u32 = 7;
/// So much longer than anything takes here that it must have failed.
const PATIENCE: Duration = Duration::from_secs(60);

/// As many entries as the scenarios ask for, unless the machine allows less.
fn entries() -> Result<u32> {
    let maximum = fs::read_to_string(MAXIMUM).context("read the greatest number of entries")?;
    let allowed = maximum.trim().parse::<u32>().context("it is a number")? / 5 * 4;
    if allowed < MANY {
        eprintln!("{allowed} entries instead of {MANY}: {MAXIMUM} allows no more");
    }
    Ok(MANY.min(allowed) / 1000 * 1000)
}

/// 17,600 of 200,000 entries are stale; meanwhile another service is programmed.
pub(crate) fn many_stale(family: Family) -> Outcome {
    const GROWTH: u64 = 16 << 20;
    // Ten times what is aimed at: goals are measured elsewhere, where nothing else runs.
    const PASS: Duration = Duration::from_secs(5);
    const OTHER: Duration = Duration::from_secs(1);
    let stage = Stage::start("", &[])?;
    let service = Service::new(&pods(&[0, 1]));
    stage.put(family, &service)?;
    let front_end = service.address(family, ClusterIp, Manner::Silent);
    let [staying, leaving] = [0, 1].map(|pod| SocketAddr::from((pod_address(family, pod), PORTS[0])));
    let entry = |n: u32| match n % 1000 {
        0..88 => New::udp(client(n), front_end, 0).replied().to(leaving),
        88..350 => New::udp(client(n), front_end, MARK).replied().to(staying),
        _ => elsewhere(n),
    };
    let thousands = entries()? as usize / 1000;
    let (stale, stays, others) = (thousands * 88, thousands * 262, thousands * 650);
    table::make(&stage.node, (0..thousands as u32 * 1000).map(entry))?;
    stage.daemon.rest(family)?;
    let memory = stage.daemon.memory()?;
    let commit = stage.put(family, &service.with_endpoints(family, &[ready(0)]))?;
    let before = Instant::now();
    let other = stage.put(family, &Service::new(&pods(&[0])).named("other", 20))?;
    check::in_time(&stage, "for the rules of another service", other - before, OTHER)?;
    let took = stage.daemon.says(&format!("{family} change: {stale} stale UDP"), 0)? - commit;
    check::in_time(&stage, "for the pass", took, PASS)?;
    let growth = stage.daemon.peak_memory()?.saturating_sub(memory);
    ensure!(growth <= GROWTH, "the memory grew by {growth} bytes");
    let said = format!("demo/web:silent, {stale}: the backend is not serving");
    ensure!(stage.daemon.count(&said)? == 1, "it is not said once what was deleted and why");
    stage.daemon.says("\"deleted: udp ", stale - 1)?;

    let entries = table::entries(&stage.node)?;
    let ours = || entries.iter().filter(|entry| entry.front_end() == front_end);
    let right = ours().filter(|entry| entry.mark == MARK && entry.flow.backend() == staying).count();
    ensure!(right == stays && ours().count() == stays, "{} are left, {right} right ones", ours().count());
    ensure!(entries.len() >= stays + others, "only {} entries are left in all", entries.len());
    Ok(Some(took))
}

/// The only endpoint is replaced 51 times in ten seconds, beside 200,000 other entries; in the end all is right. Were it
/// an even number of times, clients that never moved would be right as well.
pub(crate) fn replacements(family: Family) -> Outcome {
    const TIMES: u32 = 51;
    const EACH: Duration = Duration::from_millis(200);
    // Ten times what is aimed at.
    const SETTLED: Duration = Duration::from_secs(30);
    let stage = Stage::start("", &[])?;
    let service = |time: u32| Service::new(&pods(&[time as usize % 2]));
    let senders = check::at_first_pod(&stage, family, &service(0), (&stage.client, ClusterIp))?;
    table::make(&stage.node, (0..entries()?).map(elsewhere))?;
    let begin = Instant::now();
    for time in 1..=TIMES {
        check::sleep_until(begin + EACH * (time - 1));
        stage.manifests.put(&service(time).file(), &service(time).yaml())?;
    }
    let end = Instant::now();
    let took = settle(&stage, &senders, [TIMES, TIMES - 1].map(|time| time as usize % 2), end)?;
    check::in_time(&stage, "from the last replacement until all is right", took, SETTLED).map(Some)
}

/// Waits until the senders arrive at one pod only, for good; measures how long after a moment that began.
fn settle(stage: &Stage, senders: &[Sender], [right, wrong]: [usize; 2], since: Instant) -> Result<Duration> {
    while since.elapsed() < PATIENCE {
        let last = |pod: usize, sender| stage.sinks[pod].arrivals(sender).into_iter().max();
        let strays =
            senders.iter().filter_map(|sender| last(wrong, sender)).max().unwrap_or(since).max(since);
        let for_good = strays + INTERVAL * 10;
        if senders.iter().all(|sender| last(right, sender).is_some_and(|last| last > for_good)) {
            return Ok(strays - since);
        }
        sleep(INTERVAL);
    }
    bail!("a client is still where it should not be; the log:\n{}", stage.daemon.tail())
}

/// A change in one family leaves the entries of the other alone: 200,000. Looking at them keeps no CPU for long.
pub(crate) fn other_family(_: Family) -> Outcome {
    // Ten times what is aimed at.
    const STRETCH: Duration = Duration::from_millis(250);
    let stage = Stage::start("", &[])?;
    let service = Service::new(&pods(&[0]));
    let begin = stage.put(Family::V6, &service)?;
    let front_end = service.address(Family::V4, ClusterIp, Manner::Silent);
    let backend = SocketAddr::from((pod_address(Family::V4, 0), PORTS[0]));
    let entries = entries()?;
    let senders = stage.clients(&stage.client, Family::V6, &service, ClusterIp)?;
    stage.arrive(&senders, 0, begin)?;
    check::rest(&stage, &senders)?;
    table::make(&stage.node, (0..entries).map(|n| New::udp(client(n), front_end, MARK).to(backend)))?;
    let mut took = Duration::ZERO;
    let stretch = longest_stretch(|| {
        let commit = stage.put(Family::V6, &service.with_endpoints(Family::V6, &[ready(1)]))?;
        took = settle(&stage, &senders, [1, 0], commit)?;
        Ok(())
    })?;
    check::in_time(&stage, "for which a CPU was kept in one stretch", stretch, STRETCH)?;
    let marked = stage.entries(&[front_end])?.iter().filter(|entry| entry.mark == MARK).count();
    ensure!(marked == entries as usize, "{marked} marked entries are left of {entries}");
    Ok(Some(took))
}
