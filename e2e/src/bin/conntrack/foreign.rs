//! Turns entries that look like those of a Service, but are not, into the test that they survive.
//!
//! Does not know of flows that should move, but for those to an address that moves itself.
#![expect(clippy::disallowed_methods, reason = "an address moves at a moment")]

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use conntrack::flow::Protocol;
use e2e::backend::Family;
use e2e::cluster::CONFIG;
use e2e::flow::daemon::Setup;
use e2e::flow::sender::Sender;
use e2e::flow::service::Target::{ClusterIp, ExternalIp, NodePort};
use e2e::flow::service::{EXTERNAL, NODE_PORTS, PORTS, Service, pod_address, pods};
use e2e::flow::sink::{Manner, Sink};
use e2e::flow::stage::{INTERVAL, Stage};
use e2e::flow::table::{self, New};
use e2e::netns::Netns;
use e2e::wait;

use crate::Outcome;
use crate::check;

/// A pod speaks with a host outside, on a port that is a node port of the cluster.
pub(crate) fn to_a_port_like_a_node_port(family: Family) -> Outcome {
    passing_by(family, |stage| &stage.pods[0])
}

/// A client speaks with another node, on its node port, and its packets pass through.
pub(crate) fn to_another_nodes_node_port(family: Family) -> Outcome {
    passing_by(family, |stage| &stage.client)
}

fn passing_by(family: Family, from: fn(&Stage) -> &Netns) -> Outcome {
    let outside: IpAddr = match family {
        Family::V4 => "172.31.0.1".parse()?,
        Family::V6 => "fd00:31::1".parse()?,
    };
    let mut stage = Stage::start("", &[])?;
    stage.put(family, &Service::new(&pods(&[0])).with_node_ports())?;
    let server = serve(&stage.outside, NODE_PORTS)?;
    let senders: Vec<Sender> = NODE_PORTS
        .iter()
        .map(|port| Sender::start(from(&stage), (outside, *port).into(), INTERVAL))
        .collect::<Result<_>>()?;
    reach(&stage, &senders, &server)?;
    stage.mark(&senders)?;
    let before = stage.daemon.passes(family)?;
    stage.put(family, &Service::new(&pods(&[1])).with_node_ports())?;
    check::survives(&stage, &senders, family, before)?;
    let before = stage.daemon.passes(family)?;
    stage.put(family, &Service::new(&[]).with_node_ports())?;
    check::survives(&stage, &senders, family, before)?;
    check::survives_restart(&mut stage, &senders, family)?;
    Ok(None)
}

/// One service has the port that is a node port of another.
pub(crate) fn cluster_ip_port_like_a_node_port(family: Family) -> Outcome {
    let mut stage = Stage::start("", &[])?;
    let service = Service::new(&pods(&[0])).named("other", 20).with_ports(NODE_PORTS);
    stage.put(family, &service)?;
    stage.put(family, &Service::new(&pods(&[0])).with_node_ports())?;
    let senders = stage.clients(&stage.client, family, &service, ClusterIp)?;
    reach(&stage, &senders, &stage.sinks[0])?;
    stage.mark(&senders)?;
    let before = stage.daemon.passes(family)?;
    stage.put(family, &Service::new(&pods(&[1])).with_node_ports())?;
    check::survives(&stage, &senders, family, before)?;
    check::survives_restart(&mut stage, &senders, family)?;
    Ok(None)
}

/// A tunnel ends at the node's address, which is an external IP of a service with other ports.
pub(crate) fn tunnel_at_an_external_ip(family: Family) -> Outcome {
    const TUNNEL: u16 = 8472;
    let external = |service: Service| service.with_external(&["192.168.50.2", "fd00:50::2"]);
    let mut stage = Stage::start("", &[])?;
    let service = external(Service::new(&pods(&[0])));
    stage.put(family, &service)?;
    let server = Sink::start(&stage.node, &[(TUNNEL, Manner::Silent)])?;
    let node = service.address(family, NodePort, Manner::Silent).ip();
    let tunnel = vec![Sender::start(&stage.client, (node, TUNNEL).into(), INTERVAL)?];
    reach(&stage, &tunnel, &server)?;
    stage.mark(&tunnel)?;
    let before = stage.daemon.passes(family)?;
    stage.put(family, &external(Service::new(&pods(&[1]))))?;
    check::survives(&stage, &tunnel, family, before)?;
    check::survives_restart(&mut stage, &tunnel, family)?;
    Ok(None)
}

/// Two services claim the same external address and port: what either wants is kept.
pub(crate) fn external_ip_claimed_twice(family: Family) -> Outcome {
    let mut stage = Stage::start("", &[])?;
    let service = Service::new(&pods(&[0])).with_external(&EXTERNAL);
    stage.put(family, &service)?;
    stage.put(family, &Service::new(&pods(&[1])).named("other", 20).with_external(&EXTERNAL))?;
    let front_end = service.address(family, ExternalIp, Manner::Silent);
    let entry = |pod: usize, mark: u32| {
        New::udp(stranger(mark), front_end, mark).to((pod_address(family, pod), PORTS[0]).into())
    };
    let commit =
        stage.restart(family, |stage| table::make(&stage.node, [entry(0, 1), entry(1, 2), entry(5, 3)]))?;
    check::sleep_until(commit + Duration::from_millis(500));
    expect_marks(&stage, &[front_end], &[1, 2])?;
    Ok(None)
}

/// Only UDP is looked after.
pub(crate) fn tcp_and_sctp(family: Family) -> Outcome {
    let entries = |front_end, backend| {
        [Protocol::TCP, Protocol::SCTP, Protocol::UDP]
            .into_iter()
            .zip(1..)
            .map(move |(protocol, mark)| New::udp(stranger(mark), front_end, mark).to(backend).of(protocol))
    };
    let stage = Stage::start("", &[])?;
    let service = Service::new(&pods(&[0]));
    stage.put(family, &service)?;
    let front_end = service.address(family, ClusterIp, Manner::Silent);
    table::make(&stage.node, entries(front_end, (pod_address(family, 0), PORTS[0]).into()))?;
    expect_marks(&stage, &[front_end], &[1, 2, 3])?;
    change_and_look(&stage, family, &Service::new(&pods(&[1])))?;
    expect_marks(&stage, &[front_end], &[1, 2])?;
    Ok(None)
}

/// A switch keeps an untranslated copy of a flow in a zone of its own.
pub(crate) fn zone_copy(family: Family) -> Outcome {
    const MARK: u32 = 5;
    let stage = Stage::start("", &[])?;
    let service = Service::new(&pods(&[0]));
    let senders = stage.clients(&stage.client, family, &service, ClusterIp)?;
    check::arrives_nowhere(&stage, &senders)?;
    check::rest(&stage, &senders)?;
    let copies = senders.iter().map(|sender| New::udp(sender.from, sender.to, MARK).in_zone(MARK as u16));
    table::make(&stage.node, copies)?;
    let commit = stage.put(family, &service)?;
    let took = check::arrives(&stage, &senders, 0, commit)?;
    stage.daemon.rest(family)?;
    let copies = stage.entries(&[senders[0].to, senders[1].to])?;
    let copies = copies.iter().filter(|entry| entry.mark == MARK && !entry.flow.is_dnated()).count();
    ensure!(copies == senders.len(), "{copies} copies are left; the log:\n{}", stage.daemon.tail());
    Ok(Some(took))
}

/// An entry of a zone that is translated to a backend which has gone.
pub(crate) fn zone_to_a_dead_backend(family: Family) -> Outcome {
    let stage = Stage::start("", &[])?;
    let service = Service::new(&pods(&[0, 1]));
    stage.put(family, &service)?;
    let front_end = service.address(family, ClusterIp, Manner::Silent);
    let entry = |pod, mark| {
        let backend: SocketAddr = (pod_address(family, pod), PORTS[0]).into();
        New::udp(stranger(mark), front_end, mark).to(backend).in_zone(5)
    };
    table::make(&stage.node, [entry(0, 1), entry(1, 2)])?;
    expect_marks(&stage, &[front_end], &[1, 2])?;
    change_and_look(&stage, family, &Service::new(&pods(&[1])))?;
    expect_marks(&stage, &[front_end], &[2])?;
    Ok(None)
}

/// Node ports answer on some addresses only; flows to the others are somebody else's.
pub(crate) fn node_port_addresses(family: Family) -> Outcome {
    let mut stage = Stage::start("nodePortAddresses: [192.168.50.0/24, 'fd00:50::/64']\n", &[])?;
    let service = Service::new(&pods(&[0])).with_node_ports();
    stage.put(family, &service)?;
    let server = serve(&stage.node, NODE_PORTS)?;
    let address: IpAddr = "172.31.0.2".parse()?;
    let others: Vec<Sender> = NODE_PORTS
        .iter()
        .map(|port| Sender::start(&stage.client, (address, *port).into(), INTERVAL))
        .collect::<Result<_>>()?;
    reach(&stage, &others, &server)?;
    let senders = stage.clients(&stage.client, family, &service, NodePort)?;
    reach(&stage, &senders, &stage.sinks[0])?;
    stage.mark(&others)?;
    let commit = stage.put(family, &Service::new(&pods(&[1])).with_node_ports())?;
    let took = check::moves(&stage, &senders, [0, 1], commit)?;
    stage.daemon.rest(family)?;
    stage.has_marks(&others)?;
    check::survives_restart(&mut stage, &others, family)?;
    Ok(Some(took))
}

/// An address on which node ports answer comes to this node from a host outside, and goes back. No Service changes, so
/// nothing is synced; rules follow at once, and flows soon after.
pub(crate) fn address_moves(family: Family) -> Outcome {
    const ADDRESS: IpAddr = IpAddr::V4(Ipv4Addr::new(172, 31, 0, 77));
    let config = CONFIG.replace("minSyncPeriod", "syncPeriod: 1s, minSyncPeriod");
    let mut stage = Stage::start_with(Setup { config, ..Setup::default() })?;
    let set = |netns: &Netns, action, link| netns.ip(&format!("addr {action} {ADDRESS}/32 dev {link}"));
    set(&stage.outside, "add", "eth0")?;
    stage.put(family, &Service::new(&pods(&[0])).with_node_ports())?;
    let server = serve(&stage.outside, NODE_PORTS)?;
    let senders: Vec<Sender> = NODE_PORTS
        .iter()
        .map(|port| Sender::start(&stage.client, (ADDRESS, *port).into(), INTERVAL))
        .collect::<Result<_>>()?;
    reach(&stage, &senders, &server)?;

    set(&stage.outside, "del", "eth0")?;
    set(&stage.node, "add", "eth1")?;
    let moved = Instant::now();
    let took = stage.arrive(&senders, 0, moved)? - moved;
    set(&stage.node, "del", "eth1")?;
    set(&stage.outside, "add", "eth0")?;
    let moved = Instant::now();
    for sender in &senders {
        let arrived = || server.arrivals(sender).into_iter().find(|at| *at > moved);
        ensure!(
            stage.wait_for(check::PATIENCE, arrived).is_some(),
            "{} is kept from {}; the log:\n{}",
            sender.from,
            sender.to,
            stage.daemon.tail()
        );
    }
    check::rest(&stage, &senders)?;
    stage.mark(&senders)?;
    let before = stage.daemon.passes(family)?;
    stage.put(family, &Service::new(&pods(&[1])).with_node_ports())?;
    check::survives(&stage, &senders, family, before)?;
    check::survives_restart(&mut stage, &senders, family)?;
    Ok(Some(took))
}

/// A client that exists only in the table.
fn stranger(number: u32) -> SocketAddr {
    ([192, 168, 50, 200], 7000 + u16::try_from(number).expect("there are few strangers")).into()
}

fn serve(netns: &Netns, ports: [u16; 2]) -> Result<Sink> {
    let ports: Vec<(u16, Manner)> = ports.into_iter().zip(Manner::ALL).collect();
    Sink::start(netns, &ports)
}

/// Waits until each sender reaches the server, and one that is answered has heard it.
fn reach(stage: &Stage, senders: &[Sender], server: &Sink) -> Result<()> {
    for sender in senders {
        let arrived = || server.arrivals(sender).first().copied();
        let arrived = stage.wait_for(check::PATIENCE, arrived);
        ensure!(arrived.is_some(), "{} does not reach {}", sender.from, sender.to);
    }
    check::rest(stage, senders)
}

/// Changes a service and waits until the table was looked at.
fn change_and_look(stage: &Stage, family: Family, service: &Service) -> Result<()> {
    let before = stage.daemon.passes(family)?;
    stage.put(family, service)?;
    stage.daemon.says(&format!("{family} change: "), before)?;
    sleep(Duration::from_millis(200));
    Ok(())
}

fn expect_marks(stage: &Stage, front_ends: &[SocketAddr], expected: &[u32]) -> Result<()> {
    wait::until(check::PATIENCE, || {
        let mut marks: Vec<u32> = stage.entries(front_ends)?.iter().map(|entry| entry.mark).collect();
        marks.sort_unstable();
        ensure!(
            marks == expected,
            "entries {marks:?} are left, not {expected:?}; the log:\n{}",
            stage.daemon.tail()
        );
        Ok(())
    })
}
