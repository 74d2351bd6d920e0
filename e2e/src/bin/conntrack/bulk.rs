//! Turns a conntrack table with thousands of entries into the test that exactly the right ones are left.
//!
//! Does not measure what that costs: that is another program.
#![expect(clippy::disallowed_methods, reason = "changes come at a rate")]

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::ensure;
use e2e::backend::Family;
use e2e::flow::crowd::{client, elsewhere};
use e2e::flow::service::Target::ClusterIp;
use e2e::flow::service::{PORTS, Service, pod_address, pods, ready};
use e2e::flow::sink::Manner;
use e2e::flow::stage::{INTERVAL, Stage};
use e2e::flow::table::{self, New};

use crate::Outcome;
use crate::check;

const ENTRIES: u32 = 10_000;
const MARK: u32 = 7;

/// 850 of 10,000 entries are stale; meanwhile another service is programmed.
pub(crate) fn many_stale(family: Family) -> Outcome {
    const STALE: usize = 850;
    const STAYING: usize = 2650;
    let stage = Stage::start("", &[])?;
    let service = Service::new(&pods(&[0, 1]));
    stage.put(family, &service)?;
    let front_end = service.address(family, ClusterIp, Manner::Silent);
    let [staying, leaving] = [0, 1].map(|pod| SocketAddr::from((pod_address(family, pod), PORTS[0])));
    let entry = |n: u32| match n % 200 {
        0..17 => New::udp(client(n), front_end, 0).replied().to(leaving),
        17..70 => New::udp(client(n), front_end, MARK).replied().to(staying),
        _ => elsewhere(n),
    };
    table::make(&stage.node, (0..ENTRIES).map(entry))?;
    stage.daemon.rest(family)?;
    let commit = stage.put(family, &service.with_endpoints(family, &[ready(0)]))?;
    stage.put(family, &Service::new(&pods(&[0])).named("other", 20))?;
    let took = stage.daemon.says(&format!("{family} change: {STALE} stale UDP"), 0)? - commit;
    let said = format!("demo/web:silent, {STALE}: the backend is not serving");
    ensure!(stage.daemon.count(&said)? == 1, "it is not said once what was deleted and why");
    stage.daemon.says("\"deleted: udp ", STALE - 1)?;

    let entries = table::entries(&stage.node)?;
    let ours = || entries.iter().filter(|entry| entry.front_end() == front_end);
    let right = ours().filter(|entry| entry.mark == MARK && entry.flow.backend() == staying).count();
    ensure!(right == STAYING && ours().count() == STAYING, "{} are left, {right} right ones", ours().count());
    let others = ENTRIES as usize - STALE - STAYING;
    ensure!(entries.len() >= STAYING + others, "only {} entries are left in all", entries.len());
    Ok(Some(took))
}

/// The only endpoint is replaced 25 times in five seconds, beside thousands of other entries; in the end all is right.
pub(crate) fn replacements(family: Family) -> Outcome {
    const TIMES: u32 = 25;
    const EACH: Duration = Duration::from_millis(200);
    const LIMIT: Duration = Duration::from_secs(3);
    let stage = Stage::start("", &[])?;
    table::make(&stage.node, (0..ENTRIES).map(elsewhere))?;
    let service = |time: u32| Service::new(&pods(&[time as usize % 2]));
    let senders = check::at_first_pod(&stage, family, &service(0), (&stage.client, ClusterIp))?;
    let begin = Instant::now();
    for time in 1..=TIMES {
        check::sleep_until(begin + EACH * (time - 1));
        stage.manifests.put(&service(time).file(), &service(time).yaml())?;
    }
    let end = Instant::now() + LIMIT;
    check::sleep_until(end);
    let [right, wrong] = [TIMES, TIMES - 1].map(|time| time as usize % 2);
    stage.arrive(&senders, right, end)?;
    // What arrives late was sent before the end.
    let late = end + INTERVAL;
    let lost = senders.iter().find(|sender| stage.arrival(sender, wrong, late).is_some());
    ensure!(lost.is_none(), "a client is where it should not be; the log:\n{}", stage.daemon.tail());
    Ok(None)
}

/// A change in one family leaves the entries of the other alone.
pub(crate) fn other_family(_: Family) -> Outcome {
    let stage = Stage::start("", &[])?;
    let service = Service::new(&pods(&[0]));
    let begin = stage.put(Family::V6, &service)?;
    let front_end = service.address(Family::V4, ClusterIp, Manner::Silent);
    let backend = SocketAddr::from((pod_address(Family::V4, 0), PORTS[0]));
    let entry = |n: u32| New::udp(client(n), front_end, MARK).to(backend);
    table::make(&stage.node, (0..ENTRIES).map(entry))?;
    let senders = stage.clients(&stage.client, Family::V6, &service, ClusterIp)?;
    stage.arrive(&senders, 0, begin)?;
    check::rest(&stage, &senders)?;
    let commit = stage.put(Family::V6, &service.with_endpoints(Family::V6, &[ready(1)]))?;
    let took = check::moves(&stage, &senders, [0, 1], commit)?;
    let marked = stage.entries(&[front_end])?.iter().filter(|entry| entry.mark == MARK).count();
    ensure!(marked == ENTRIES as usize, "{marked} marked entries are left");
    Ok(Some(took))
}
