//! Turns Service addresses that come and go into flows that follow.
//!
//! Does not know of endpoints that change behind an address, node ports apart.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use e2e::backend::Family;
use e2e::flow::sender::Sender;
use e2e::flow::service::Target::{ClusterIp, ExternalIp, LoadBalancer, NodePort};
use e2e::flow::service::{EXTERNAL, Service, Target, pods, ready};
use e2e::flow::stage::Stage;
use e2e::flow::table::{self, New};

use crate::Outcome;
use crate::check;

/// The service and its slices are deleted.
pub(crate) fn service_deleted(family: Family) -> Outcome {
    let stage = Stage::start("", &[])?;
    let service = Service::new(&pods(&[0]));
    let senders = check::at_first_pod(&stage, family, &service, (&stage.client, ClusterIp))?;
    let commit = stage.remove(family, &service)?;
    check::is_silent(&stage, &senders, 0, commit).map(Some)
}

/// The cluster IP belongs to another service in the next moment.
pub(crate) fn cluster_ip_taken_over(family: Family) -> Outcome {
    let stage = Stage::start("", &[])?;
    let service = Service::new(&pods(&[0]));
    let senders = check::at_first_pod(&stage, family, &service, (&stage.client, ClusterIp))?;
    let next = Service::new(&pods(&[1])).named("next", 10);
    let before = stage.daemon.commits(family)?;
    // One file, so one change: the old objects are not in it any more.
    stage.manifests.put(&service.file(), &next.yaml())?;
    let commit = stage.daemon.committed(family, before)?;
    check::moves(&stage, &senders, [0, 1], commit).map(Some)
}

/// A load balancer IP is assigned while traffic to it flows; no endpoint changes.
pub(crate) fn load_balancer_ip_assigned(family: Family) -> Outcome {
    let stage = Stage::start("", &[])?;
    let service = Service::new(&pods(&[0]));
    let with_address = service.clone().with_ingress();
    stage.put(family, &service)?;
    comes(&stage, family, &with_address, LoadBalancer).map(Some)
}

/// An external IP is added, and then a node port.
pub(crate) fn external_ip_and_node_port_added(family: Family) -> Outcome {
    let stage = Stage::start("", &[])?;
    let service = Service::new(&pods(&[0]));
    let external = service.clone().with_external(&EXTERNAL);
    stage.put(family, &service)?;
    let first = comes(&stage, family, &external, ExternalIp)?;
    let node_port = external.clone().with_node_ports();
    let second = comes(&stage, family, &node_port, NodePort)?;
    Ok(Some(first.max(second)))
}

/// Clients send to an address that the service does not have yet.
fn comes(stage: &Stage, family: Family, after: &Service, target: Target) -> anyhow::Result<Duration> {
    let senders = stage.clients(&stage.client, family, after, target)?;
    check::arrives_nowhere(stage, &senders)?;
    check::rest(stage, &senders)?;
    let commit = stage.put(family, after)?;
    check::arrives(stage, &senders, 0, commit)
}

/// A load balancer IP is withdrawn: translated entries go, but not those of somebody else who has the address.
pub(crate) fn load_balancer_ip_withdrawn(family: Family) -> Outcome {
    const MARK: u32 = 77;
    let stage = Stage::start("", &[])?;
    let service = Service::new(&pods(&[0]));
    let senders =
        check::at_first_pod(&stage, family, &service.clone().with_ingress(), (&stage.client, LoadBalancer))?;
    let somebody = "192.168.50.77:7777".parse().context("an address")?;
    check::rest(&stage, &senders)?;
    table::make(&stage.node, [New::udp(somebody, senders[0].to, MARK).replied()])?;
    let commit = stage.put(family, &service)?;
    let last = check::is_silent(&stage, &senders, 0, commit)?;
    stage.daemon.rest(family)?;
    let entries = stage.entries(&[senders[0].to, senders[1].to])?;
    ensure!(!entries.iter().any(|entry| entry.flow.is_dnated()), "translated entries are left: {entries:?}");
    ensure!(entries.iter().any(|entry| entry.mark == MARK), "somebody else's entry was deleted");
    Ok(Some(last))
}

/// The endpoint behind a node port is replaced; the client's address is masqueraded.
pub(crate) fn node_port_replaced(family: Family) -> Outcome {
    let stage = Stage::start("", &[])?;
    let senders = at_node_port(&stage, family)?;
    let entries = stage.entries(&[senders[0].to])?;
    let masqueraded = entries.iter().all(|entry| entry.flow.reply.destination() != entry.client());
    ensure!(!entries.is_empty() && masqueraded, "not masqueraded: {entries:?}");
    let commit = stage.put(family, &Service::new(&pods(&[1])).with_node_ports())?;
    check::moves(&stage, &senders, [0, 1], commit).map(Some)
}

/// The only endpoint behind a node port goes.
pub(crate) fn node_port_to_zero(family: Family) -> Outcome {
    let stage = Stage::start("", &[])?;
    let senders = at_node_port(&stage, family)?;
    let commit = stage.put(family, &Service::new(&[]).with_node_ports())?;
    let last = check::is_silent(&stage, &senders, 0, commit)?;
    check::has_no_entry(&stage, &senders, commit)?;
    Ok(Some(last))
}

/// Clients of a node port, all of whom the first pod answers.
fn at_node_port(stage: &Stage, family: Family) -> Result<Vec<Sender>> {
    let service = Service::new(&pods(&[0])).with_node_ports();
    check::at_first_pod(stage, family, &service, (&stage.client, NodePort))
}

/// With the external policy Local, an endpoint comes to this node while others, elsewhere, were there all the time.
pub(crate) fn local_endpoint_comes(family: Family) -> Outcome {
    let local = |service: Service| service.with_ingress().with_spec("externalTrafficPolicy: Local");
    let stage = Stage::start("", &[])?;
    let elsewhere = local(Service::new(&[ready(0).elsewhere()]));
    let senders = stage.clients(&stage.client, family, &elsewhere, LoadBalancer)?;
    check::arrives_nowhere(&stage, &senders)?;
    check::rest(&stage, &senders)?;
    let first = stage.put(family, &elsewhere)?;
    check::has_no_entry(&stage, &senders, first)?;
    // One more entry that nobody has looked at, as it is left by a packet that was under way for long.
    check::rest(&stage, &senders)?;
    let left = senders.iter().map(|sender| New::udp(sender.from, sender.to, 0));
    table::make(&stage.node, left).context("rules without local endpoints let packets through")?;
    let commit = stage.put(family, &local(Service::new(&[ready(0).elsewhere(), ready(1)])))?;
    check::arrives(&stage, &senders, 1, commit).map(Some)
}
