//! Turns a Node as it is written into its zone, addresses and pod CIDRs.
//!
//! Knows nothing of which node this is.

use std::net::IpAddr;

use compact_str::CompactString;
use ipnet::IpNet;

use super::Node;
use crate::address::{parse_cidr, parse_ip};
use crate::object::complaint::{Complaint, Complaints};
use crate::object::{NOT_A_CIDR, NOT_AN_IP, NamespacedName, raw};

/// The key of the taint by which the cluster autoscaler announces that a node will go.
const TO_BE_DELETED: &str = "ToBeDeletedByClusterAutoscaler";

impl Node {
    /// The Node that `raw` describes, or none if it cannot be called so, and what cannot be used of it.
    pub fn parse(raw: &raw::Node) -> (Option<Self>, Vec<Complaint>) {
        let name = match raw.name() {
            Ok(name) => name,
            Err(complaint) => return (None, vec![complaint]),
        };
        let mut complaints = Complaints::about("Node", &NamespacedName::new("", name.clone()));
        let mut addresses = parse_addresses(&raw.status.addresses, "InternalIP", &mut complaints);
        addresses.extend(parse_addresses(&raw.status.addresses, "ExternalIP", &mut complaints));
        let pod_cidrs = parse_pod_cidrs(&raw.spec.pod_cidrs, &mut complaints);
        let zone = raw.metadata.labels.zone.clone();
        let is_tainted = raw.spec.taints.iter().any(|taint| taint.key == TO_BE_DELETED);
        let is_leaving = is_tainted || !raw.metadata.deletion_timestamp.is_empty();
        (Some(Self { name, zone, addresses, pod_cidrs, is_leaving }), complaints.into_list())
    }
}

fn parse_addresses(raw: &[raw::NodeAddress], address_type: &str, complaints: &mut Complaints) -> Vec<IpAddr> {
    let mut addresses = Vec::new();
    for (index, raw) in raw.iter().enumerate().filter(|(_, raw)| raw.address_type == address_type) {
        match parse_ip(&raw.address) {
            Some(address) => addresses.push(address),
            None => {
                complaints.add(format_args!("status.addresses[{index}].address"), &raw.address, NOT_AN_IP);
            }
        }
    }
    addresses
}

fn parse_pod_cidrs(raw: &[CompactString], complaints: &mut Complaints) -> Vec<IpNet> {
    let mut networks = Vec::with_capacity(raw.len());
    for (index, text) in raw.iter().enumerate() {
        match parse_cidr(text) {
            Some(network) => networks.push(network),
            None => complaints.add(format_args!("spec.podCIDRs[{index}]"), text, NOT_A_CIDR),
        }
    }
    networks
}
