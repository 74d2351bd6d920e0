//! Service ports: the unit that is proxied, one record per port of a Service and family.

use std::fmt;
use std::net::IpAddr;
use std::num::NonZeroU16;

use compact_str::CompactString;
use informer::object::{NamespacedName, Protocol, Service, ServiceType, SessionAffinity, TrafficPolicy};
use ipnet::IpNet;

use crate::family::Family;

/// What identifies a service port; printed `namespace/name:port`, or `namespace/name` for an unnamed port.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ServicePortName {
    /// The Service.
    pub service: NamespacedName,
    /// `spec.ports[*].name`, perhaps empty.
    pub port: CompactString,
    /// `spec.ports[*].protocol`.
    pub protocol: Protocol,
}

impl fmt::Display for ServicePortName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.service, f)?;
        if self.port.is_empty() { Ok(()) } else { write!(f, ":{}", self.port) }
    }
}

/// Everything about a service port that rules depend on, in one family.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServicePort {
    /// `spec.clusterIPs` of the family.
    pub cluster_ip: IpAddr,
    /// `spec.ports[*].port`.
    pub port: NonZeroU16,
    /// `spec.ports[*].nodePort`; not tied to `spec.type`.
    pub node_port: Option<NonZeroU16>,
    /// `spec.externalIPs` of the family.
    pub external_ips: Vec<IpAddr>,
    /// Load balancer IPs of the family that are programmed here (`ipMode: VIP`).
    pub load_balancer_ips: Vec<IpAddr>,
    /// `spec.loadBalancerSourceRanges` of the family; empty means no restriction.
    pub source_ranges: Vec<IpNet>,
    /// `spec.sessionAffinity`.
    pub session_affinity: SessionAffinity,
    /// Whether external traffic may only go to endpoints on this node.
    pub external_policy_local: bool,
    /// Whether internal traffic may only go to endpoints on this node.
    pub internal_policy_local: bool,
    /// `spec.healthCheckNodePort`, if the Service is one that has it.
    pub health_check_node_port: Option<NonZeroU16>,
}

impl ServicePort {
    /// Whether anything but the cluster IP leads to it: node port, external IP, load balancer IP.
    pub fn is_externally_accessible(&self) -> bool {
        self.node_port.is_some() || !self.load_balancer_ips.is_empty() || !self.external_ips.is_empty()
    }

    /// Whether some traffic may go to endpoints anywhere.
    pub fn uses_cluster_endpoints(&self) -> bool {
        !self.internal_policy_local || self.is_externally_accessible()
    }

    /// Whether some traffic must stay on this node.
    pub fn uses_local_endpoints(&self) -> bool {
        self.internal_policy_local || (self.external_policy_local && self.is_externally_accessible())
    }
}

/// The service ports of a Service in one family; none if it has no cluster IP there.
pub fn service_ports(service: &Service, family: Family) -> Vec<(ServicePortName, ServicePort)> {
    let Some(cluster_ip) = cluster_ip(service, family) else { return Vec::new() };
    let shared = shared_record(service, family, cluster_ip);
    let record = |port: &informer::object::ServicePort| {
        let name = ServicePortName {
            service: service.name.clone(),
            port: port.name.clone(),
            protocol: port.protocol,
        };
        (name, ServicePort { port: port.port, node_port: port.node_port, ..shared.clone() })
    };
    service.ports.iter().map(record).collect()
}

fn cluster_ip(service: &Service, family: Family) -> Option<IpAddr> {
    match family {
        Family::V4 => service.cluster_ips.v4.map(IpAddr::V4),
        Family::V6 => service.cluster_ips.v6.map(IpAddr::V6),
    }
}

/// What all ports of the Service have in common; port numbers are filled in by the caller.
fn shared_record(service: &Service, family: Family, cluster_ip: IpAddr) -> ServicePort {
    let of_family = |ips: &[IpAddr]| ips.iter().copied().filter(|ip| Family::of(*ip) == family).collect();
    let external_policy_local =
        has_external_policy(service) && service.external_traffic_policy == TrafficPolicy::Local;
    let has_health_check = external_policy_local && service.service_type == ServiceType::LoadBalancer;
    ServicePort {
        cluster_ip,
        port: NonZeroU16::MIN,
        node_port: None,
        external_ips: of_family(&service.external_ips),
        load_balancer_ips: of_family(&service.load_balancer_ips),
        source_ranges: source_ranges(service, family),
        session_affinity: service.session_affinity,
        external_policy_local,
        internal_policy_local: service.internal_traffic_policy == TrafficPolicy::Local,
        health_check_node_port: service.health_check_node_port.filter(|_| has_health_check),
    }
}

/// A ClusterIP Service has an external policy only if it lists external IPs, of whatever family.
fn has_external_policy(service: &Service) -> bool {
    match service.service_type {
        ServiceType::LoadBalancer | ServiceType::NodePort => true,
        ServiceType::ClusterIp => service.lists_external_ips,
    }
}

/// A range of length zero admits everybody, whatever else is listed.
fn source_ranges(service: &Service, family: Family) -> Vec<IpNet> {
    let ranges: Vec<_> =
        service.source_ranges.iter().copied().filter(|range| Family::of(range.addr()) == family).collect();
    if ranges.iter().any(|range| range.prefix_len() == 0) { Vec::new() } else { ranges }
}
