//! Turns a number of entries into the costs of two looks at them: one that finds nothing stale, one that finds 9 %.
//!
//! Does not know what else could change meanwhile.
#![expect(clippy::disallowed_methods, reason = "costs are measured")]

use std::net::SocketAddr;
use std::process::Stdio;
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use conntrack::flow::Protocol;
use e2e::backend::Family;
use e2e::command::run;
use e2e::flow::crowd::client;
use e2e::flow::service::Target::ClusterIp;
use e2e::flow::service::{PORTS, Service, pod_address, pods, ready};
use e2e::flow::sink::Manner;
use e2e::flow::stage::Stage;
use e2e::flow::table::{self, Entry, New};

use crate::row::Row;
use crate::usage::{self, Log, Passes};

const MARK: u32 = 7;
/// Of a thousand entries, so many lead to an endpoint that goes, so many to one that stays, and so many are UDP that no
/// Service has to do with. The others are TCP.
const LEAVING: u32 = 88;
const STAYING: u32 = 262;
const UDP_ELSEWHERE: u32 = 50;

/// `conntrack -L` is run so often, and the fastest time counts.
const DUMPS: u32 = 3;
const PATIENCE: Duration = Duration::from_secs(30);

/// A stage whose conntrack table grows from measurement to measurement.
pub(crate) struct Table {
    pub(crate) stage: Stage,
    entries: u32,
}

impl Table {
    pub(crate) fn of(stage: Stage) -> Table {
        Table { stage, entries: 0 }
    }

    /// Fills the table up to so many entries, and measures. An empty one has nothing stale in it.
    pub(crate) fn measure(&mut self, entries: u32) -> Result<Vec<Row>> {
        let service = self.prepare(entries)?;
        let dump = list(&self.stage)?;
        let busy = idle_service().with_endpoints(Family::V4, &[ready(1)]);
        let mut rows = vec![self.look(entries, 0, dump, &busy)?];
        if entries > 0 {
            rest(&self.stage)?;
            let without = service.clone().with_endpoints(Family::V4, &[ready(0)]);
            rows.push(self.look(entries, entries / 1000 * LEAVING, dump, &without)?);
            self.has_the_right_ones()?;
        }
        Ok(rows)
    }

    /// A daemon that has nothing to look at, a service with two endpoints, and a full table.
    pub(crate) fn prepare(&mut self, entries: u32) -> Result<Service> {
        let service = Service::new(&pods(&[0, 1]));
        // What a table of another size made the daemon use shall not count.
        self.stage.restart(Family::V4, |stage| {
            [&service, &idle_service(), &other_service(0)]
                .into_iter()
                .try_for_each(|service| stage.manifests.put(&service.file(), &service.yaml()))
        })?;
        rest(&self.stage)?;
        self.fill(entries, &service)?;
        Ok(service)
    }

    /// Those that an earlier measurement made stale are made again.
    fn fill(&mut self, entries: u32, service: &Service) -> Result<()> {
        let front_end = service.address(Family::V4, ClusterIp, Manner::Silent);
        let [staying, leaving] = [0, 1].map(|pod| SocketAddr::from((pod_address(Family::V4, pod), PORTS[0])));
        let outside = SocketAddr::from(([198, 51, 100, 1], 53));
        let entry = |n: u32| match n % 1000 {
            k if k < LEAVING => New::udp(client(n), front_end, 0).replied().to(leaving),
            k if k < LEAVING + STAYING => New::udp(client(n), front_end, MARK).replied().to(staying),
            k if k < LEAVING + STAYING + UDP_ELSEWHERE => New::udp(client(n), outside, 0).replied(),
            _ => New::udp(client(n), outside, 0).of(Protocol::TCP),
        };
        let again = (0..self.entries).filter(|n| n % 1000 < LEAVING);
        table::make(&self.stage.node, again.chain(self.entries..entries).map(entry))?;
        self.entries = entries;
        Ok(())
    }

    /// Changes a service so that the table is looked at, and other services as long as that takes.
    fn look(&self, entries: u32, stale: u32, dump: Duration, change: &Service) -> Result<Row> {
        let Stage { daemon, node, manifests, .. } = &self.stage;
        let (log, memory) = (Log::here(daemon)?, daemon.memory()?);
        let (cpu, before) = (usage::cpu(daemon)?, Passes::look(node)?);
        let begin = Instant::now();
        manifests.put(&change.file(), &change.yaml())?;
        let mut after = before;
        for turn in 1.. {
            ensure!(begin.elapsed() < PATIENCE, "no look after {PATIENCE:?}:\n{}", daemon.tail());
            let other = other_service(turn % 2);
            manifests.put(&other.file(), &other.yaml())?;
            sleep(Duration::from_millis(30));
            after = Passes::look(node)?;
            if after.count > before.count {
                break;
            }
        }
        ensure!(after.count == before.count + 1, "two looks are one too many:\n{}", daemon.tail());
        let deleted = after.deleted - before.deleted;
        ensure!(deleted == u64::from(stale), "{deleted} entries deleted, of {stale}");
        let longest = |message, name| log.longest(daemon, message, name);
        Ok(Row {
            entries,
            stale,
            pass_seconds: (after.duration - before.duration).as_secs_f64(),
            cpu_seconds: (usage::cpu(daemon)? - cpu).as_secs_f64(),
            memory_growth_bytes: daemon.peak_memory()?.saturating_sub(memory),
            loop_waited_seconds: longest("Handed over to the conntrack thread", "took")?
                .context("no commit was handed over")?
                .as_secs_f64(),
            longest_commit_seconds: longest("SyncProxyRules complete", "elapsed")?
                .context("there was no commit")?
                .as_secs_f64(),
            dump_seconds: dump.as_secs_f64(),
        })
    }

    /// All that are sent to the service with the two endpoints.
    pub(crate) fn entries(&self) -> Result<Vec<Entry>> {
        let service = Service::new(&pods(&[0, 1]));
        self.stage.entries(&[service.address(Family::V4, ClusterIp, Manner::Silent)])
    }

    /// Of these, exactly the ones that lead to the endpoint that stays are left.
    pub(crate) fn has_the_right_ones(&self) -> Result<()> {
        let entries = self.entries()?;
        let (left, right) = (entries.len(), entries.iter().filter(|entry| entry.mark == MARK).count());
        let expected = (self.entries / 1000 * STAYING) as usize;
        ensure!(left == expected && right == expected, "{left} left, {right} right ones, not {expected}");
        Ok(())
    }
}

/// A service whose endpoints change without anything becoming stale: nobody uses it.
fn idle_service() -> Service {
    Service::new(&pods(&[0])).named("idle", 30)
}

/// A service whose changes are handed over while a look goes on. They are looked at afterwards.
fn other_service(pod: usize) -> Service {
    Service::new(&pods(&[0])).named("other", 20).with_endpoints(Family::V4, &[ready(pod)])
}

/// Waits until the daemon has looked at everything twice and may look again at once.
pub(crate) fn rest(stage: &Stage) -> Result<()> {
    let mut paid = Duration::ZERO;
    loop {
        let used = usage::cpu(&stage.daemon)?;
        // It rests eight times as long as it has worked, and looks again two seconds later.
        sleep(Duration::from_secs(3) + (used - paid) * 9);
        paid = used;
        if usage::cpu(&stage.daemon)? - used < Duration::from_millis(1) {
            return Ok(());
        }
    }
}

/// How long it takes to list the table as everybody does.
fn list(stage: &Stage) -> Result<Duration> {
    let mut fastest = Duration::MAX;
    for _ in 0..DUMPS {
        let mut list = stage.node.command("conntrack");
        let list = list.arg("-L").stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let begin = Instant::now();
        let status = list.status().context("start conntrack; the package is called so, too")?;
        fastest = fastest.min(begin.elapsed());
        ensure!(status.success(), "conntrack -L: {status}");
    }
    run(stage.node.command("conntrack").arg("-C")).context("count entries")?;
    Ok(fastest)
}
