//! What one committed generation of rules says about UDP: front ends, serving backends, and whether they deliver.
//!
//! A plain description by value, made by the sync loop; knows nothing of Services beyond a name for the logs.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::num::NonZeroU16;
use std::sync::Arc;

/// The UDP service ports of one family as the rules just committed have them.
///
/// Values are shared, so a caller that keeps the map pays only for the service ports that changed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Generation {
    /// By service port name, `namespace/name:port`, as logs shall print it.
    pub service_ports: BTreeMap<Arc<str>, Arc<ServicePort>>,
    /// The local addresses on which node ports answer. Empty if unknown: node ports are not looked at then.
    pub node_addresses: BTreeSet<IpAddr>,
}

/// One UDP service port.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ServicePort {
    /// Cluster IP, load balancer IPs (`ipMode: VIP`) and external IPs for which rules exist, each with the service port.
    pub exact: BTreeMap<SocketAddr, Delivery>,
    /// `spec.ports[].nodePort`.
    pub node_port: Option<(NonZeroU16, Delivery)>,
    /// Endpoints whose `serving` condition is true or absent, whatever `ready`, `terminating`, topology or
    /// traffic policies say.
    pub serving: BTreeSet<SocketAddr>,
}

/// Whether the rules of a front end send packets to a backend on this node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Delivery {
    /// Packets are rejected or dropped.
    Refusing,
    /// Packets of this node and its pods reach some backend, those of others are dropped.
    Partly,
    /// Packets reach some backend.
    Delivering,
}

/// What made the sync loop commit, as far as it matters here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Cause {
    /// The rules changed from one known state to the next: only the difference is looked at.
    Incremental,
    /// The commit before this one failed: the kernel may have had anything in between.
    AfterFailure,
    /// Somebody had removed our rules.
    AfterFlush,
    /// The first commit of this process, or of this family, after both caches were synced.
    FirstSync,
}

/// An address to which clients send and behind which the rules put backends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FrontEnd {
    /// One address and port: cluster IP, load balancer IP or external IP.
    Exact(SocketAddr),
    /// A node port, on every node-port address.
    NodePort(u16),
}

impl fmt::Display for FrontEnd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            FrontEnd::Exact(address) => write!(f, "{address}"),
            FrontEnd::NodePort(port) => write!(f, "node port {port}"),
        }
    }
}
