//! Turns legacy Endpoints into the EndpointSlices that Kubernetes' mirroring controller would make.
//!
//! Knows nothing of the Service, nor whether it has slices of its own: then the Endpoints do not count.

use std::net::IpAddr;

use crate::address::parse_ip;
use crate::object::endpoint_slice::parse::{parse_node_name, parse_ports};
use crate::object::{
    AddressType, Complaint, Complaints, Endpoint, EndpointPort, EndpointSlice, Fingerprint, NOT_AN_IP,
    NamespacedName, raw,
};

#[cfg(test)]
mod tests;

/// The slices for `raw`, one per subset and address family, and what cannot be used of it.
///
/// None when the Endpoints say that they are not for mirroring: by the label
/// `endpointslice.kubernetes.io/skip-mirror`, by being a leader's lock, or by being headless.
pub(crate) fn mirror(raw: &raw::Endpoints, fingerprint: Fingerprint) -> (Vec<EndpointSlice>, Vec<Complaint>) {
    let name = match raw.name() {
        Ok(name) => name,
        Err(complaint) => return (Vec::new(), vec![complaint]),
    };
    if is_not_mirrored(&raw.metadata) {
        return (Vec::new(), Vec::new());
    }
    let mut complaints = Complaints::about("Endpoints", &name);
    let mut slices = Vec::new();
    for (index, subset) in raw.subsets.iter().enumerate() {
        let ports = parse_ports(&subset.ports, &format!("subsets[{index}].ports"), &mut complaints);
        let endpoints = parse_subset(subset, &format!("subsets[{index}]"), &mut complaints);
        for address_type in [AddressType::Ipv4, AddressType::Ipv6] {
            slices.extend(slice(&name, index, address_type, &ports, &endpoints, fingerprint));
        }
    }
    (slices, complaints.into_list())
}

fn is_not_mirrored(metadata: &raw::Metadata) -> bool {
    metadata.labels.skip_mirror.as_deref() == Some("true")
        || metadata.labels.headless.is_some()
        || metadata.annotations.leader.is_some()
}

/// The slice for the endpoints of one family in one subset, if there are any.
fn slice(
    endpoints_name: &NamespacedName,
    subset: usize,
    address_type: AddressType,
    ports: &[EndpointPort],
    endpoints: &[Endpoint],
    fingerprint: Fingerprint,
) -> Option<EndpointSlice> {
    let endpoints: Vec<Endpoint> =
        endpoints.iter().filter(|e| AddressType::of(e.address) == address_type).cloned().collect();
    if endpoints.is_empty() {
        return None;
    }
    let NamespacedName { namespace, name } = endpoints_name;
    let family = if address_type == AddressType::Ipv4 { "ipv4" } else { "ipv6" };
    Some(EndpointSlice {
        name: NamespacedName::new(namespace.clone(), format!("{name}-mirrored-{family}-{subset}")),
        service: name.clone(),
        address_type,
        ports: ports.to_vec(),
        endpoints,
        fingerprint: fingerprint.value(),
        last_change_trigger_time: None,
    })
}

fn parse_subset(raw: &raw::EndpointSubset, path: &str, complaints: &mut Complaints) -> Vec<Endpoint> {
    let ready = raw.addresses.iter().enumerate().map(|numbered| ("addresses", true, numbered));
    let not_ready =
        raw.not_ready_addresses.iter().enumerate().map(|numbered| ("notReadyAddresses", false, numbered));
    let mut endpoints = Vec::new();
    for (list, ready, (index, raw)) in ready.chain(not_ready) {
        match parse_ip(&raw.ip) {
            Some(address) => endpoints.push(endpoint(address, ready, raw)),
            None => complaints.add(format_args!("{path}.{list}[{index}].ip"), &raw.ip, NOT_AN_IP),
        }
    }
    endpoints
}

/// The controller says nothing of `serving` and `terminating`.
fn endpoint(address: IpAddr, ready: bool, raw: &raw::EndpointAddress) -> Endpoint {
    Endpoint {
        address,
        ready,
        serving: true,
        terminating: false,
        node_name: parse_node_name(&raw.node_name),
        zone_hints: Vec::new(),
        node_hints: Vec::new(),
    }
}
