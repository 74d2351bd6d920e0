//! Turns a change in one family into the longest time for which a CPU was kept by looking at the entries of both.
//!
//! Does not fill the table.

use std::time::Duration;

use anyhow::Result;
use e2e::backend::Family;
use e2e::flow::service::Target::ClusterIp;
use e2e::flow::service::{Service, pods};
use e2e::flow::stage::Stage;
use e2e::flow::stretch::longest_stretch;

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
        what: "A33, longest time for which a CPU was kept, IPv6 change beside 200,000 IPv4 entries"
            .to_owned(),
        measured: shortest.as_secs_f64() * 1000.0,
        goal: GOAL_MILLISECONDS,
        unit: "ms",
    })
}
