//! The objects that a proxy reads, with only the fields it reads, parsed once.
//!
//! Knows nothing of where they come from (API server, directory) or what becomes of them.

mod by_name;
pub(crate) mod complaint;
pub(crate) mod endpoint_slice;
mod fingerprint;
pub(crate) mod name;
mod node;
pub mod raw;
mod service;

use std::num::NonZeroU16;

pub use by_name::{ByName, Named};
pub(crate) use complaint::Complaints;
pub use complaint::{Complaint, Subject};
pub use endpoint_slice::{AddressType, Endpoint, EndpointPort, EndpointSlice};
pub use fingerprint::Fingerprint;
pub use name::NamespacedName;
pub use node::Node;
pub(crate) use service::DEFAULT_TIMEOUT_SECONDS;
pub use service::{ClusterIps, Service, ServicePort, ServiceType, SessionAffinity, TrafficPolicy};

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
    /// The protocol that a port names so; TCP when it names none.
    fn parse(text: &str) -> Option<Self> {
        match text {
            "" | "TCP" => Some(Self::Tcp),
            "UDP" => Some(Self::Udp),
            "SCTP" => Some(Self::Sctp),
            _ => None,
        }
    }

    /// The name in lower case, as iptables and chain-name hashes spell it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Tcp => "tcp",
            Self::Udp => "udp",
            Self::Sctp => "sctp",
        }
    }
}

/// The port with this number, if there is one.
fn parse_port(number: i64) -> Option<NonZeroU16> {
    u16::try_from(number).ok().and_then(NonZeroU16::new)
}

/// What [`Protocol::parse`] refuses.
const NOT_A_PROTOCOL: &str = "is not TCP, UDP or SCTP";
/// What [`parse_port`] refuses.
const NOT_A_PORT: &str = "is not a port number from 1 to 65535";
/// What [`crate::address::parse_ip`] refuses.
pub(crate) const NOT_AN_IP: &str = "is not an IP address";
/// What [`crate::address::parse_cidr`] refuses.
const NOT_A_CIDR: &str = "is not a CIDR";
/// What is wrong with a port's name.
const NOT_A_PORT_NAME: &str = "is not a port name: lower-case letters, digits and inner dashes, at most 63";
