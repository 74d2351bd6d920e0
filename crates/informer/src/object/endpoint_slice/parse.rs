//! Turns an EndpointSlice as it is written into endpoints of a Service, or into none.
//!
//! Knows nothing of other slices of the Service, nor of which node this is.

use std::net::IpAddr;

use compact_str::CompactString;

use super::{AddressType, Endpoint, EndpointPort, EndpointSlice};
use crate::address::parse_ip;
use crate::object::complaint::{Complaint, Complaints};
use crate::object::name::{NamespacedName, is_label};
use crate::object::port::parse_key;
use crate::object::{Fingerprint, NOT_AN_IP, raw};

impl EndpointSlice {
    /// The slice that `raw` describes, or none if it is not of interest, and what cannot be used of it.
    ///
    /// `fingerprint` is that of the whole document that `raw` was read from.
    pub fn parse(raw: &raw::EndpointSlice, fingerprint: Fingerprint) -> (Option<Self>, Vec<Complaint>) {
        let name = match raw.name() {
            Ok(name) => name,
            Err(complaint) => return (None, vec![complaint]),
        };
        let mut complaints = Complaints::about("EndpointSlice", &name);
        let slice = parse(raw, name, fingerprint, &mut complaints);
        (slice, complaints.into_list())
    }
}

fn parse(
    raw: &raw::EndpointSlice,
    name: NamespacedName,
    fingerprint: Fingerprint,
    complaints: &mut Complaints,
) -> Option<EndpointSlice> {
    if raw.metadata.labels.headless.is_some() {
        return None;
    }
    let service = parse_service(&raw.metadata.labels, complaints)?;
    let address_type = parse_address_type(&raw.address_type, complaints);
    Some(EndpointSlice {
        name,
        service,
        address_type,
        ports: parse_ports(&raw.ports, "ports", complaints),
        endpoints: parse_endpoints(&raw.endpoints, address_type, complaints),
        fingerprint: fingerprint.value(),
        last_change_trigger_time: raw.metadata.annotations.last_change_trigger_time.clone(),
    })
}

fn parse_service(labels: &raw::Labels, complaints: &mut Complaints) -> Option<CompactString> {
    let service = labels.service_name.clone().unwrap_or_default();
    if is_label(&service) {
        return Some(service);
    }
    let reason = if service.is_empty() { "names no Service" } else { "is not the name of a Service" };
    complaints.add("metadata.labels[kubernetes.io/service-name]", &service, reason);
    None
}

fn parse_address_type(text: &str, complaints: &mut Complaints) -> AddressType {
    match text {
        "IPv4" => AddressType::Ipv4,
        "IPv6" => AddressType::Ipv6,
        "FQDN" => AddressType::Other,
        other => {
            complaints.add("addressType", other, "is not IPv4, IPv6 or FQDN");
            AddressType::Other
        }
    }
}

/// The ports at `path` that have a name and a number.
pub(crate) fn parse_ports(
    raw: &[raw::EndpointPort],
    path: &str,
    complaints: &mut Complaints,
) -> Vec<EndpointPort> {
    let mut ports = Vec::with_capacity(raw.len());
    for (index, raw) in raw.iter().enumerate() {
        ports.extend(parse_endpoint_port(raw, &format!("{path}[{index}]"), complaints));
    }
    ports
}

fn parse_endpoint_port(
    raw: &raw::EndpointPort,
    path: &str,
    complaints: &mut Complaints,
) -> Option<EndpointPort> {
    let Some(name) = raw.name.clone() else {
        complaints.add(format_args!("{path}.name"), "", "is missing");
        return None;
    };
    let (protocol, port) = parse_key(&name, &raw.protocol, raw.port, path, complaints)?;
    Some(EndpointPort { name, protocol, port })
}

/// A slice of another type than IP addresses has no endpoints for a proxy.
fn parse_endpoints(
    raw: &[raw::Endpoint],
    address_type: AddressType,
    complaints: &mut Complaints,
) -> Vec<Endpoint> {
    if address_type == AddressType::Other {
        return Vec::new();
    }
    let mut endpoints = Vec::with_capacity(raw.len());
    for (index, raw) in raw.iter().enumerate() {
        if let Some(address) = parse_address(raw, index, address_type, complaints) {
            endpoints.push(parse_endpoint(raw, address));
        }
    }
    endpoints
}

fn parse_address(
    raw: &raw::Endpoint,
    index: usize,
    address_type: AddressType,
    complaints: &mut Complaints,
) -> Option<IpAddr> {
    let Some(text) = raw.addresses.first() else {
        complaints.add(format_args!("endpoints[{index}].addresses"), "", "is empty");
        return None;
    };
    let reason = match parse_ip(text) {
        Some(address) if AddressType::of(address) == address_type => return Some(address),
        Some(_) => "is not of the slice's addressType",
        None => NOT_AN_IP,
    };
    complaints.add(format_args!("endpoints[{index}].addresses[0]"), text, reason);
    None
}

fn parse_endpoint(raw: &raw::Endpoint, address: IpAddr) -> Endpoint {
    Endpoint {
        address,
        ready: raw.conditions.ready.unwrap_or(true),
        // Absent does not follow `ready`: with `ready: false` and `terminating: true` alone the
        // endpoint is a fallback.
        serving: raw.conditions.serving.unwrap_or(true),
        terminating: raw.conditions.terminating.unwrap_or(false),
        node_name: parse_node_name(&raw.node_name),
        zone_hints: parse_hints(&raw.hints.for_zones),
        node_hints: parse_hints(&raw.hints.for_nodes),
    }
}

/// The empty name is no node's.
pub(crate) fn parse_node_name(text: &CompactString) -> Option<CompactString> {
    Some(text.clone()).filter(|name| !name.is_empty())
}

fn parse_hints(raw: &[raw::Hint]) -> Vec<CompactString> {
    let mut names: Vec<_> = raw.iter().map(|hint| hint.name.clone()).collect();
    names.sort_unstable();
    names.dedup();
    names
}
