//! A Node as a proxy sees it.

mod parse;
#[cfg(test)]
mod tests;

use std::net::IpAddr;

use compact_str::CompactString;
use ipnet::IpNet;

/// A Node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node {
    /// `metadata.name`.
    pub name: CompactString,
    /// The label `topology.kubernetes.io/zone`.
    pub zone: Option<CompactString>,
    /// `status.addresses` that are addresses: every InternalIP in order, then every ExternalIP.
    pub addresses: Vec<IpAddr>,
    /// `spec.podCIDRs`, masked, in their order.
    pub pod_cidrs: Vec<IpNet>,
    /// Whether it should get no new connections: it has a `metadata.deletionTimestamp`, or the taint
    /// by which the cluster autoscaler announces that it will go.
    pub is_leaving: bool,
}
