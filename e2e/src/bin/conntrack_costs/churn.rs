//! Turns an endpoint that is replaced five times a second into a share of a core.
//!
//! Does not fill the table.
#![expect(clippy::disallowed_methods, reason = "costs are measured")]

use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use e2e::backend::Family;
use e2e::flow::service::Target::ClusterIp;
use e2e::flow::service::{Service, pods};
use e2e::flow::stage::{INTERVAL, Stage};

use crate::looks::rest;
use crate::row::Other;
use crate::usage;

const TIMES: usize = 50;
const EACH: Duration = Duration::from_millis(200);
/// Of a core.
const GOAL: f64 = 0.15;

/// 50 replacements in ten seconds; in the end all is right.
pub(crate) fn replacements(stage: &Stage) -> Result<Other> {
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
    sleep(Duration::from_secs(3));
    let now = Instant::now();
    let share = (usage::cpu(&stage.daemon)? - before).as_secs_f64() / (now - begin).as_secs_f64();
    stage.arrive(&senders, TIMES % 2, now)?;
    // Long enough for whoever is lost to be seen.
    sleep(INTERVAL * 10);
    let lost = senders.iter().find(|sender| stage.arrival(sender, 1 - TIMES % 2, now + INTERVAL).is_some());
    ensure!(lost.is_none(), "a client is where it should not be; the log:\n{}", stage.daemon.tail());
    stage.remove(Family::V4, &service(TIMES))?;
    Ok(Other {
        what: "share of a core for conntrack, 50 endpoint replacements in 10 s beside 200,000 entries"
            .to_owned(),
        measured: share * 100.0,
        goal: GOAL * 100.0,
        unit: "%",
    })
}
