//! Endpoints: all slices of a Service put together, by service port.
//!
//! Knows nothing of which endpoints this node uses: that is `topology`.

use std::collections::BTreeMap;
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
