//! An EndpointSlice as a proxy sees it.

pub(crate) mod parse;
#[cfg(test)]
mod tests;

use std::net::IpAddr;
use std::num::NonZeroU16;

use compact_str::CompactString;

use super::{NamespacedName, Protocol};

/// An EndpointSlice that belongs to a Service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EndpointSlice {
    /// Namespace and name of the slice.
    pub name: NamespacedName,
    /// Name of the Service, in the same namespace: the label `kubernetes.io/service-name`, not empty.
    pub service: CompactString,
    /// `addressType`.
    pub address_type: AddressType,
    /// `ports` that have a name (perhaps empty) and a number.
    pub ports: Vec<EndpointPort>,
    /// `endpoints` that have an address of the slice's family.
    pub endpoints: Vec<Endpoint>,
    /// Differs whenever anything in the object differs, also what is not read: kube-proxy writes
    /// the chains of a Service again when only metadata of a slice changed.
    pub fingerprint: u64,
    /// Annotation `endpoints.kubernetes.io/last-change-trigger-time`, as it stands; absent when missing.
    pub last_change_trigger_time: Option<CompactString>,
}

/// `addressType`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AddressType {
    /// IPv4 addresses.
    Ipv4,
    /// IPv6 addresses.
    Ipv6,
    /// Host names, or a type that is not known: of no use to a proxy.
    Other,
}

impl AddressType {
    /// The type of a slice that holds `address`.
    pub(crate) fn of(address: IpAddr) -> Self {
        match address {
            IpAddr::V4(_) => Self::Ipv4,
            IpAddr::V6(_) => Self::Ipv6,
        }
    }
}

/// One element of `ports`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EndpointPort {
    /// `name`; the empty string is the name of an unnamed Service port.
    pub name: CompactString,
    /// `protocol`; TCP when absent.
    pub protocol: Protocol,
    /// `port`.
    pub port: NonZeroU16,
}

/// One element of `endpoints`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// The first of `addresses`.
    pub address: IpAddr,
    /// `conditions.ready`; true when absent.
    pub ready: bool,
    /// `conditions.serving`; true when absent.
    pub serving: bool,
    /// `conditions.terminating`; false when absent.
    pub terminating: bool,
    /// `nodeName`.
    pub node_name: Option<CompactString>,
    /// `hints.forZones[*].name`, sorted; empty when there are none.
    pub zone_hints: Vec<CompactString>,
    /// `hints.forNodes[*].name`, sorted; empty when there are none.
    pub node_hints: Vec<CompactString>,
}
