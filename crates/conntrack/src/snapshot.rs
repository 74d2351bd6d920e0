//! Turns a generation into a table that answers: which front end is this address, and who serves it?
//!
//! Knows nothing of what changed, nor of entries.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use crate::flow::Family;
use crate::generation::{Delivery, FrontEnd, Generation, ServicePort};

/// The UDP front ends of one family in one committed generation.
#[derive(Clone, Debug)]
pub struct Snapshot {
    family: Family,
    exact: BTreeMap<SocketAddr, Claims>,
    node_ports: BTreeMap<u16, Claims>,
    node_addresses: BTreeSet<IpAddr>,
}

/// The service ports that claim one front end; normally one.
#[derive(Clone, Debug, Default)]
pub struct Claims(Vec<Claim>);

#[derive(Clone, Debug)]
struct Claim {
    service_port: Arc<str>,
    delivery: Delivery,
    behind: Arc<ServicePort>,
}

impl Snapshot {
    /// The front ends of `generation`. Addresses of the other family are left out, and so are node ports if no
    /// node-port address is known.
    pub fn new(family: Family, generation: &Generation) -> Snapshot {
        let mut snapshot = Snapshot {
            family,
            exact: BTreeMap::new(),
            node_ports: BTreeMap::new(),
            node_addresses: generation.node_addresses.clone(),
        };
        snapshot.node_addresses.retain(|address| Family::of(*address) == family);
        for (name, port) in &generation.service_ports {
            snapshot.claim(name, port);
        }
        snapshot
    }

    fn claim(&mut self, name: &Arc<str>, port: &Arc<ServicePort>) {
        let claim = |delivery| Claim { service_port: name.clone(), delivery, behind: port.clone() };
        for (address, delivery) in &port.exact {
            if Family::of(address.ip()) == self.family {
                let address = SocketAddr::new(address.ip(), address.port());
                self.exact.entry(address).or_default().0.push(claim(*delivery));
            }
        }
        if let Some((node_port, delivery)) = port.node_port
            && !self.node_addresses.is_empty()
        {
            self.node_ports.entry(node_port.get()).or_default().0.push(claim(delivery));
        }
    }

    /// The family.
    pub fn family(&self) -> Family {
        self.family
    }

    /// The front end that receives packets sent to `address`. Exact ones come first, as in the rules: node ports
    /// are tried last.
    pub fn front_end(&self, address: SocketAddr) -> Option<(FrontEnd, &Claims)> {
        if let Some(claims) = self.exact.get(&address) {
            return Some((FrontEnd::Exact(address), claims));
        }
        let claims = self.node_ports.get(&address.port())?;
        self.node_addresses.contains(&address.ip()).then_some((FrontEnd::NodePort(address.port()), claims))
    }

    /// The service ports behind a front end, if it exists.
    pub fn claims(&self, front_end: FrontEnd) -> Option<&Claims> {
        match front_end {
            FrontEnd::Exact(address) => self.exact.get(&address),
            FrontEnd::NodePort(port) => self.node_ports.get(&port),
        }
    }

    /// All front ends with the service ports behind them, in order.
    pub fn front_ends(&self) -> impl Iterator<Item = (FrontEnd, &Claims)> {
        let exact = self.exact.iter().map(|(address, claims)| (FrontEnd::Exact(*address), claims));
        exact.chain(self.node_ports.iter().map(|(port, claims)| (FrontEnd::NodePort(*port), claims)))
    }

    /// Every address and port at which a front end receives packets.
    pub fn addresses_of(&self, front_end: FrontEnd) -> Vec<SocketAddr> {
        match front_end {
            FrontEnd::Exact(address) => vec![address],
            FrontEnd::NodePort(port) => {
                self.node_addresses.iter().map(|address| SocketAddr::new(*address, port)).collect()
            }
        }
    }

    /// The local addresses on which node ports answer.
    pub fn node_addresses(&self) -> &BTreeSet<IpAddr> {
        &self.node_addresses
    }

    /// The same with node ports answering on these addresses only.
    pub fn at(&self, node_addresses: BTreeSet<IpAddr>) -> Snapshot {
        Snapshot { node_addresses, ..self.clone() }
    }

    /// How many front ends there are.
    pub fn len(&self) -> usize {
        self.exact.len() + self.node_ports.len()
    }

    /// Whether there is no front end at all.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl Claims {
    /// Whether any of the service ports has this backend in its serving set: what one of them wants is kept.
    pub fn serves(&self, backend: SocketAddr) -> bool {
        self.0.iter().any(|claim| claim.behind.serving.contains(&backend))
    }

    /// Whether any of the service ports has a serving backend.
    pub fn has_backends(&self) -> bool {
        self.0.iter().any(|claim| !claim.behind.serving.is_empty())
    }

    /// Whether the rules of any of the service ports deliver.
    pub fn delivery(&self) -> Delivery {
        self.0.iter().map(|claim| claim.delivery).max().unwrap_or(Delivery::Refusing)
    }

    /// The serving backends of all of them.
    pub fn backends(&self) -> impl Iterator<Item = SocketAddr> {
        self.0.iter().flat_map(|claim| claim.behind.serving.iter().copied())
    }

    /// The names of the service ports, in order.
    pub fn service_ports(&self) -> impl Iterator<Item = &Arc<str>> {
        self.0.iter().map(|claim| &claim.service_port)
    }

    /// Whether both are the very same values, so that a comparison can be skipped.
    pub(crate) fn is_same(&self, other: &Claims) -> bool {
        let same = |(a, b): (&Claim, &Claim)| a.delivery == b.delivery && Arc::ptr_eq(&a.behind, &b.behind);
        self.0.len() == other.0.len() && self.0.iter().zip(&other.0).all(same)
    }
}
