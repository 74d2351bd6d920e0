//! Turns endpoints that come, go and change into flows that move, and flows that must not.
//!
//! Does not know of addresses that come and go.
#![expect(clippy::disallowed_methods, reason = "commits and arrivals are moments")]

use std::collections::BTreeSet;
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use e2e::backend::Family;
use e2e::flow::sender::Sender;
use e2e::flow::service::{OTHER_PORTS, Service, Target::ClusterIp, pods, ready};
use e2e::flow::stage::Stage;
use e2e::netns::Netns;

use crate::Outcome;
use crate::check::{self, RECOVERY};

/// Clients send before there is a service.
pub(crate) fn first(family: Family) -> Outcome {
    first_of(family, |stage| &stage.client)
}

/// The same from the node itself.
pub(crate) fn first_from_the_node(family: Family) -> Outcome {
    first_of(family, |stage| &stage.node)
}

fn first_of(family: Family, from: fn(&Stage) -> &Netns) -> Outcome {
    let stage = Stage::start("", &[])?;
    let service = Service::new(&pods(&[0]));
    let senders = stage.clients(from(&stage), family, &service, ClusterIp)?;
    check::arrives_nowhere(&stage, &senders)?;
    check::rest(&stage, &senders)?;
    let commit = stage.put(family, &service)?;
    check::arrives(&stage, &senders, 0, commit).map(Some)
}

/// The only endpoint is replaced.
pub(crate) fn replaced(family: Family) -> Outcome {
    replaced_of(family, |stage| &stage.client)
}

/// The same from the node itself.
pub(crate) fn replaced_from_the_node(family: Family) -> Outcome {
    replaced_of(family, |stage| &stage.node)
}

fn replaced_of(family: Family, from: fn(&Stage) -> &Netns) -> Outcome {
    let stage = Stage::start("", &[])?;
    let senders = check::at_first_pod(&stage, family, &Service::new(&pods(&[0])), (from(&stage), ClusterIp))?;
    let commit = stage.put(family, &Service::new(&pods(&[1])))?;
    check::moves(&stage, &senders, [0, 1], commit).map(Some)
}

/// One of two endpoints goes; the flows of the other stay as they are.
pub(crate) fn one_of_two(family: Family) -> Outcome {
    const CLIENTS: usize = 20;
    let stage = Stage::start("", &[])?;
    let service = Service::new(&pods(&[0, 1]));
    let begin = stage.put(family, &service)?;
    let mut senders = Vec::new();
    while senders.len() < CLIENTS {
        senders.extend(stage.clients(&stage.client, family, &service, ClusterIp)?);
    }
    let (mut leaving, mut staying) = (Vec::new(), Vec::new());
    for sender in senders {
        let somewhere = || (0..2).find(|pod| stage.arrival(&sender, *pod, begin).is_some());
        let pod = stage.wait_for(Duration::from_secs(2), somewhere).context("a client reaches nobody")?;
        if pod == 0 { leaving.push(sender) } else { staying.push(sender) }
    }
    check::rest(&stage, &leaving)?;
    ensure!(!leaving.is_empty() && !staying.is_empty(), "all clients chose the same endpoint");
    stage.mark(&staying)?;
    let commit = stage.put(family, &Service::new(&pods(&[1])))?;
    let took = check::moves(&stage, &leaving, [0, 1], commit)?;
    stage.has_marks(&staying)?;
    Ok(Some(took))
}

/// The last endpoint goes: its pod hears nothing more, clients are refused, and no entry is left.
pub(crate) fn scaled_to_zero(family: Family) -> Outcome {
    let stage = Stage::start("", &[])?;
    let senders =
        check::at_first_pod(&stage, family, &Service::new(&pods(&[0])), (&stage.client, ClusterIp))?;
    let commit = stage.put(family, &Service::new(&[]))?;
    check::is_silent(&stage, &senders, 0, commit)?;
    check::hears_refusals(&stage, &senders, commit)?;
    check::has_no_entry(&stage, &senders, commit)?;
    let refused = senders.iter().filter_map(|sender| sender.refusals().into_iter().find(|at| *at > commit));
    Ok(refused.max().map(|at| at - commit))
}

/// The last endpoint goes and another one comes.
pub(crate) fn back_from_zero(family: Family) -> Outcome {
    let stage = Stage::start("", &[])?;
    let senders =
        check::at_first_pod(&stage, family, &Service::new(&pods(&[0])), (&stage.client, ClusterIp))?;
    let empty = stage.put(family, &Service::new(&[]))?;
    check::is_silent(&stage, &senders, 0, empty)?;
    check::rest(&stage, &senders)?;
    let commit = stage.put(family, &Service::new(&pods(&[1])))?;
    check::arrives(&stage, &senders, 1, commit).map(Some)
}

/// An entry that bypasses the service is not kept alive by packets that are refused for longer than it would live.
pub(crate) fn refused_for_long(family: Family) -> Outcome {
    let stage = Stage::start("", &[])?;
    let senders = stage.clients(&stage.client, family, &Service::new(&[]), ClusterIp)?;
    check::arrives_nowhere(&stage, &senders)?;
    check::rest(&stage, &senders)?;
    let refusing = stage.put(family, &Service::new(&[]))?;
    check::has_no_entry(&stage, &senders, refusing)?;
    check::hears_refusals(&stage, &senders, refusing)?;
    check::sleep_until(refusing + Duration::from_secs(35));
    check::has_no_entry(&stage, &senders, refusing)?;
    let commit = stage.put(family, &Service::new(&pods(&[0])))?;
    check::arrives(&stage, &senders, 0, commit).map(Some)
}

/// The same pod serves on another port.
pub(crate) fn target_port(family: Family) -> Outcome {
    let stage = Stage::start("", &[])?;
    let service = Service::new(&pods(&[0]));
    let senders = check::at_first_pod(&stage, family, &service, (&stage.client, ClusterIp))?;
    let commit = stage.put(family, &service.with_targets(OTHER_PORTS))?;
    // The pod is the same, so where datagrams go is seen in the table.
    let moved = || {
        let entries = stage.entries(&[senders[0].to, senders[1].to]).unwrap_or_default();
        let ports: BTreeSet<u16> = entries.iter().map(|entry| entry.flow.backend().port()).collect();
        (ports == BTreeSet::from(OTHER_PORTS)).then(Instant::now)
    };
    let moved = stage.wait_for(check::PATIENCE, moved).context("flows keep the old port")?;
    check::in_time(&stage, "from the commit to the move", moved - commit, RECOVERY)?;
    check::arrives(&stage, &senders, 0, moved)?;
    Ok(Some(moved - commit))
}

/// An endpoint that is ending but serves keeps its flows; new ones go to the ready one.
pub(crate) fn terminating(family: Family) -> Outcome {
    let stage = Stage::start("", &[])?;
    let senders =
        check::at_first_pod(&stage, family, &Service::new(&pods(&[0])), (&stage.client, ClusterIp))?;
    stage.mark(&senders)?;
    let before = stage.daemon.looks(family)?;
    let service = Service::new(&[ready(0).terminating(), ready(1)]);
    let commit = stage.put(family, &service)?;
    check::survives_unseen(&stage, &senders, family, before)?;
    stage.arrive(&senders, 0, commit)?;
    let fresh = many(&stage, family, &service)?;
    stage.arrive(&fresh, 1, commit)?;
    ensure!(
        fresh.iter().all(|sender| stage.arrival(sender, 0, commit).is_none()),
        "a new flow goes to an ending pod"
    );
    Ok(None)
}

/// When it serves no more, its flows move.
pub(crate) fn ended(family: Family) -> Outcome {
    let stage = Stage::start("", &[])?;
    let senders =
        check::at_first_pod(&stage, family, &Service::new(&pods(&[0])), (&stage.client, ClusterIp))?;
    stage.put(family, &Service::new(&[ready(0).terminating(), ready(1)]))?;
    let commit = stage.put(family, &Service::new(&[ready(0).ended(), ready(1)]))?;
    check::moves(&stage, &senders, [0, 1], commit).map(Some)
}

/// An endpoint that is not ready but serves keeps its flows.
pub(crate) fn not_ready(family: Family) -> Outcome {
    let stage = Stage::start("", &[])?;
    let senders =
        check::at_first_pod(&stage, family, &Service::new(&pods(&[0])), (&stage.client, ClusterIp))?;
    stage.mark(&senders)?;
    let commit = stage.put(family, &Service::new(&[ready(0).not_ready(), ready(1)]))?;
    sleep(check::WATCHED);
    stage.has_marks(&senders)?;
    stage.arrive(&senders, 0, commit + check::WATCHED)?;
    Ok(None)
}

/// Clients that are bound to an endpoint move when it goes.
pub(crate) fn session_affinity(family: Family) -> Outcome {
    let affinity = |service: Service| service.with_spec("sessionAffinity: ClientIP");
    let stage = Stage::start("", &[])?;
    let senders = check::at_first_pod(
        &stage,
        family,
        &affinity(Service::new(&pods(&[0]))),
        (&stage.client, ClusterIp),
    )?;
    stage.put(family, &affinity(Service::new(&pods(&[0, 1]))))?;
    let bound = many(&stage, family, &Service::new(&[]))?;
    let begin = Instant::now();
    stage.arrive(&bound, 0, begin)?;
    check::rest(&stage, &bound)?;
    ensure!(bound.iter().all(|sender| stage.arrival(sender, 1, begin).is_none()), "a client is not bound");
    let commit = stage.put(family, &affinity(Service::new(&pods(&[1]))))?;
    let all: Vec<Sender> = senders.into_iter().chain(bound).collect();
    check::moves(&stage, &all, [0, 1], commit).map(Some)
}

/// Several new clients of the service.
fn many(stage: &Stage, family: Family, service: &Service) -> anyhow::Result<Vec<Sender>> {
    let start = |_| stage.clients(&stage.client, family, service, ClusterIp);
    Ok((0..4).map(start).collect::<anyhow::Result<Vec<_>>>()?.into_iter().flatten().collect())
}
