//! Who am I: this node's name, its addresses by family, and the family that comes first.
//!
//! Knows nothing of how the Node object and the host's addresses are come by.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use informer::object::Node;
use ipnet::IpNet;

use crate::family::Family;

/// What is known of this node before the first sync.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeIdentity {
    /// `metadata.name`, in lower case.
    pub name: String,
    /// Its addresses.
    pub ips: NodeIps,
    /// `spec.podCIDRs`.
    pub pod_cidrs: Vec<IpNet>,
}

impl NodeIdentity {
    /// From the Node object, or, where there is none, from the host's own addresses.
    pub fn new(name: &str, node: Option<&Node>, host_addresses: &[IpAddr], bind_address: IpAddr) -> Self {
        let addresses = node.map_or_else(|| global_addresses(host_addresses), |node| node.addresses.clone());
        let pod_cidrs = node.map_or_else(Vec::new, |node| node.pod_cidrs.clone());
        Self { name: name.to_owned(), ips: NodeIps::choose(&addresses, bind_address), pod_cidrs }
    }
}

/// This node's addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NodeIps {
    /// The family that must be served.
    pub primary: Family,
    v4: Ipv4Addr,
    v6: Ipv6Addr,
}

impl NodeIps {
    /// From `status.addresses` in order, and `bindAddress`, which wins for its family if it is specific.
    /// A family without an address gets loopback.
    pub fn choose(addresses: &[IpAddr], bind_address: IpAddr) -> Self {
        let primary = addresses.first().map_or(Family::V4, |address| Family::of(*address));
        let mut ips = Self { primary, v4: Ipv4Addr::LOCALHOST, v6: Ipv6Addr::LOCALHOST };
        for family in Family::ALL {
            addresses
                .iter()
                .find(|address| Family::of(**address) == family)
                .into_iter()
                .for_each(|ip| ips.set(*ip));
        }
        if !bind_address.is_unspecified() {
            ips.set(bind_address);
            ips.primary = Family::of(bind_address);
        }
        ips
    }

    /// The address of a family; loopback if none is known.
    pub fn of(&self, family: Family) -> IpAddr {
        match family {
            Family::V4 => self.v4.into(),
            Family::V6 => self.v6.into(),
        }
    }

    /// What `nodePortAddresses: [primary]` stands for: each known address with its full length.
    pub fn as_cidrs(&self) -> Vec<IpNet> {
        let known = Family::ALL.iter().map(|family| self.of(*family)).filter(|ip| !ip.is_loopback());
        known.map(IpNet::from).collect()
    }

    fn set(&mut self, address: IpAddr) {
        match address {
            IpAddr::V4(address) => self.v4 = address,
            IpAddr::V6(address) => self.v6 = address,
        }
    }
}

/// Addresses by which other hosts may reach this one: what stands in for a Node object where there is none.
fn global_addresses(addresses: &[IpAddr]) -> Vec<IpAddr> {
    let is_global = |address: &&IpAddr| match address {
        IpAddr::V4(address) => !address.is_loopback() && !address.is_link_local(),
        IpAddr::V6(address) => !address.is_loopback() && !address.is_unicast_link_local(),
    };
    addresses.iter().filter(is_global).copied().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_and_bind_address_decide_on_the_primary_family() {
        let (a, b) = ("192.168.1.1", "fd00:1234::1");
        for (node, bind, primary, v4, v6) in [
            (&[][..], "0.0.0.0", Family::V4, "127.0.0.1", "::1"),
            (&[], "10.0.0.1", Family::V4, "10.0.0.1", "::1"),
            (&[], "fd00:4321::2", Family::V6, "127.0.0.1", "fd00:4321::2"),
            (&[a], "0.0.0.0", Family::V4, a, "::1"),
            (&[a], "::", Family::V4, a, "::1"),
            (&[b], "::", Family::V6, "127.0.0.1", b),
            (&[a, b], "::", Family::V4, a, b),
            (&[b, a], "0.0.0.0", Family::V6, a, b),
            (&[b, a], "80.80.80.80", Family::V4, "80.80.80.80", b),
            (&[a, b], "2001:db8::555", Family::V6, a, "2001:db8::555"),
            (&[b, a], "127.0.0.1", Family::V4, "127.0.0.1", b),
            (&[a, "192.168.1.9"], "0.0.0.0", Family::V4, a, "::1"),
        ] {
            let node: Vec<_> = node.iter().map(|ip| ip.parse().unwrap()).collect();
            let ips = NodeIps::choose(&node, bind.parse().unwrap());
            let expected = NodeIps { primary, v4: v4.parse().unwrap(), v6: v6.parse().unwrap() };
            assert_eq!(ips, expected, "{node:?} {bind}");
        }
    }

    #[test]
    fn loopback_is_no_primary_address() {
        let ips = NodeIps::choose(&["10.0.0.1".parse().unwrap()], Ipv4Addr::UNSPECIFIED.into());
        assert_eq!(ips.as_cidrs(), ["10.0.0.1/32".parse().unwrap()]);
    }
}
