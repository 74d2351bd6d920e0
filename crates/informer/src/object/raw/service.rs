//! The fields of a Service as they are written.
//!
//! Knows nothing of what they mean.

use compact_str::CompactString;
use serde::Deserialize;

use super::{Metadata, or_default};

/// A Service.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Service {
    /// `metadata`.
    #[serde(deserialize_with = "or_default")]
    pub metadata: Metadata,
    /// `spec`.
    #[serde(deserialize_with = "or_default")]
    pub spec: ServiceSpec,
    /// `status`.
    #[serde(deserialize_with = "or_default")]
    pub status: ServiceStatus,
}

/// `spec` of a Service.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct ServiceSpec {
    /// `type`.
    #[serde(rename = "type", deserialize_with = "or_default")]
    pub service_type: CompactString,
    /// `clusterIP`.
    #[serde(rename = "clusterIP", deserialize_with = "or_default")]
    pub cluster_ip: CompactString,
    /// `clusterIPs`.
    #[serde(rename = "clusterIPs", deserialize_with = "or_default")]
    pub cluster_ips: Vec<CompactString>,
    /// `ipFamilies`.
    #[serde(deserialize_with = "or_default")]
    pub ip_families: Vec<CompactString>,
    /// `ports`.
    #[serde(deserialize_with = "or_default")]
    pub ports: Vec<ServicePort>,
    /// `externalIPs`.
    #[serde(rename = "externalIPs", deserialize_with = "or_default")]
    pub external_ips: Vec<CompactString>,
    /// `loadBalancerSourceRanges`.
    #[serde(deserialize_with = "or_default")]
    pub load_balancer_source_ranges: Vec<CompactString>,
    /// `sessionAffinity`.
    #[serde(deserialize_with = "or_default")]
    pub session_affinity: CompactString,
    /// `sessionAffinityConfig`.
    #[serde(deserialize_with = "or_default")]
    pub session_affinity_config: SessionAffinityConfig,
    /// `externalTrafficPolicy`.
    #[serde(deserialize_with = "or_default")]
    pub external_traffic_policy: CompactString,
    /// `internalTrafficPolicy`.
    #[serde(deserialize_with = "or_default")]
    pub internal_traffic_policy: CompactString,
    /// `healthCheckNodePort`.
    #[serde(deserialize_with = "or_default")]
    pub health_check_node_port: i64,
}

/// One element of `spec.ports`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct ServicePort {
    /// `name`.
    #[serde(deserialize_with = "or_default")]
    pub name: CompactString,
    /// `protocol`.
    #[serde(deserialize_with = "or_default")]
    pub protocol: CompactString,
    /// `port`.
    #[serde(deserialize_with = "or_default")]
    pub port: i64,
    /// `nodePort`.
    #[serde(deserialize_with = "or_default")]
    pub node_port: i64,
}

/// `spec.sessionAffinityConfig`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct SessionAffinityConfig {
    /// `clientIP`.
    #[serde(rename = "clientIP", deserialize_with = "or_default")]
    pub client_ip: ClientIp,
}

/// `spec.sessionAffinityConfig.clientIP`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct ClientIp {
    /// `timeoutSeconds`.
    pub timeout_seconds: Option<i64>,
}

/// `status` of a Service.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct ServiceStatus {
    /// `loadBalancer`.
    #[serde(deserialize_with = "or_default")]
    pub load_balancer: LoadBalancer,
}

/// `status.loadBalancer`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct LoadBalancer {
    /// `ingress`.
    #[serde(deserialize_with = "or_default")]
    pub ingress: Vec<LoadBalancerIngress>,
}

/// One element of `status.loadBalancer.ingress`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct LoadBalancerIngress {
    /// `ip`.
    #[serde(deserialize_with = "or_default")]
    pub ip: CompactString,
    /// `ipMode`.
    pub ip_mode: Option<CompactString>,
}
