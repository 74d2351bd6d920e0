//! A cluster of many Services with five endpoints each, as objects and as a world.
//!
//! Does not know what is measured.

use std::net::{IpAddr, Ipv4Addr};
use std::num::NonZeroU16;
use std::sync::Arc;

use informer::change::Change;
use informer::object::{
    AddressType, ClusterIps, Endpoint, EndpointPort, EndpointSlice, NamespacedName, Protocol, Service,
    ServicePort, ServiceType, SessionAffinity, TrafficPolicy,
};
use proxier::family::Family;
use proxier::option::{LocalDetector, NodePortAddresses, Options};
use proxier::world::World;

const NODE: &str = "this";
const ENDPOINTS: u32 = 5;
const PORT: NonZeroU16 = NonZeroU16::new(8080).expect("it is not zero");

/// The world of a cluster with so many Services, of which everything has been looked at.
pub(crate) fn world(services: u32) -> World {
    let mut world = World::new(Family::V4, NODE);
    changes(services).iter().for_each(|change| drop(world.apply(change)));
    let _all = world.take_dirty();
    world
}

/// What makes the cluster.
pub(crate) fn changes(services: u32) -> Vec<Change> {
    (0..services).flat_map(|number| [set_service(number), set_slice(number, false)]).collect()
}

/// The slice of a Service; its first endpoint may be another one.
pub(crate) fn set_slice(service: u32, is_replaced: bool) -> Change {
    let first = if is_replaced { [address(10, 100, service)] } else { [address(10, 1, service * ENDPOINTS)] };
    let others = (1..ENDPOINTS).map(|index| address(10, 1, service * ENDPOINTS + index));
    let port = EndpointPort { name: "http".into(), protocol: Protocol::Tcp, port: PORT };
    Change::SetEndpointSlice(Arc::new(EndpointSlice {
        name: NamespacedName::new("default", format!("backend-{service}-x7k2p")),
        service: format!("backend-{service}").into(),
        address_type: AddressType::Ipv4,
        ports: vec![port],
        endpoints: first.into_iter().chain(others).map(endpoint).collect(),
        fingerprint: u64::from(is_replaced),
        last_change_trigger_time: None,
    }))
}

/// The name of a Service.
pub(crate) fn name(service: u32) -> NamespacedName {
    NamespacedName::new("default", format!("backend-{service}"))
}

/// The options of a daemon with `clusterCIDR`.
pub(crate) fn options() -> Options {
    Options {
        masquerade_all: false,
        masquerade_mark: 1 << 14,
        local_detector: Some(LocalDetector::Source("10.0.0.0/8".parse().expect("it is a network"))),
        node_port_addresses: NodePortAddresses::All,
        localhost_node_ports: true,
        node_ip: IpAddr::V4(Ipv4Addr::new(192, 168, 0, 2)),
        external_ips: false,
        drop_invalid: true,
        random_fully: true,
    }
}

fn set_service(number: u32) -> Change {
    let port = ServicePort {
        name: "http".into(),
        protocol: Protocol::Tcp,
        port: NonZeroU16::new(80).expect("it is not zero"),
        node_port: None,
    };
    Change::SetService(Arc::new(Service {
        name: name(number),
        service_type: ServiceType::ClusterIp,
        cluster_ips: ClusterIps { v4: Some(address(172, 16, number)), v6: None },
        ports: vec![port],
        external_ips: Vec::new(),
        lists_external_ips: false,
        load_balancer_ips: Vec::new(),
        source_ranges: Vec::new(),
        session_affinity: SessionAffinity::None,
        external_traffic_policy: TrafficPolicy::Cluster,
        internal_traffic_policy: TrafficPolicy::Cluster,
        health_check_node_port: None,
    }))
}

fn endpoint(address: Ipv4Addr) -> Endpoint {
    Endpoint {
        address: IpAddr::V4(address),
        ready: true,
        serving: true,
        terminating: false,
        node_name: Some("worker-7".into()),
        zone_hints: Vec::new(),
        node_hints: Vec::new(),
    }
}

fn address(first: u8, second: u8, number: u32) -> Ipv4Addr {
    Ipv4Addr::from_bits(u32::from_be_bytes([first, second, 0, 0]) + number)
}
