//! Turns decoded JSON or YAML into the fields that a proxy reads, before anything is judged.
//!
//! Knows nothing of what is valid: a field that is absent, null or zero is the same here unless the
//! API tells them apart.

use compact_str::CompactString;
use serde::{Deserialize, Deserializer};

mod endpoints;
mod service;

pub use endpoints::{
    Conditions, Endpoint, EndpointAddress, EndpointPort, EndpointSlice, EndpointSubset, Endpoints, Hint,
    Hints,
};
pub use service::{
    ClientIp, LoadBalancer, LoadBalancerIngress, Service, ServicePort, ServiceSpec, ServiceStatus,
    SessionAffinityConfig,
};

/// `metadata`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Metadata {
    /// `name`.
    #[serde(deserialize_with = "or_default")]
    pub name: CompactString,
    /// `namespace`.
    #[serde(deserialize_with = "or_default")]
    pub namespace: CompactString,
    /// `uid`.
    #[serde(deserialize_with = "or_default")]
    pub uid: CompactString,
    /// `resourceVersion`.
    #[serde(rename = "resourceVersion", deserialize_with = "or_default")]
    pub resource_version: CompactString,
    /// `labels`.
    #[serde(deserialize_with = "or_default")]
    pub labels: Labels,
    /// `annotations`.
    #[serde(deserialize_with = "or_default")]
    pub annotations: Annotations,
    /// `deletionTimestamp`.
    #[serde(rename = "deletionTimestamp", deserialize_with = "or_default")]
    pub deletion_timestamp: CompactString,
}

/// The `metadata.labels` that matter to a proxy; a label without a value is an empty one.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Labels {
    /// `service.kubernetes.io/service-proxy-name`.
    #[serde(rename = "service.kubernetes.io/service-proxy-name", deserialize_with = "present")]
    pub service_proxy_name: Option<CompactString>,
    /// `service.kubernetes.io/headless`.
    #[serde(rename = "service.kubernetes.io/headless", deserialize_with = "present")]
    pub headless: Option<CompactString>,
    /// `kubernetes.io/service-name`.
    #[serde(rename = "kubernetes.io/service-name", deserialize_with = "present")]
    pub service_name: Option<CompactString>,
    /// `endpointslice.kubernetes.io/skip-mirror`.
    #[serde(rename = "endpointslice.kubernetes.io/skip-mirror", deserialize_with = "present")]
    pub skip_mirror: Option<CompactString>,
    /// `topology.kubernetes.io/zone`.
    #[serde(rename = "topology.kubernetes.io/zone", deserialize_with = "present")]
    pub zone: Option<CompactString>,
}

/// The `metadata.annotations` that matter to a proxy.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Annotations {
    /// `endpoints.kubernetes.io/last-change-trigger-time`.
    #[serde(rename = "endpoints.kubernetes.io/last-change-trigger-time", deserialize_with = "present")]
    pub last_change_trigger_time: Option<CompactString>,
    /// `control-plane.alpha.kubernetes.io/leader`.
    #[serde(rename = "control-plane.alpha.kubernetes.io/leader", deserialize_with = "present")]
    pub leader: Option<CompactString>,
}

/// A Node.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Node {
    /// `metadata`.
    #[serde(deserialize_with = "or_default")]
    pub metadata: Metadata,
    /// `spec`.
    #[serde(deserialize_with = "or_default")]
    pub spec: NodeSpec,
    /// `status`.
    #[serde(deserialize_with = "or_default")]
    pub status: NodeStatus,
}

/// `spec` of a Node.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct NodeSpec {
    /// `podCIDR`.
    #[serde(rename = "podCIDR", deserialize_with = "or_default")]
    pub pod_cidr: CompactString,
    /// `podCIDRs`.
    #[serde(rename = "podCIDRs", deserialize_with = "or_default")]
    pub pod_cidrs: Vec<CompactString>,
    /// `taints`.
    #[serde(deserialize_with = "or_default")]
    pub taints: Vec<Taint>,
}

/// One element of `spec.taints` of a Node.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Taint {
    /// `key`.
    #[serde(deserialize_with = "or_default")]
    pub key: CompactString,
}

/// `status` of a Node.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct NodeStatus {
    /// `addresses`.
    #[serde(deserialize_with = "or_default")]
    pub addresses: Vec<NodeAddress>,
}

/// One element of `status.addresses` of a Node.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct NodeAddress {
    /// `type`.
    #[serde(rename = "type", deserialize_with = "or_default")]
    pub address_type: CompactString,
    /// `address`.
    #[serde(deserialize_with = "or_default")]
    pub address: CompactString,
}

/// Null is the same as absent.
pub(crate) fn or_default<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de> + Default,
{
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

/// A map's key counts as soon as it is there, also with a null.
fn present<'de, D>(deserializer: D) -> Result<Option<CompactString>, D::Error>
where
    D: Deserializer<'de>,
{
    or_default(deserializer).map(Some)
}
