//! Turns a conntrack table of 200,000 entries into what a change costs: time, CPU, memory, and who waits for it.
//!
//! Does not know how the table is read.
#![expect(clippy::disallowed_methods, reason = "costs are measured")]

use std::fs;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, sleep};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use conntrack::flow::Protocol;
use e2e::backend::Family;
use e2e::command::{command, run};
use e2e::flow::daemon::Daemon;
use e2e::flow::service::Target::ClusterIp;
use e2e::flow::service::{PORTS, Service, pod_address, pods, ready};
use e2e::flow::sink::Manner;
use e2e::flow::stage::{INTERVAL, Stage};
use e2e::flow::table::{self, New};
use rustix::thread::{CpuSet, gettid, sched_getaffinity, sched_setaffinity};

use crate::Outcome;
use crate::check;

const ENTRIES: u32 = 200_000;
const MARK: u32 = 7;

/// 17,000 entries of 200,000 are stale: the look takes little time and memory, and no other change waits for it.
pub(crate) fn many_stale(family: Family) -> Outcome {
    const STALE: u32 = 17_000;
    const PASS: Duration = Duration::from_millis(500);
    const GROWTH: u64 = 16 * 1024;
    const OTHER_CHANGE: Duration = Duration::from_millis(100);
    let stage = Stage::start("", &[])?;
    let service = Service::new(&pods(&[0, 1]));
    stage.put(family, &service)?;
    let front_end = service.address(family, ClusterIp, Manner::Silent);
    let [staying, leaving] = [0, 1].map(|pod| SocketAddr::from((pod_address(family, pod), PORTS[0])));
    fill(&stage, |n| match n % 100 {
        _ if n < STALE => New::udp(client(n), front_end, 0).replied().to(leaving),
        0..27 => New::udp(client(n), front_end, MARK).replied().to(staying),
        _ => elsewhere(n),
    })?;
    // By then the table was looked at a second time, and the daemon has rested from it.
    sleep(Duration::from_secs(8));
    let (resident, before) = (memory(&stage.daemon, "VmRSS:")?, share(&stage.daemon)?);
    let commit = stage.put(family, &service.with_endpoints(family, &[ready(0)]))?;
    let other = Service::new(&pods(&[0])).named("other", 20);
    stage.put(family, &other)?;
    let elapsed = last_commit_took(&stage.daemon)?;
    let took = stage.daemon.says(&format!("{family} change: {STALE} stale UDP"), 0)? - commit;
    let took = took.saturating_sub(share(&stage.daemon)?.waited - before.waited);
    let growth = memory(&stage.daemon, "VmHWM:")?.saturating_sub(resident);

    let entries = stage.entries(&[front_end])?;
    let staying = entries.iter().filter(|entry| entry.mark == MARK).count();
    ensure!(
        staying == 49_410 && entries.len() == staying,
        "{} entries are left, {staying} right ones",
        entries.len()
    );
    ensure!(took <= PASS, "the pass took {took:?}; the end of the log:\n{}", stage.daemon.tail());
    ensure!(growth <= GROWTH, "the memory grew by {growth} KiB");
    ensure!(elapsed <= OTHER_CHANGE, "another change took {elapsed:?}");
    Ok(Some(took))
}

/// 50 endpoint replacements in ten seconds cost little, and in the end all is right.
pub(crate) fn replacements(family: Family) -> Outcome {
    const TIMES: u32 = 50;
    const EACH: Duration = Duration::from_millis(200);
    const SHARE: f64 = 0.15;
    let stage = Stage::start("", &[])?;
    fill(&stage, elsewhere)?;
    let service = |time: u32| Service::new(&pods(&[time as usize % 2]));
    let begin = stage.put(family, &service(0))?;
    let senders = stage.clients(&stage.client, family, &service(0), ClusterIp)?;
    stage.arrive(&senders, 0, begin)?;
    let (begin, before) = (Instant::now(), share(&stage.daemon)?);
    for time in 1..=TIMES {
        check::sleep_until(begin + EACH * (time - 1));
        stage.manifests.put(&service(time).file(), &service(time).yaml())?;
    }
    let last = Instant::now();
    sleep(Duration::from_secs(3));
    let now = Instant::now();
    for sender in &senders {
        let pod = TIMES as usize % 2;
        let arrived = stage.wait_for(INTERVAL * 5, || stage.arrival(sender, pod, now));
        ensure!(
            arrived.is_some(),
            "{} is not where it should be {:?} after the last change",
            sender.from,
            now - last
        );
        ensure!(stage.arrival(sender, 1 - pod, now).is_none(), "{} is where it should not be", sender.from);
    }
    let share = (share(&stage.daemon)?.used - before.used).as_secs_f64() / (now - begin).as_secs_f64();
    ensure!(share <= SHARE, "{:.0} % of a core", share * 100.0);
    Ok(None)
}

/// A change in one family leaves 200,000 entries of the other alone, and no CPU is kept for long.
pub(crate) fn other_family(_: Family) -> Outcome {
    const STRETCH: Duration = Duration::from_millis(25);
    /// The machine may be kept from its work by others, but not each time.
    const ATTEMPTS: usize = 3;
    let stage = Stage::start("", &[])?;
    let service = Service::new(&pods(&[0]));
    let begin = stage.put(Family::V6, &service)?;
    let front_end = service.address(Family::V4, ClusterIp, Manner::Silent);
    let backend = SocketAddr::from((pod_address(Family::V4, 0), PORTS[0]));
    fill(
        &stage,
        |n| if n % 3 == 0 { New::udp(client(n), front_end, MARK).to(backend) } else { elsewhere(n) },
    )?;
    let senders = stage.clients(&stage.client, Family::V6, &service, ClusterIp)?;
    stage.arrive(&senders, 0, begin)?;
    sleep(INTERVAL * 3);
    let mut stretches = Vec::new();
    for attempt in 1..=ATTEMPTS {
        let changed = service.clone().with_endpoints(Family::V6, &[ready(attempt % 2)]);
        let stretch = longest_stretch(|| {
            let commit = stage.put(Family::V6, &changed)?;
            stage.arrive(&senders, attempt % 2, commit)?;
            Ok(())
        })?;
        stretches.push(stretch);
        let marked = stage.entries(&[front_end])?.iter().filter(|entry| entry.mark == MARK).count();
        ensure!(marked == ENTRIES.div_ceil(3) as usize, "{marked} marked entries are left");
        if stretch <= STRETCH {
            return Ok(Some(stretch));
        }
    }
    anyhow::bail!("a CPU was kept for {stretches:?}")
}

fn fill(stage: &Stage, entry: impl Fn(u32) -> New) -> Result<()> {
    table::make(&stage.node, (0..ENTRIES).map(entry))
}

/// As a busy node has them: most are TCP.
fn elsewhere(n: u32) -> New {
    let outside = SocketAddr::from(([198, 51, 100, 1], 53));
    match n % 5 {
        0 => New::udp(client(n), outside, 0).to(([198, 51, 100, 2], 53).into()).replied(),
        _ => New::udp(client(n), outside, 0).of(Protocol::TCP),
    }
}

/// A client of its own for each number.
fn client(n: u32) -> SocketAddr {
    let [_, a, b, c] = (n >> 4).to_be_bytes();
    SocketAddr::from(([10, 64 + a, b, c], 1024 + u16::try_from(n & 15).expect("four bits")))
}

fn memory(daemon: &Daemon, what: &str) -> Result<u64> {
    let status =
        fs::read_to_string(format!("/proc/{}/status", daemon.pid())).context("look at the daemon")?;
    let line = status.lines().find_map(|line| line.strip_prefix(what)).context("the daemon has ended")?;
    line.trim().trim_end_matches(" kB").parse().context("read its memory")
}

/// What the thread that looks at the table had of the CPUs.
#[derive(Clone, Copy)]
struct Share {
    used: Duration,
    /// For so long it could have run, but others did.
    waited: Duration,
}

fn share(daemon: &Daemon) -> Result<Share> {
    for task in
        fs::read_dir(format!("/proc/{}/task", daemon.pid())).context("look at the daemon's threads")?
    {
        let task = task?.path();
        if fs::read_to_string(task.join("comm")).context("look at a thread")? == "conntrack\n" {
            let times = fs::read_to_string(task.join("schedstat")).context("look at a thread")?;
            let times: Vec<u64> = times.split_whitespace().map(str::parse).collect::<Result<_, _>>()?;
            let time =
                |index: usize| times.get(index).copied().map(Duration::from_nanos).context("two times");
            return Ok(Share { used: time(0)?, waited: time(1)? });
        }
    }
    anyhow::bail!("there is no thread conntrack")
}

/// How long the latest commit took, as the daemon has measured it.
fn last_commit_took(daemon: &Daemon) -> Result<Duration> {
    let log = daemon.log()?;
    let line = log.lines().rfind(|line| line.contains("SyncProxyRules complete") && line.contains("IPv4"));
    let elapsed = line.and_then(|line| line.split_once("elapsed=\"")?.1.split_once('"'));
    let (elapsed, _) = elapsed.context("a commit says how long it took")?;
    let (number, unit) =
        elapsed.split_at(elapsed.find(|c: char| c.is_alphabetic() || c == 'µ').context("a unit")?);
    let unit = match unit {
        "s" => 1.0,
        "ms" => 1e-3,
        "µs" => 1e-6,
        other => anyhow::bail!("an unknown unit {other}"),
    };
    Ok(Duration::from_secs_f64(number.parse::<f64>()? * unit))
}

/// The longest time for which a thread that goes before all others did not get its CPU while `work` was done.
fn longest_stretch(work: impl FnOnce() -> Result<()>) -> Result<Duration> {
    let (ended, longest) = (AtomicBool::new(false), AtomicU64::new(0));
    let cpus = sched_getaffinity(None).context("which CPUs are there")?;
    thread::scope(|scope| {
        let watches: Vec<_> = (0..CpuSet::MAX_CPU)
            .filter(|cpu| cpus.is_set(*cpu))
            .map(|cpu| {
                scope.spawn({
                    let (ended, longest) = (&ended, &longest);
                    move || watch(cpu, ended, longest)
                })
            })
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
