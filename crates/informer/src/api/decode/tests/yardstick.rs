//! What k8s-openapi writes, we read, and nothing of what a proxy needs gets lost.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1 as core;
use k8s_openapi::api::discovery::v1 as discovery;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use proptest::prelude::*;

use super::{Meaning, object};
use crate::api::resource::Resource;
use crate::cache::Object;
use crate::object::{ServiceType, SessionAffinity, TrafficPolicy};

fn metadata(namespace: Option<&str>, labels: &[(&str, &str)], version: u64) -> ObjectMeta {
    let labels = labels.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
    ObjectMeta {
        name: Some("web".to_owned()),
        namespace: namespace.map(str::to_owned),
        labels: Some(labels.collect()),
        annotations: Some(BTreeMap::from([("note".to_owned(), "\"{}[]\"".to_owned())])),
        resource_version: Some(version.to_string()),
        uid: Some("00000000-0000-4000-8000-000000000001".to_owned()),
        generation: Some(3),
        finalizers: Some(vec!["service.kubernetes.io/load-balancer-cleanup".to_owned()]),
        ..ObjectMeta::default()
    }
}

fn policy() -> impl Strategy<Value = (&'static str, TrafficPolicy)> {
    prop::sample::select(vec![("Cluster", TrafficPolicy::Cluster), ("Local", TrafficPolicy::Local)])
}

fn service_type() -> impl Strategy<Value = (&'static str, ServiceType)> {
    prop::sample::select(vec![
        ("ClusterIP", ServiceType::ClusterIp),
        ("NodePort", ServiceType::NodePort),
        ("LoadBalancer", ServiceType::LoadBalancer),
    ])
}

/// Number, node port and protocol of each port.
fn ports() -> impl Strategy<Value = Vec<(u16, Option<u16>, &'static str)>> {
    let protocol = prop::sample::select(vec!["TCP", "UDP", "SCTP"]);
    prop::collection::vec((1_u16.., prop::option::of(1_u16..), protocol), 0..4)
}

fn read(resource: Resource, written: &impl serde::Serialize) -> Object {
    let reading = object(resource, &serde_json::to_vec(written).unwrap());
    assert_eq!(reading.complaints, []);
    let Meaning::Is(object) = reading.meaning else { panic!("{reading:?}") };
    object
}

proptest! {
    #[test]
    fn services(
        last: u8,
        ports in ports(),
        service_type in service_type(),
        internal in policy(),
        external in policy(),
        timeout in prop::option::of(1..=86400_i32),
        health in prop::option::of(1_u16..),
        ips in prop::collection::vec(any::<std::net::Ipv4Addr>(), 0..3),
    ) {
        let address = format!("10.0.0.{last}");
        let spec = core::ServiceSpec {
            type_: Some(service_type.0.to_owned()),
            cluster_ip: Some(address.clone()),
            cluster_ips: Some(vec![address.clone(), "fd00::1".to_owned()]),
            ip_families: Some(vec!["IPv4".to_owned(), "IPv6".to_owned()]),
            ports: Some(ports.iter().enumerate().map(|(index, (port, node_port, protocol))| core::ServicePort {
                name: Some(format!("p{index}")),
                port: i32::from(*port),
                node_port: node_port.map(i32::from),
                protocol: Some((*protocol).to_owned()),
                target_port: Some(IntOrString::String("http".to_owned())),
                app_protocol: Some("kubernetes.io/h2c".to_owned()),
            }).collect()),
            internal_traffic_policy: Some(internal.0.to_owned()),
            external_traffic_policy: Some(external.0.to_owned()),
            session_affinity: Some(if timeout.is_some() { "ClientIP" } else { "None" }.to_owned()),
            session_affinity_config: timeout.map(|timeout_seconds| core::SessionAffinityConfig {
                client_ip: Some(core::ClientIPConfig { timeout_seconds: Some(timeout_seconds) }),
            }),
            health_check_node_port: health.map(i32::from),
            external_ips: Some(ips.iter().map(ToString::to_string).collect()),
            load_balancer_source_ranges: Some(vec!["10.0.0.0/8".to_owned()]),
            allocate_load_balancer_node_ports: Some(true),
            ..core::ServiceSpec::default()
        };
        let ingress = core::LoadBalancerIngress {
            ip: Some("192.0.2.1".to_owned()),
            ip_mode: Some("VIP".to_owned()),
            ..core::LoadBalancerIngress::default()
        };
        let status = core::ServiceStatus {
            load_balancer: Some(core::LoadBalancerStatus { ingress: Some(vec![ingress]) }),
            ..core::ServiceStatus::default()
        };
        let written = core::Service {
            metadata: metadata(Some("demo"), &[], 7), spec: Some(spec), status: Some(status),
        };
        let Object::Service(read) = read(Resource::Services, &written) else { panic!("a Service") };
        prop_assert_eq!(read.name.to_string(), "demo/web");
        prop_assert_eq!(read.service_type, service_type.1);
        prop_assert_eq!(read.cluster_ips.v4.unwrap().to_string(), address);
        prop_assert_eq!(read.cluster_ips.v6.unwrap().to_string(), "fd00::1");
        let read_ports: Vec<_> = read.ports.iter().map(|port| {
            (port.port.get(), port.node_port.map(std::num::NonZero::get), port.protocol.name().to_uppercase())
        }).collect();
        let ports: Vec<_> =
            ports.into_iter().map(|(port, node_port, protocol)| (port, node_port, protocol.to_owned())).collect();
        prop_assert_eq!(read_ports, ports);
        prop_assert_eq!((read.internal_traffic_policy, read.external_traffic_policy), (internal.1, external.1));
        let affinity = timeout.map_or(SessionAffinity::None, |seconds| SessionAffinity::ClientIp {
            timeout_seconds: seconds.unsigned_abs(),
        });
        prop_assert_eq!(read.session_affinity, affinity);
        prop_assert_eq!(read.health_check_node_port.map(std::num::NonZero::get), health);
        prop_assert_eq!(read.external_ips.len(), ips.len());
        prop_assert_eq!(read.load_balancer_ips[0].to_string(), "192.0.2.1");
        prop_assert_eq!(read.source_ranges[0].to_string(), "10.0.0.0/8");
    }

    #[test]
    fn endpoint_slices(
        version: u64,
        endpoints in prop::collection::vec(
            (any::<u8>(), prop::option::of(any::<bool>()), prop::option::of(any::<bool>()), prop::option::of(any::<bool>()), any::<bool>()),
            0..6,
        ),
        port in 1_u16..,
    ) {
        let written = discovery::EndpointSlice {
            metadata: metadata(Some("demo"), &[("kubernetes.io/service-name", "web")], version),
            address_type: "IPv4".to_owned(),
            endpoints: Some(endpoints.iter().map(|(last, ready, serving, terminating, has_hints)| discovery::Endpoint {
                addresses: vec![format!("10.1.0.{last}")],
                conditions: Some(discovery::EndpointConditions {
                    ready: *ready, serving: *serving, terminating: *terminating,
                }),
                node_name: Some(format!("n{last}")),
                hints: has_hints.then(|| discovery::EndpointHints {
                    for_zones: Some(vec![discovery::ForZone { name: "z".to_owned() }]),
                    for_nodes: Some(vec![discovery::ForNode { name: "n".to_owned() }]),
                }),
                target_ref: Some(core::ObjectReference { uid: Some("u".to_owned()), ..Default::default() }),
                zone: Some("z".to_owned()),
                ..discovery::Endpoint::default()
            }).collect()),
            ports: Some(vec![discovery::EndpointPort {
                name: Some(String::new()), port: Some(i32::from(port)), protocol: Some("UDP".to_owned()),
                ..discovery::EndpointPort::default()
            }]),
        };
        let Object::EndpointSlice(read) = read(Resource::EndpointSlices, &written) else { panic!("a slice") };
        prop_assert_eq!(read.service.as_str(), "web");
        prop_assert_eq!((read.ports[0].port.get(), read.ports[0].name.as_str()), (port, ""));
        prop_assert_eq!(read.endpoints.len(), endpoints.len());
        for (read, (last, ready, serving, terminating, has_hints)) in read.endpoints.iter().zip(endpoints) {
            prop_assert_eq!(read.address.to_string(), format!("10.1.0.{last}"));
            prop_assert_eq!(read.node_name.as_ref().map(ToString::to_string), Some(format!("n{last}")));
            prop_assert_eq!(read.ready, ready.unwrap_or(true));
            prop_assert_eq!(read.serving, serving.unwrap_or(true));
            prop_assert_eq!(read.terminating, terminating.unwrap_or(false));
            prop_assert_eq!((read.zone_hints.len(), read.node_hints.len()), (usize::from(has_hints), usize::from(has_hints)));
        }
    }

    #[test]
    fn nodes(internal: std::net::Ipv4Addr, external: std::net::Ipv6Addr, zone in prop::option::of("[a-z]{1,5}")) {
        let address = |type_: &str, address: String| core::NodeAddress { address, type_: type_.to_owned() };
        let labels: Vec<_> =
            zone.iter().map(|zone| ("topology.kubernetes.io/zone", zone.as_str())).collect();
        let written = core::Node {
            metadata: metadata(None, &labels, 1),
            spec: Some(core::NodeSpec {
                pod_cidr: Some("10.1.0.0/24".to_owned()),
                pod_cidrs: Some(vec!["10.1.0.0/24".to_owned(), "fd00:1::/64".to_owned()]),
                ..core::NodeSpec::default()
            }),
            status: Some(core::NodeStatus {
                addresses: Some(vec![
                    address("Hostname", "web".to_owned()),
                    address("ExternalIP", external.to_string()),
                    address("InternalIP", internal.to_string()),
                ]),
                ..core::NodeStatus::default()
            }),
        };
        let Object::Node(read) = read(Resource::Node, &written) else { panic!("a Node") };
        prop_assert_eq!(read.zone.as_deref(), zone.as_deref());
        let external = std::net::IpAddr::from(external).to_canonical();
        prop_assert_eq!(&read.addresses, &[internal.into(), external]);
        prop_assert_eq!(read.pod_cidrs.len(), 2);
    }
}
