//! Fills in what the API server would have: objects in a directory have not passed through one.
//!
//! Knows nothing of what must be allocated (cluster IPs, node ports): that stays as it is. Nor are
//! endpoint conditions touched, which the API server leaves absent too.

use compact_str::CompactString;

use crate::address::parse_ip;
use crate::object::{DEFAULT_TIMEOUT_SECONDS, raw};

#[cfg(test)]
mod tests;

/// Fills in the defaults of a Service.
pub(crate) fn service(service: &mut raw::Service) {
    namespace(&mut service.metadata);
    let spec = &mut service.spec;
    text(&mut spec.service_type, "ClusterIP");
    text(&mut spec.session_affinity, "None");
    text(&mut spec.internal_traffic_policy, "Cluster");
    text(&mut spec.external_traffic_policy, "Cluster");
    for port in &mut spec.ports {
        text(&mut port.protocol, "TCP");
    }
    if spec.session_affinity == "ClientIP" {
        let timeout = &mut spec.session_affinity_config.client_ip.timeout_seconds;
        timeout.get_or_insert(DEFAULT_TIMEOUT_SECONDS.into());
    }
    cluster_ips(spec);
}

/// `clusterIP` and `clusterIPs` from each other, and `ipFamilies` from the addresses.
fn cluster_ips(spec: &mut raw::ServiceSpec) {
    if spec.service_type == "ExternalName" {
        return;
    }
    match spec.cluster_ips.first() {
        Some(first) => text(&mut spec.cluster_ip, first),
        None if spec.cluster_ip.is_empty() => {}
        None => spec.cluster_ips.push(spec.cluster_ip.clone()),
    }
    if spec.ip_families.is_empty() && spec.cluster_ip != "None" {
        spec.ip_families = spec.cluster_ips.iter().map(|text| family(text)).collect();
    }
}

/// An address that is none gets a family all the same, so that the complaint names the address.
fn family(text: &str) -> CompactString {
    let is_v4 = parse_ip(text).is_none_or(|address| address.is_ipv4());
    CompactString::const_new(if is_v4 { "IPv4" } else { "IPv6" })
}

/// Fills in the defaults of an EndpointSlice.
pub(crate) fn endpoint_slice(slice: &mut raw::EndpointSlice) {
    namespace(&mut slice.metadata);
    endpoint_ports(&mut slice.ports);
}

/// Fills in the defaults of Endpoints.
pub(crate) fn endpoints(endpoints: &mut raw::Endpoints) {
    namespace(&mut endpoints.metadata);
    for subset in &mut endpoints.subsets {
        endpoint_ports(&mut subset.ports);
    }
}

fn endpoint_ports(ports: &mut [raw::EndpointPort]) {
    for port in ports {
        port.name.get_or_insert_default();
        text(&mut port.protocol, "TCP");
    }
}

/// Fills in the defaults of a Node.
pub(crate) fn node(node: &mut raw::Node) {
    let spec = &mut node.spec;
    if spec.pod_cidrs.is_empty() && !spec.pod_cidr.is_empty() {
        spec.pod_cidrs.push(spec.pod_cidr.clone());
    }
}

fn namespace(metadata: &mut raw::Metadata) {
    text(&mut metadata.namespace, "default");
}

fn text(field: &mut CompactString, default: &str) {
    if field.is_empty() {
        *field = default.into();
    }
}
