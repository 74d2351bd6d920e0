//! The objects that a proxy reads, with only the fields it reads, parsed once.
//!
//! Knows nothing of where they come from (API server, directory) or what becomes of them.

mod endpoint_slice;
mod node;
mod service;

use std::fmt;

use compact_str::CompactString;

pub use endpoint_slice::{AddressType, Endpoint, EndpointPort, EndpointSlice};
pub use node::Node;
pub use service::{ClusterIps, Service, ServicePort, ServiceType, SessionAffinity, TrafficPolicy};

/// Namespace and name of an object; printed `namespace/name`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NamespacedName {
    /// `metadata.namespace`; empty for cluster-wide objects.
    pub namespace: CompactString,
    /// `metadata.name`.
    pub name: CompactString,
}

impl NamespacedName {
    /// The name of the object `name` in `namespace`.
    pub fn new(namespace: impl Into<CompactString>, name: impl Into<CompactString>) -> Self {
        Self { namespace: namespace.into(), name: name.into() }
    }
}

impl fmt::Display for NamespacedName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.namespace, self.name)
    }
}

/// `protocol` of a Service port or EndpointSlice port.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Protocol {
    /// TCP.
    Tcp,
    /// UDP.
    Udp,
    /// SCTP.
    Sctp,
}

impl Protocol {
    /// The name in lower case, as iptables and chain-name hashes spell it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Tcp => "tcp",
            Self::Udp => "udp",
            Self::Sctp => "sctp",
        }
    }
}

/// One field of one object that cannot be used; the rest of the object counts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Complaint {
    /// Kind and name, as in `Service demo/web`.
    pub object: String,
    /// Path of the field, as in `spec.ports[0].port`.
    pub field: String,
    /// The value as it was given.
    pub value: String,
    /// What is wrong with it.
    pub reason: String,
}

impl fmt::Display for Complaint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}: {:?}: {}", self.object, self.field, self.value, self.reason)
    }
}
