//! A Service as a proxy sees it.

mod parse;
#[cfg(test)]
mod tests;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::num::NonZeroU16;

use compact_str::CompactString;
use ipnet::IpNet;

use super::{NamespacedName, Protocol};

pub(crate) use parse::DEFAULT_TIMEOUT_SECONDS;

/// A Service that is proxied: it has a cluster IP and is neither headless nor an ExternalName.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Service {
    /// Namespace and name.
    pub name: NamespacedName,
    /// `spec.type`.
    pub service_type: ServiceType,
    /// The cluster IP of each family that has one.
    pub cluster_ips: ClusterIps,
    /// `spec.ports`, in their order.
    pub ports: Vec<ServicePort>,
    /// `spec.externalIPs` that are addresses, in their order, of both families.
    pub external_ips: Vec<IpAddr>,
    /// Whether `spec.externalIPs` has any element at all, usable or not: it decides whether a
    /// ClusterIP Service has an external traffic policy.
    pub lists_external_ips: bool,
    /// `status.loadBalancer.ingress[*].ip` whose `ipMode` is `VIP` or absent, of both families.
    pub load_balancer_ips: Vec<IpAddr>,
    /// `spec.loadBalancerSourceRanges` that are CIDRs, masked, in their order, of both families.
    pub source_ranges: Vec<IpNet>,
    /// `spec.sessionAffinity` and its timeout.
    pub session_affinity: SessionAffinity,
    /// `spec.externalTrafficPolicy`.
    pub external_traffic_policy: TrafficPolicy,
    /// `spec.internalTrafficPolicy`.
    pub internal_traffic_policy: TrafficPolicy,
    /// `spec.healthCheckNodePort`.
    pub health_check_node_port: Option<NonZeroU16>,
}

/// `spec.type`, without `ExternalName`, which is not proxied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ServiceType {
    /// `ClusterIP`, also when absent.
    ClusterIp,
    /// `NodePort`.
    NodePort,
    /// `LoadBalancer`.
    LoadBalancer,
}

/// `spec.clusterIPs` by family.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ClusterIps {
    /// The IPv4 cluster IP.
    pub v4: Option<Ipv4Addr>,
    /// The IPv6 cluster IP.
    pub v6: Option<Ipv6Addr>,
}

/// One element of `spec.ports`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServicePort {
    /// `name`; empty for an unnamed port.
    pub name: CompactString,
    /// `protocol`.
    pub protocol: Protocol,
    /// `port`.
    pub port: NonZeroU16,
    /// `nodePort`; absent when 0 or unset.
    pub node_port: Option<NonZeroU16>,
}

/// `spec.sessionAffinity`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SessionAffinity {
    /// `None`.
    None,
    /// `ClientIP`.
    ClientIp {
        /// `spec.sessionAffinityConfig.clientIP.timeoutSeconds`.
        timeout_seconds: u32,
    },
}

/// `spec.externalTrafficPolicy` and `spec.internalTrafficPolicy`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TrafficPolicy {
    /// Any endpoint will do.
    Cluster,
    /// Only endpoints on this node.
    Local,
}
