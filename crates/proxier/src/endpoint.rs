//! Endpoints: all slices of a Service put together, by service port.
//!
//! Knows nothing of which endpoints this node uses: that is `topology`.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::net::SocketAddr;

use compact_str::CompactString;
use informer::object::{self, AddressType, EndpointPort, EndpointSlice, Protocol};

use crate::family::Family;

/// Where a service port can send traffic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint<'a> {
    /// Address and port.
    pub address: SocketAddr,
    /// `ip:port`, with brackets for IPv6: what names it, and what lists are sorted by.
    pub text: CompactString,
    /// `conditions.ready`.
    pub ready: bool,
    /// `conditions.serving`.
    pub serving: bool,
    /// `conditions.terminating`.
    pub terminating: bool,
    /// Whether it runs on this node.
    pub local: bool,
    /// Zones it is meant for.
    pub zone_hints: &'a [CompactString],
    /// Nodes it is meant for.
    pub node_hints: &'a [CompactString],
}

impl Endpoint<'_> {
    /// On its way out, and still answering: used when nothing is ready.
    pub fn is_draining(&self) -> bool {
        !self.ready && self.serving && self.terminating
    }
}

/// The endpoints of one Service, by port name and protocol; each list sorted by `ip:port`.
pub type EndpointsByPort<'a> = BTreeMap<(&'a str, Protocol), Vec<Endpoint<'a>>>;

/// Puts slices together. The slices of another family do not count. An endpoint that occurs several
/// times is what its last occurrence says, but a terminating one replaces nothing.
pub fn merge<'a>(
    slices: impl IntoIterator<Item = &'a EndpointSlice>,
    family: Family,
    node_name: &str,
) -> EndpointsByPort<'a> {
    let mut ports: BTreeMap<(&str, Protocol), BTreeMap<CompactString, Endpoint>> = BTreeMap::new();
    for slice in slices.into_iter().filter(|slice| is_of_family(slice, family)) {
        for port in &slice.ports {
            let endpoints = ports.entry((&port.name, port.protocol)).or_default();
            for endpoint in slice.endpoints.iter().map(|endpoint| resolve(endpoint, port, node_name)) {
                if !endpoint.terminating || !endpoints.contains_key(&endpoint.text) {
                    endpoints.insert(endpoint.text.clone(), endpoint);
                }
            }
        }
    }
    let lists =
        ports.into_iter().map(|(port, endpoints)| (port, endpoints.into_values().collect::<Vec<_>>()));
    lists.filter(|(_, endpoints)| !endpoints.is_empty()).collect()
}

/// How many endpoints [`merge`] finds for a port, which takes much longer.
pub fn count<'a>(
    slices: impl IntoIterator<Item = &'a EndpointSlice>,
    family: Family,
    (name, protocol): (&str, Protocol),
) -> usize {
    let of_family = slices.into_iter().filter(|slice| is_of_family(slice, family));
    let ports = of_family.flat_map(|slice| slice.ports.iter().map(move |port| (slice, port)));
    let of_port = ports.filter(|(_, port)| port.name == name && port.protocol == protocol);
    let addresses = of_port
        .flat_map(|(slice, port)| slice.endpoints.iter().map(|endpoint| (endpoint.address, port.port)));
    addresses.collect::<BTreeSet<_>>().len()
}

/// Whether a slice's addresses are of a family.
pub fn is_of_family(slice: &EndpointSlice, family: Family) -> bool {
    match slice.address_type {
        AddressType::Ipv4 => family == Family::V4,
        AddressType::Ipv6 => family == Family::V6,
        AddressType::Other => false,
    }
}

fn resolve<'a>(endpoint: &'a object::Endpoint, port: &EndpointPort, node_name: &str) -> Endpoint<'a> {
    let address = SocketAddr::new(endpoint.address, port.port.get());
    let mut text = CompactString::default();
    write!(text, "{address}").expect("memory takes all");
    Endpoint {
        address,
        text,
        ready: endpoint.ready,
        serving: endpoint.serving,
        terminating: endpoint.terminating,
        local: endpoint.node_name.as_deref().is_some_and(|name| !name.is_empty() && name == node_name),
        zone_hints: &endpoint.zone_hints,
        node_hints: &endpoint.node_hints,
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU16;

    use informer::object::NamespacedName;

    use super::*;

    fn slice(port: (&str, u16), hosts: &[u8]) -> EndpointSlice {
        let endpoint = |host: &u8| object::Endpoint {
            address: [10, 0, 0, *host].into(),
            ready: true,
            serving: true,
            terminating: false,
            node_name: None,
            zone_hints: Vec::new(),
            node_hints: Vec::new(),
        };
        let (name, number) = port;
        let port = NonZeroU16::new(number).unwrap();
        EndpointSlice {
            name: NamespacedName::new("default", "web-1"),
            service: "web".into(),
            address_type: AddressType::Ipv4,
            ports: vec![EndpointPort { name: name.into(), protocol: Protocol::Tcp, port }],
            endpoints: hosts.iter().map(endpoint).collect(),
            fingerprint: 0,
            last_change_trigger_time: None,
        }
    }

    #[test]
    fn as_many_are_counted_as_there_are() {
        let slices = [
            slice(("a", 80), &[1, 2, 2]),
            slice(("a", 80), &[2, 3]),
            slice(("a", 81), &[1]),
            slice(("b", 80), &[1]),
        ];
        for family in Family::ALL {
            let merged = merge(&slices, family, "this");
            for name in ["a", "b", "c"] {
                let port = (name, Protocol::Tcp);
                assert_eq!(count(&slices, family, port), merged.get(&port).map_or(0, Vec::len), "{name}");
            }
        }
        assert_eq!(count(&slices, Family::V4, ("a", Protocol::Tcp)), 4);
    }
}
