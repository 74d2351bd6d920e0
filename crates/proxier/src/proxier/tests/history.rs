//! Small clusters and what may happen to them.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::num::NonZeroU16;
use std::sync::Arc;

use informer::change::Change;
use informer::object::{
    AddressType, ClusterIps, Endpoint, EndpointPort, EndpointSlice, NamespacedName, Node, Protocol, Service,
    ServicePort, ServiceType, SessionAffinity, TrafficPolicy,
};
use proptest::collection::vec;
use proptest::prelude::*;

pub(super) const NODE: &str = "n1";
const SERVICES: u8 = 4;
const MANY_ENDPOINTS: u16 = 1100;

/// What happens to one object.
#[derive(Clone, Debug)]
pub(super) enum Op {
    SetService(u8, Shape),
    DeleteService(u8),
    SetSlice(u8, u8, Vec<EndpointShape>),
    DeleteSlice(u8, u8),
    SetZone(bool),
    /// One endpoint of the Service with many goes.
    DropOneOfMany,
}

/// A Service, as far as it varies.
#[derive(Clone, Debug)]
pub(super) struct Shape {
    load_balancer: bool,
    node_port: bool,
    external_ip: bool,
    ranges: bool,
    affinity: bool,
    external_local: bool,
    internal_local: bool,
    ports: u8,
    udp: bool,
}

/// An endpoint, as far as it varies.
#[derive(Clone, Debug)]
pub(super) struct EndpointShape {
    last: u8,
    local: bool,
    ready: bool,
    serving: bool,
    terminating: bool,
    hinted: bool,
}

/// One step of a history.
#[derive(Clone, Debug)]
pub(super) enum Step {
    Change(Op),
    Sync,
    FailingSync,
    Flush,
}

/// What exists after a history.
#[derive(Clone, Debug, Default)]
pub(super) struct World {
    services: BTreeMap<u8, Shape>,
    slices: BTreeMap<(u8, u8), Vec<EndpointShape>>,
    zone: Option<bool>,
    large: bool,
}

impl World {
    /// One Service with so many endpoints that rules carry no comments.
    pub(super) fn large() -> Self {
        Self { large: true, ..Self::default() }
    }

    pub(super) fn after(history: &[Step]) -> Self {
        let mut world = Self::default();
        for step in history {
            let Step::Change(op) = step else { continue };
            match op.clone() {
                Op::SetService(service, shape) => drop(world.services.insert(service, shape)),
                Op::DeleteService(service) => drop(world.services.remove(&service)),
                Op::SetSlice(service, slice, shapes) => drop(world.slices.insert((service, slice), shapes)),
                Op::DeleteSlice(service, slice) => drop(world.slices.remove(&(service, slice))),
                Op::SetZone(zone) => world.zone = Some(zone),
                Op::DropOneOfMany => {}
            }
        }
        world
    }

    pub(super) fn changes(&self) -> Vec<Change> {
        let services = self.services.iter().map(|(service, shape)| Op::SetService(*service, shape.clone()));
        let slices = self
            .slices
            .iter()
            .map(|((service, slice), shapes)| Op::SetSlice(*service, *slice, shapes.clone()));
        let zone = self.zone.map(Op::SetZone);
        let mut all: Vec<_> = services.chain(slices).chain(zone).flat_map(|op| changes(&op)).collect();
        if self.large {
            all.push(Change::SetService(Arc::new(service(0, &plain()))));
            all.push(many(MANY_ENDPOINTS));
        }
        all
    }
}

pub(super) fn histories() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![8 => op().prop_map(Step::Change), 3 => Just(Step::Sync), 1 => Just(Step::FailingSync), 1 => Just(Step::Flush)];
    vec(step, 0..30)
}

fn op() -> impl Strategy<Value = Op> {
    let service = 0..SERVICES;
    prop_oneof![
        4 => (service.clone(), shape()).prop_map(|(service, shape)| Op::SetService(service, shape)),
        1 => service.clone().prop_map(Op::DeleteService),
        5 => (service.clone(), 0..2u8, vec(endpoint(), 0..4)).prop_map(|(service, slice, shapes)| Op::SetSlice(service, slice, shapes)),
        1 => (service, 0..2u8).prop_map(|(service, slice)| Op::DeleteSlice(service, slice)),
        1 => any::<bool>().prop_map(Op::SetZone),
    ]
}

fn shape() -> impl Strategy<Value = Shape> {
    (any::<[bool; 8]>(), 1..3u8).prop_map(|(flags, ports)| {
        let [load_balancer, node_port, external_ip, ranges, affinity, external_local, internal_local, udp] =
            flags;
        Shape {
            load_balancer,
            node_port,
            external_ip,
            ranges,
            affinity,
            external_local,
            internal_local,
            ports,
            udp,
        }
    })
}

fn endpoint() -> impl Strategy<Value = EndpointShape> {
    (0..5u8, any::<[bool; 5]>()).prop_map(|(last, [local, ready, serving, terminating, hinted])| {
        EndpointShape { last, local, ready, serving, terminating, hinted }
    })
}

/// What a source would tell. Slices exist in both families.
pub(super) fn changes(op: &Op) -> Vec<Change> {
    match op {
        Op::SetService(number, shape) => vec![Change::SetService(Arc::new(service(*number, shape)))],
        Op::DeleteService(service) => vec![Change::DeleteService(service_name(*service))],
        Op::SetSlice(service, number, shapes) => {
            let of = |v6| Change::SetEndpointSlice(Arc::new(slice(*service, *number, v6, shapes)));
            vec![of(false), of(true)]
        }
        Op::DeleteSlice(service, number) => {
            [false, true].map(|v6| Change::DeleteEndpointSlice(slice_name(*service, *number, v6))).into()
        }
        Op::SetZone(zone) => vec![Change::SetNode(Arc::new(Node {
            name: NODE.into(),
            zone: zone.then(|| "a".into()),
            addresses: Vec::new(),
            pod_cidrs: Vec::new(),
            is_leaving: false,
        }))],
        Op::DropOneOfMany => vec![many(MANY_ENDPOINTS - 1)],
    }
}

fn service_name(service: u8) -> NamespacedName {
    NamespacedName::new("ns", format!("svc{service}"))
}

fn service(number: u8, shape: &Shape) -> Service {
    let port = |index: u8| ServicePort {
        name: format!("p{index}").into(),
        protocol: if shape.udp { Protocol::Udp } else { Protocol::Tcp },
        port: NonZeroU16::new(80 + u16::from(index)).unwrap(),
        node_port: NonZeroU16::new(30_000 + u16::from(number) * 10 + u16::from(index))
            .filter(|_| shape.node_port),
    };
    let address = |net: u8| IpAddr::V4(Ipv4Addr::new(net, 0, 0, number));
    let of = |wanted: bool, net: u8| if wanted { vec![address(net)] } else { Vec::new() };
    Service {
        name: service_name(number),
        service_type: if shape.load_balancer { ServiceType::LoadBalancer } else { ServiceType::NodePort },
        cluster_ips: ClusterIps {
            v4: Some(Ipv4Addr::new(172, 30, 0, number)),
            v6: Some(Ipv6Addr::new(0xfd00, 0x172, 0, 0, 0, 0, 0, number.into())),
        },
        ports: (0..shape.ports).map(port).collect(),
        external_ips: of(shape.external_ip, 198),
        lists_external_ips: shape.external_ip,
        load_balancer_ips: of(shape.load_balancer, 203),
        source_ranges: if shape.ranges { vec!["192.168.0.0/24".parse().unwrap()] } else { Vec::new() },
        session_affinity: if shape.affinity {
            SessionAffinity::ClientIp { timeout_seconds: 10_800 }
        } else {
            SessionAffinity::None
        },
        external_traffic_policy: policy(shape.external_local),
        internal_traffic_policy: policy(shape.internal_local),
        health_check_node_port: NonZeroU16::new(31_000 + u16::from(number)),
    }
}

fn policy(local: bool) -> TrafficPolicy {
    if local { TrafficPolicy::Local } else { TrafficPolicy::Cluster }
}

fn slice_name(service: u8, slice: u8, v6: bool) -> NamespacedName {
    NamespacedName::new("ns", format!("svc{service}-{slice}-{}", if v6 { "v6" } else { "v4" }))
}

fn slice(service: u8, number: u8, v6: bool, shapes: &[EndpointShape]) -> EndpointSlice {
    let address = |last: u8| match v6 {
        false => IpAddr::V4(Ipv4Addr::new(10, 0, service, last)),
        true => IpAddr::V6(Ipv6Addr::new(0xfd00, 0x10, 0, 0, 0, 0, service.into(), last.into())),
    };
    let endpoint = |shape: &EndpointShape| Endpoint {
        address: address(shape.last),
        ready: shape.ready,
        serving: shape.serving,
        terminating: shape.terminating,
        node_name: shape.local.then(|| NODE.into()),
        zone_hints: if shape.hinted { vec!["a".into()] } else { Vec::new() },
        node_hints: Vec::new(),
    };
    let port = |index: u16, protocol| EndpointPort {
        name: format!("p{index}").into(),
        protocol,
        port: NonZeroU16::new(8080 + index).unwrap(),
    };
    EndpointSlice {
        name: slice_name(service, number, v6),
        service: format!("svc{service}").into(),
        address_type: if v6 { AddressType::Ipv6 } else { AddressType::Ipv4 },
        ports: vec![
            port(0, Protocol::Tcp),
            port(1, Protocol::Tcp),
            port(0, Protocol::Udp),
            port(1, Protocol::Udp),
        ],
        endpoints: shapes.iter().map(endpoint).collect(),
        fingerprint: 0,
        last_change_trigger_time: None,
    }
}

impl Op {
    /// A Service with a cluster IP, and one endpoint.
    pub(super) fn simple(service: u8, endpoint: u8) -> [Op; 2] {
        let endpoint = EndpointShape {
            last: endpoint,
            local: true,
            ready: true,
            serving: true,
            terminating: false,
            hinted: false,
        };
        [Op::SetService(service, plain()), Op::SetSlice(service, 0, vec![endpoint])]
    }
}

/// A Service with nothing but a cluster IP and one port.
fn plain() -> Shape {
    Shape {
        load_balancer: false,
        node_port: false,
        external_ip: false,
        ranges: false,
        affinity: false,
        external_local: false,
        internal_local: false,
        ports: 1,
        udp: false,
    }
}

/// The same Service at another cluster IP.
pub(super) fn moved(number: u8) -> Vec<Change> {
    let mut service = service(number, &plain());
    service.cluster_ips.v4 = Some(Ipv4Addr::new(172, 30, 9, number));
    vec![Change::SetService(Arc::new(service))]
}

/// One of a thousand Services goes.
pub(super) fn gone(number: u16) -> Change {
    Change::DeleteService(NamespacedName::new("ns", format!("many{number:03}")))
}

/// A thousand Services, each with one port and one endpoint, none with the address of another.
pub(super) fn thousand() -> Vec<Change> {
    let one = |number: u16| {
        let [high, low] = number.to_be_bytes();
        let mut service = service(0, &plain());
        service.name.name = format!("many{number:03}").into();
        service.cluster_ips.v4 = Some(Ipv4Addr::new(172, 31, high, low));
        service.ports[0].name = "p".into();
        service.health_check_node_port = None;
        let Change::SetEndpointSlice(slice) = many(1) else { unreachable!("many makes a slice") };
        let mut slice = (*slice).clone();
        slice.name.name = service.name.name.clone();
        slice.service = service.name.name.clone();
        slice.ports[0].name = "p".into();
        slice.endpoints[0].address = IpAddr::V4(Ipv4Addr::new(10, 2, high, low));
        [Change::SetService(Arc::new(service)), Change::SetEndpointSlice(Arc::new(slice))]
    };
    (0..1000).flat_map(one).collect()
}

/// A slice of svc0 that makes the cluster a large one.
fn many(endpoints: u16) -> Change {
    let shape = EndpointShape {
        last: 0,
        local: false,
        ready: true,
        serving: true,
        terminating: false,
        hinted: false,
    };
    let mut slice = slice(0, 0, false, &[shape]);
    slice.ports.truncate(1);
    let template = slice.endpoints[0].clone();
    let numbered = |index: u16| {
        let [high, low] = index.to_be_bytes();
        Endpoint { address: IpAddr::V4(Ipv4Addr::new(10, 1, high, low)), ..template.clone() }
    };
    slice.endpoints = (0..endpoints).map(numbered).collect();
    Change::SetEndpointSlice(Arc::new(slice))
}

/// A permutation that follows from the seed.
pub(super) fn shuffle(changes: &mut [Change], seed: u64) {
    let mut state = seed | 1;
    for index in (1..changes.len()).rev() {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        changes.swap(index, (state >> 33) as usize % (index + 1));
    }
}
