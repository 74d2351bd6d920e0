//! The objects that a proxy reads, with only the fields it reads, parsed once.
//!
//! Knows nothing of where they come from (API server, directory) or what becomes of them.

mod by_name;
pub(crate) mod complaint;
pub(crate) mod endpoint_slice;
mod fingerprint;
pub(crate) mod name;
mod node;
mod port;
pub mod raw;
mod service;

pub use by_name::{ByName, Named};
pub(crate) use complaint::Complaints;
pub use complaint::{Complaint, Subject};
pub use endpoint_slice::{AddressType, Endpoint, EndpointPort, EndpointSlice};
pub use fingerprint::Fingerprint;
pub use name::NamespacedName;
pub use node::Node;
pub use port::Protocol;
pub(crate) use service::DEFAULT_TIMEOUT_SECONDS;
pub use service::{ClusterIps, Service, ServicePort, ServiceType, SessionAffinity, TrafficPolicy};

/// What [`crate::address::parse_ip`] refuses.
pub(crate) const NOT_AN_IP: &str = "is not an IP address";
/// What [`crate::address::parse_cidr`] refuses.
const NOT_A_CIDR: &str = "is not a CIDR";
