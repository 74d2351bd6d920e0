//! Turns a Service as it is written into one that is proxied, or into none.
//!
//! Knows nothing of address families that this node lacks, nor of what the policies lead to.

use std::fmt::Display;
use std::net::IpAddr;

use compact_str::CompactString;
use ipnet::IpNet;

use super::{ClusterIps, Service, ServicePort, ServiceType, SessionAffinity, TrafficPolicy};
use crate::address::{parse_cidr, parse_ip};
use crate::object::complaint::{Complaint, Complaints};
use crate::object::name::NamespacedName;
use crate::object::port::{NOT_A_PORT, parse_key, parse_port};
use crate::object::{NOT_A_CIDR, NOT_AN_IP, raw};

impl Service {
    /// The Service that `raw` describes, or none if it is not proxied, and what cannot be used of it.
    pub fn parse(raw: &raw::Service) -> (Option<Self>, Vec<Complaint>) {
        let name = match raw.name() {
            Ok(name) => name,
            Err(complaint) => return (None, vec![complaint]),
        };
        let mut complaints = Complaints::about("Service", &name);
        let service = parse(raw, name, &mut complaints);
        (service, complaints.into_list())
    }
}

fn parse(raw: &raw::Service, name: NamespacedName, complaints: &mut Complaints) -> Option<Service> {
    if raw.metadata.labels.service_proxy_name.is_some() {
        return None;
    }
    let spec = &raw.spec;
    let service_type = parse_type(spec, complaints)?;
    let cluster_ips = parse_cluster_ips(spec, complaints)?;
    Some(Service {
        name,
        service_type,
        cluster_ips,
        ports: parse_ports(&spec.ports, complaints),
        external_ips: parse_external_ips(&spec.external_ips, complaints),
        lists_external_ips: !spec.external_ips.is_empty(),
        load_balancer_ips: parse_load_balancer_ips(&raw.status.load_balancer.ingress, complaints),
        source_ranges: parse_source_ranges(&spec.load_balancer_source_ranges, complaints),
        session_affinity: parse_session_affinity(spec, complaints),
        external_traffic_policy: parse_policy(
            "spec.externalTrafficPolicy",
            &spec.external_traffic_policy,
            complaints,
        ),
        internal_traffic_policy: parse_policy(
            "spec.internalTrafficPolicy",
            &spec.internal_traffic_policy,
            complaints,
        ),
        health_check_node_port: parse_node_port(
            "spec.healthCheckNodePort",
            spec.health_check_node_port,
            complaints,
        ),
    })
}

/// None for an ExternalName.
fn parse_type(spec: &raw::ServiceSpec, complaints: &mut Complaints) -> Option<ServiceType> {
    match spec.service_type.as_str() {
        "ExternalName" => None,
        "" | "ClusterIP" => Some(ServiceType::ClusterIp),
        "NodePort" => Some(ServiceType::NodePort),
        "LoadBalancer" => Some(ServiceType::LoadBalancer),
        other => {
            complaints.add("spec.type", other, "is not a type of Service; taken as ClusterIP");
            Some(ServiceType::ClusterIp)
        }
    }
}

/// None for a Service that is headless or has no usable cluster IP at all.
fn parse_cluster_ips(spec: &raw::ServiceSpec, complaints: &mut Complaints) -> Option<ClusterIps> {
    match spec.cluster_ip.as_str() {
        "None" => return None,
        "" => {
            complaints.add("spec.clusterIP", "", "is missing, so the Service is not proxied");
            return None;
        }
        _ => {}
    }
    let mut cluster_ips = ClusterIps::default();
    if spec.ip_families.is_empty() {
        match parse_ip(&spec.cluster_ip) {
            Some(address) => cluster_ips.add(address),
            None => complaints.add("spec.clusterIP", &spec.cluster_ip, NOT_AN_IP),
        }
    }
    for (index, family) in spec.ip_families.iter().enumerate() {
        if let Some(address) = parse_cluster_ip(spec, index, family, complaints) {
            cluster_ips.add(address);
        }
    }
    (cluster_ips != ClusterIps::default()).then_some(cluster_ips)
}

/// The cluster IP of `family`, which is the one at `index` in `spec.ipFamilies`.
fn parse_cluster_ip(
    spec: &raw::ServiceSpec,
    index: usize,
    family: &str,
    complaints: &mut Complaints,
) -> Option<IpAddr> {
    if !matches!(family, "IPv4" | "IPv6") {
        complaints.add(format_args!("spec.ipFamilies[{index}]"), family, "is not an IP family");
        return None;
    }
    let Some(text) = spec.cluster_ips.get(index) else {
        complaints.add(format_args!("spec.clusterIPs[{index}]"), "", "is missing for its IP family");
        return None;
    };
    let address = parse_ip(text).filter(|address| address.is_ipv4() == (family == "IPv4"));
    if address.is_none() {
        let reason = format!("is not an {family} address");
        complaints.add(format_args!("spec.clusterIPs[{index}]"), text, &reason);
    }
    address
}

impl ClusterIps {
    /// Takes in `address` unless there is one of its family already.
    fn add(&mut self, address: IpAddr) {
        match address {
            IpAddr::V4(address) => self.v4 = self.v4.or(Some(address)),
            IpAddr::V6(address) => self.v6 = self.v6.or(Some(address)),
        }
    }
}

/// Of several ports with one name and protocol the last one counts: they are one service port.
fn parse_ports(raw: &[raw::ServicePort], complaints: &mut Complaints) -> Vec<ServicePort> {
    let mut ports: Vec<ServicePort> = Vec::with_capacity(raw.len());
    for (index, raw) in raw.iter().enumerate() {
        let path = format!("spec.ports[{index}]");
        let Some(port) = parse_service_port(raw, &path, complaints) else { continue };
        if let Some(earlier) = ports.iter().position(|p| (&p.name, p.protocol) == (&port.name, port.protocol))
        {
            ports.remove(earlier);
            complaints.add(&path, &port.name, "is a name that an earlier port has too; this one counts");
        }
        ports.push(port);
    }
    ports
}

fn parse_service_port(
    raw: &raw::ServicePort,
    path: &str,
    complaints: &mut Complaints,
) -> Option<ServicePort> {
    let (protocol, port) = parse_key(&raw.name, &raw.protocol, raw.port, path, complaints)?;
    let node_port = parse_node_port(format_args!("{path}.nodePort"), raw.node_port, complaints);
    Some(ServicePort { name: raw.name.clone(), protocol, port, node_port })
}

/// 0 is none.
fn parse_node_port(
    field: impl Display,
    number: i64,
    complaints: &mut Complaints,
) -> Option<std::num::NonZeroU16> {
    let port = parse_port(number);
    if port.is_none() && number != 0 {
        complaints.add(field, number, NOT_A_PORT);
    }
    port
}

fn parse_external_ips(raw: &[CompactString], complaints: &mut Complaints) -> Vec<IpAddr> {
    let mut addresses = Vec::with_capacity(raw.len());
    for (index, text) in raw.iter().enumerate() {
        match parse_ip(text) {
            Some(address) => addresses.push(address),
            None if text.trim().is_empty() => {}
            None => complaints.add(format_args!("spec.externalIPs[{index}]"), text, NOT_AN_IP),
        }
    }
    addresses
}

/// An `ipMode` other than `VIP` means that the load balancer delivers to the nodes by itself.
fn parse_load_balancer_ips(raw: &[raw::LoadBalancerIngress], complaints: &mut Complaints) -> Vec<IpAddr> {
    let mut addresses = Vec::with_capacity(raw.len());
    for (index, ingress) in raw.iter().enumerate() {
        let is_vip = ingress.ip_mode.as_ref().is_none_or(|mode| mode == "VIP");
        if ingress.ip.is_empty() || !is_vip {
            continue;
        }
        match parse_ip(&ingress.ip) {
            Some(address) => addresses.push(address),
            None => {
                complaints.add(
                    format_args!("status.loadBalancer.ingress[{index}].ip"),
                    &ingress.ip,
                    NOT_AN_IP,
                );
            }
        }
    }
    addresses
}

fn parse_source_ranges(raw: &[CompactString], complaints: &mut Complaints) -> Vec<IpNet> {
    let mut ranges = Vec::with_capacity(raw.len());
    for (index, text) in raw.iter().enumerate() {
        match parse_cidr(text.trim()) {
            Some(range) => ranges.push(range),
            None if text.trim().is_empty() => {}
            None => {
                complaints.add(format_args!("spec.loadBalancerSourceRanges[{index}]"), text, NOT_A_CIDR);
            }
        }
    }
    ranges
}

/// What the API server fills in.
pub(crate) const DEFAULT_TIMEOUT_SECONDS: u32 = 10800;
/// The longest that the API server lets pass: one day.
const LONGEST_TIMEOUT_SECONDS: u32 = 86400;

fn parse_session_affinity(spec: &raw::ServiceSpec, complaints: &mut Complaints) -> SessionAffinity {
    match spec.session_affinity.as_str() {
        "" | "None" => SessionAffinity::None,
        "ClientIP" => {
            let timeout = spec.session_affinity_config.client_ip.timeout_seconds;
            SessionAffinity::ClientIp { timeout_seconds: parse_timeout(timeout, complaints) }
        }
        other => {
            complaints.add("spec.sessionAffinity", other, "is not None or ClientIP; taken as None");
            SessionAffinity::None
        }
    }
}

fn parse_timeout(seconds: Option<i64>, complaints: &mut Complaints) -> u32 {
    let Some(given) = seconds else { return DEFAULT_TIMEOUT_SECONDS };
    match u32::try_from(given) {
        Ok(seconds @ 1..=LONGEST_TIMEOUT_SECONDS) => seconds,
        Ok(_) | Err(_) => {
            let field = "spec.sessionAffinityConfig.clientIP.timeoutSeconds";
            complaints.add(field, given, "is not from 1 to 86400; taken as 10800");
            DEFAULT_TIMEOUT_SECONDS
        }
    }
}

fn parse_policy(field: &str, text: &str, complaints: &mut Complaints) -> TrafficPolicy {
    match text {
        "" | "Cluster" => TrafficPolicy::Cluster,
        "Local" => TrafficPolicy::Local,
        other => {
            complaints.add(field, other, "is not Cluster or Local; taken as Cluster");
            TrafficPolicy::Cluster
        }
    }
}
