//! Turns an endpoint that is replaced five times a second into a share of a core.
//!
//! Does not fill the table.
#![expect(clippy::disallowed_methods, reason = "costs are measured")]

use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use e2e::backend::Family;
use e2e::flow::sender::Sender;
use e2e::flow::service::Target::ClusterIp;
use e2e::flow::service::{Service, pods};
use e2e::flow::stage::{INTERVAL, Stage};

use crate::looks::rest;
use crate::row::Other;
use crate::usage;

const TIMES: usize = 50;
const EACH: Duration = Duration::from_millis(200);
/// After so long, all clients shall be right.
const SETTLED: Duration = Duration::from_secs(3);
/// So much longer that they never will be.
const PATIENCE: Duration = Duration::from_secs(60);
/// Of a core.
const GOAL: f64 = 0.15;

/// 50 replacements in ten seconds; soon all is right.
pub(crate) fn replacements(stage: &Stage) -> Result<[Other; 2]> {
    let service = |time: usize| Service::new(&pods(&[time % 2])).named("churn", 40);
    let begin = stage.put(Family::V4, &service(0))?;
    let senders = stage.clients(&stage.client, Family::V4, &service(0), ClusterIp)?;
    stage.arrive(&senders, 0, begin)?;
    rest(stage)?;
    let (begin, before) = (Instant::now(), usage::cpu(&stage.daemon)?);
    for time in 1..=TIMES {
        stage.manifests.put(&service(time).file(), &service(time).yaml())?;
        sleep((begin + EACH * u32::try_from(time)?).saturating_duration_since(Instant::now()));
    }
    let end = Instant::now();
    sleep(SETTLED);
    let now = Instant::now();
    let share = (usage::cpu(&stage.daemon)? - before).as_secs_f64() / (now - begin).as_secs_f64();
    stage.arrive(&senders, TIMES % 2, now)?;
    let settled = until_settled(stage, &senders, end)?;
    stage.remove(Family::V4, &service(TIMES))?;
    Ok([
        Other {
            what:
                "A43, share of a core for conntrack, 50 endpoint replacements in 10 s beside 200,000 entries"
                    .to_owned(),
            measured: share * 100.0,
            goal: GOAL * 100.0,
            unit: "%",
        },
        Other {
            what: "A43, from the last replacement until all clients are right".to_owned(),
            measured: settled.as_secs_f64(),
            goal: SETTLED.as_secs_f64(),
            unit: "s",
        },
    ])
}

/// How long after a moment the last datagram arrived where it should not.
fn until_settled(stage: &Stage, senders: &[Sender], since: Instant) -> Result<Duration> {
    let wrong = || senders.iter().flat_map(|sender| stage.sinks[1 - TIMES % 2].arrivals(sender)).max();
    let last = || wrong().unwrap_or(since).max(since);
    while last().elapsed() < INTERVAL * 10 {
        ensure!(
            since.elapsed() < PATIENCE,
            "a client is where it should not be; the log:\n{}",
            stage.daemon.tail()
        );
        sleep(INTERVAL);
    }
    Ok(last() - since)
}
