//! The fields of EndpointSlices and of legacy Endpoints as they are written.
//!
//! Knows nothing of what they mean.

use compact_str::CompactString;
use serde::Deserialize;

use super::{Metadata, or_default};

/// An EndpointSlice of `discovery.k8s.io/v1`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct EndpointSlice {
    /// `metadata`.
    #[serde(deserialize_with = "or_default")]
    pub metadata: Metadata,
    /// `addressType`.
    #[serde(deserialize_with = "or_default")]
    pub address_type: CompactString,
    /// `ports`.
    #[serde(deserialize_with = "or_default")]
    pub ports: Vec<EndpointPort>,
    /// `endpoints`.
    #[serde(deserialize_with = "or_default")]
    pub endpoints: Vec<Endpoint>,
}

/// One element of `ports` of an EndpointSlice, or of a subset's `ports` of Endpoints.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct EndpointPort {
    /// `name`; absent is not the same as empty.
    pub name: Option<CompactString>,
    /// `protocol`.
    #[serde(deserialize_with = "or_default")]
    pub protocol: CompactString,
    /// `port`.
    #[serde(deserialize_with = "or_default")]
    pub port: i64,
}

/// One element of `endpoints`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Endpoint {
    /// `addresses`.
    #[serde(deserialize_with = "or_default")]
    pub addresses: Vec<CompactString>,
    /// `conditions`.
    #[serde(deserialize_with = "or_default")]
    pub conditions: Conditions,
    /// `nodeName`.
    #[serde(deserialize_with = "or_default")]
    pub node_name: CompactString,
    /// `hints`.
    #[serde(deserialize_with = "or_default")]
    pub hints: Hints,
}

/// `conditions` of an endpoint.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Conditions {
    /// `ready`.
    pub ready: Option<bool>,
    /// `serving`.
    pub serving: Option<bool>,
    /// `terminating`.
    pub terminating: Option<bool>,
}

/// `hints` of an endpoint.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Hints {
    /// `forZones`.
    #[serde(deserialize_with = "or_default")]
    pub for_zones: Vec<Hint>,
    /// `forNodes`.
    #[serde(deserialize_with = "or_default")]
    pub for_nodes: Vec<Hint>,
}

/// One element of `hints.forZones` or `hints.forNodes`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Hint {
    /// `name`.
    #[serde(deserialize_with = "or_default")]
    pub name: CompactString,
}

/// Legacy Endpoints.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Endpoints {
    /// `metadata`.
    #[serde(deserialize_with = "or_default")]
    pub metadata: Metadata,
    /// `subsets`.
    #[serde(deserialize_with = "or_default")]
    pub subsets: Vec<EndpointSubset>,
}

/// One element of `subsets`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct EndpointSubset {
    /// `addresses`.
    #[serde(deserialize_with = "or_default")]
    pub addresses: Vec<EndpointAddress>,
    /// `notReadyAddresses`.
    #[serde(deserialize_with = "or_default")]
    pub not_ready_addresses: Vec<EndpointAddress>,
    /// `ports`.
    #[serde(deserialize_with = "or_default")]
    pub ports: Vec<EndpointPort>,
}

/// One element of a subset's `addresses` or `notReadyAddresses`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct EndpointAddress {
    /// `ip`.
    #[serde(deserialize_with = "or_default")]
    pub ip: CompactString,
    /// `nodeName`.
    #[serde(deserialize_with = "or_default")]
    pub node_name: CompactString,
}
