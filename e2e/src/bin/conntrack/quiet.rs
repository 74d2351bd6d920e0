//! Turns changes that make no entry stale into the test that nobody looks at the table.
//!
//! Does not know of changes that do.

use e2e::backend::Family;
use e2e::flow::service::{Service, Target::ClusterIp, pods, ready};
use e2e::flow::stage::Stage;

use crate::Outcome;
use crate::check;

/// An endpoint is added to another.
pub(crate) fn added(family: Family) -> Outcome {
    change(family, &Service::new(&pods(&[0])), &Service::new(&pods(&[0, 1])))
}

/// Only the TCP port of the service changes.
pub(crate) fn tcp_only(family: Family) -> Outcome {
    let service = Service::new(&pods(&[0]));
    change(family, &service.clone().with_tcp(&pods(&[0])), &service.with_tcp(&pods(&[1])))
}

fn change(family: Family, service: &Service, changed: &Service) -> Outcome {
    let stage = Stage::start("", &[])?;
    let senders = check::at_first_pod(&stage, family, service, (&stage.client, ClusterIp))?;
    stage.mark(&senders)?;
    let before = stage.daemon.looks(family)?;
    stage.put(family, changed)?;
    check::survives_unseen(&stage, &senders, family, before)?;
    Ok(None)
}

/// Policies, affinity, topology and its hints change, but neither who serves nor whether anybody does.
pub(crate) fn policies(family: Family) -> Outcome {
    let stage = Stage::start("", &[])?;
    let service = Service::new(&pods(&[0]));
    let senders = check::at_first_pod(&stage, family, &service, (&stage.client, ClusterIp))?;
    stage.mark(&senders)?;
    // Not each of them changes a rule. A change of TCP does, and by its commit all before it is committed as well.
    let beacon = |pod| Service::new(&[]).named("beacon", 50).with_tcp(&pods(&[pod]));
    stage.put(family, &beacon(0))?;
    check::rest(&stage, &senders)?;
    let before = stage.daemon.looks(family)?;
    let mut turns = (0..2).cycle().skip(1);
    let mut unseen = |changed: &Service| {
        stage.manifests.put(&changed.file(), &changed.yaml())?;
        stage.put(family, &beacon(turns.next().unwrap_or_default()))?;
        check::survives_unseen(&stage, &senders, family, before)
    };
    for spec in [
        "internalTrafficPolicy: Local",
        "externalTrafficPolicy: Local",
        "sessionAffinity: ClientIP",
        "trafficDistribution: PreferSameNode",
    ] {
        unseen(&service.clone().with_spec(spec))?;
    }
    let hinted = ready(0).hinted("forNodes: [{name: node1}], forZones: [{name: a}]");
    let service = Service::new(&[hinted]).with_spec("trafficDistribution: PreferSameNode");
    unseen(&service)?;
    unseen(&Service::new(&[hinted.hinted("forZones: [{name: b}]")]))?;
    Ok(None)
}
