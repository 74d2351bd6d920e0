//! Turns recorded objects into a client outside and pods with servers around a node, and into addresses to ask.
//!
//! Does not know which of the addresses deliver.

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};

use anyhow::{Context, Result};
use e2e::netns::Netns;
use serde_yaml::Value;

use crate::load::Target;
use crate::server::Servers;

/// What stands around the node. All pods share a namespace; it has their addresses.
pub(crate) struct Network {
    pub(crate) client: Netns,
    _servers: Servers,
    _pods: Netns,
}

/// The node gets no address that it did not have, except on the link: rules may depend on its addresses.
const NODE: &str = "\
addr add fe80::1/64 dev client0 nodad
addr add fe80::1/64 dev pods0 nodad
route add 192.168.50.10 dev client0
route add fd00:50::10 dev client0
route add 10.244.0.0/16 dev pods0
route add fd00:10:244::/48 dev pods0
";

const FAR: &str = "\
route add default via 10.200.0.2 dev eth0 onlink
route add default via fe80::1 dev eth0
";

impl Network {
    /// Builds it around the node, with a server at each endpoint that has an address of a pod.
    pub(crate) fn around(node: &Netns, objects: &[Value]) -> Result<Network> {
        let (client, pods) = (Netns::new("client")?, Netns::new("pods")?);
        node.connect("client0", &client, "eth0")?;
        node.connect("pods0", &pods, "eth0")?;
        node.ip(NODE)?;
        node.set_sysctl("net.ipv4.ip_forward", "1")?;
        node.set_sysctl("net.ipv6.conf.all.forwarding", "1")?;
        client.ip("addr add 192.168.50.10/32 dev eth0\naddr add fd00:50::10/128 dev eth0 nodad")?;
        client.ip(FAR)?;
        let endpoints = endpoints(objects);
        let addresses: BTreeSet<IpAddr> = endpoints.iter().map(|endpoint| endpoint.address.ip()).collect();
        for address in addresses {
            let own = if address.is_ipv4() { format!("{address}/32") } else { format!("{address}/128") };
            pods.ip(&format!("addr add {own} dev eth0{}", if address.is_ipv4() { "" } else { " nodad" }))?;
        }
        pods.ip(FAR)?;
        let at = endpoints.into_iter().map(|endpoint| (endpoint.protocol(), endpoint.address));
        let servers = Servers::start(&pods, at)?;
        Ok(Network { client, _servers: servers, _pods: pods })
    }

    /// The addresses of Services that deliver to the client, before anything has happened.
    pub(crate) fn deliver(&self, objects: &[Value]) -> Result<Vec<Target>> {
        let asked: Vec<_> = addresses(objects)
            .into_iter()
            .map(|target| (target, self.client.spawn(move || target.answers())))
            .collect();
        let mut delivering = Vec::new();
        for (target, answers) in asked {
            if answers.join().ok().context("asking does not panic")? {
                delivering.push(target);
            }
        }
        Ok(delivering)
    }
}

fn endpoints(objects: &[Value]) -> BTreeSet<Target> {
    let mut endpoints = BTreeSet::new();
    for slice in objects.iter().filter(|object| object["kind"] == "EndpointSlice") {
        let addresses = list(&slice["endpoints"]).flat_map(|endpoint| list(&endpoint["addresses"]));
        for ip in addresses.filter_map(ip).filter(|ip| is_of_pod(*ip)) {
            endpoints.extend(list(&slice["ports"]).filter_map(|port| target(ip, port, "port")));
        }
    }
    endpoints
}

fn addresses(objects: &[Value]) -> BTreeSet<Target> {
    let mut addresses = BTreeSet::new();
    for service in objects.iter().filter(|object| object["kind"] == "Service") {
        let spec = &service["spec"];
        let ingress = list(&service["status"]["loadBalancer"]["ingress"]).map(|ingress| &ingress["ip"]);
        let own: Vec<IpAddr> = list(&spec["clusterIPs"])
            .chain(list(&spec["externalIPs"]))
            .chain(ingress)
            .filter_map(ip)
            .collect();
        let node = ["10.200.0.2", "fd00:200::2"].map(|node| node.parse().expect("it is an address"));
        for port in list(&spec["ports"]) {
            addresses.extend(own.iter().filter_map(|ip| target(*ip, port, "port")));
            addresses.extend(node.iter().filter_map(|ip| target(*ip, port, "nodePort")));
        }
    }
    addresses
}

/// TCP and UDP only: they are what sockets of every kernel speak.
fn target(ip: IpAddr, port: &Value, field: &str) -> Option<Target> {
    let number = u16::try_from(port[field].as_u64()?).ok()?;
    let is_udp = match port["protocol"].as_str() {
        Some("TCP") | None => false,
        Some("UDP") => true,
        Some(_) => return None,
    };
    Some(Target { is_udp, address: SocketAddr::new(ip, number) })
}

fn list(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_sequence().into_iter().flatten()
}

fn ip(value: &Value) -> Option<IpAddr> {
    value.as_str()?.parse().ok()
}

fn is_of_pod(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => address.octets()[..2] == [10, 244],
        IpAddr::V6(address) => address.segments()[..3] == [0xfd00, 0x10, 0x244],
    }
}
