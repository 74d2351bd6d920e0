//! What shapes the rules besides the cluster's objects: options of one family, and facts about the host.
//!
//! Knows nothing of flags and of how configuration is read.

use std::net::{IpAddr, Ipv4Addr};

use config::{Checked, DetectLocal, Gate};
use ipnet::{IpNet, Ipv4Net};

use crate::family::Family;
use crate::node::NodeIdentity;

/// The options of one family's rules; they do not change while the daemon runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// `iptables.masqueradeAll`.
    pub masquerade_all: bool,
    /// `1 << iptables.masqueradeBit`.
    pub masquerade_mark: u32,
    /// `detectLocalMode`, resolved for this family; absent if pods cannot be told apart.
    pub local_detector: Option<LocalDetector>,
    /// `nodePortAddresses` of this family.
    pub node_port_addresses: NodePortAddresses,
    /// `iptables.localhostNodePorts`, if it has an effect: IPv4, and loopback is a node-port address.
    pub localhost_node_ports: bool,
    /// This node's address; decides whether source ranges include the node.
    pub node_ip: IpAddr,
    /// Feature gate `AllowServiceExternalIPs`.
    pub external_ips: bool,
    /// Whether packets that conntrack calls invalid are dropped: `nf_conntrack_tcp_be_liberal` is 0.
    pub drop_invalid: bool,
    /// Whether iptables knows `MASQUERADE --random-fully` (1.6.2 and later).
    pub random_fully: bool,
}

impl Options {
    /// The options of a family, from the configuration and what is known of the node and its tools.
    ///
    /// # Errors
    /// The configuration does not fit the node.
    pub fn new(
        family: Family,
        config: &Checked,
        node: &NodeIdentity,
        tools: Tools,
    ) -> Result<Self, NoPodCidrs> {
        let cidrs = match &config.node_port_addresses {
            config::NodePortAddresses::All => Vec::new(),
            config::NodePortAddresses::Primary => node.ips.as_cidrs(),
            config::NodePortAddresses::Cidrs(cidrs) => cidrs.clone(),
        };
        let node_port_addresses = NodePortAddresses::of_family(&cidrs, family);
        let reaches_loopback = family == Family::V4 && node_port_addresses.reach_ipv4_loopback();
        Ok(Self {
            masquerade_all: config.config.masquerade_all,
            masquerade_mark: config.masquerade_mark,
            local_detector: LocalDetector::new(family, &config.detect_local, node)?,
            node_port_addresses,
            localhost_node_ports: config.config.iptables.localhost_node_ports && reaches_loopback,
            node_ip: node.ips.of(family),
            external_ips: config.gates.is_enabled(Gate::AllowServiceExternalIPs),
            drop_invalid: !tools.is_tcp_liberal,
            random_fully: tools.random_fully,
        })
    }
}

/// What the kernel and the tools were found to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tools {
    /// Whether iptables knows `MASQUERADE --random-fully`.
    pub random_fully: bool,
    /// `nf_conntrack_tcp_be_liberal` is not 0.
    pub is_tcp_liberal: bool,
}

/// `detectLocalMode: NodeCIDR` needs a node with `spec.podCIDRs`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("detectLocalMode is NodeCIDR, but node {node:?} has no spec.podCIDRs")]
pub struct NoPodCidrs {
    node: String,
}

impl LocalDetector {
    fn new(family: Family, mode: &DetectLocal, node: &NodeIdentity) -> Result<Option<Self>, NoPodCidrs> {
        let of_family =
            |cidrs: &[IpNet]| cidrs.iter().copied().find(|cidr| Family::of(cidr.addr()) == family);
        Ok(match mode {
            DetectLocal::ClusterCidr(cidrs) => of_family(cidrs).map(Self::Source),
            DetectLocal::NodeCidr if node.pod_cidrs.is_empty() => {
                return Err(NoPodCidrs { node: node.name.clone() });
            }
            DetectLocal::NodeCidr => of_family(&node.pod_cidrs).map(Self::Source),
            DetectLocal::BridgeInterface(name) => Some(Self::Interface(name.as_str().into())),
            DetectLocal::InterfaceNamePrefix(prefix) => Some(Self::Interface(format!("{prefix}+").into())),
        })
    }
}

/// How traffic from pods of this cluster is told from other traffic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LocalDetector {
    /// By source address: `ClusterCIDR`, `NodeCIDR`.
    Source(IpNet),
    /// By the interface it comes in on: `BridgeInterface` (a name), `InterfaceNamePrefix` (a prefix and `+`).
    Interface(Box<str>),
}

/// Where node ports are served, in one family.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NodePortAddresses {
    /// On every local address.
    All,
    /// On the local addresses inside these CIDRs.
    Within(Vec<IpNet>),
}

impl NodePortAddresses {
    /// The elements of `nodePortAddresses` that count for a family: no element, or one of length zero, means all.
    pub fn of_family(cidrs: &[IpNet], family: Family) -> Self {
        let of_family: Vec<_> =
            cidrs.iter().copied().filter(|cidr| Family::of(cidr.addr()) == family).collect();
        if of_family.is_empty() || of_family.iter().any(|cidr| cidr.prefix_len() == 0) {
            Self::All
        } else {
            Self::Within(of_family)
        }
    }

    /// Whether an IPv4 list reaches into 127.0.0.0/8, so that localhost node ports can have an effect.
    pub fn reach_ipv4_loopback(&self) -> bool {
        let loopback = Ipv4Net::new_assert(Ipv4Addr::new(127, 0, 0, 0), 8);
        match self {
            Self::All => true,
            Self::Within(cidrs) => cidrs.iter().any(|cidr| match cidr {
                IpNet::V4(cidr) => loopback.contains(&cidr.network()) || cidr.contains(&loopback.network()),
                IpNet::V6(_) => false,
            }),
        }
    }

    /// Those of the host's addresses on which node ports answer; each once, in order.
    pub fn matching(&self, addresses: &[IpAddr]) -> Vec<IpAddr> {
        let mut matching: Vec<_> = match self {
            Self::All => addresses.to_vec(),
            Self::Within(cidrs) => {
                addresses.iter().copied().filter(|ip| cidrs.iter().any(|cidr| cidr.contains(ip))).collect()
            }
        };
        matching.sort();
        matching.dedup();
        matching
    }
}

/// Facts about the host that are looked at anew for each sync.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Host {
    /// Every address of every interface, loopback included.
    pub addresses: Vec<IpAddr>,
    /// Whether the nfacct counter `ct_state_invalid_dropped_pkts` exists.
    pub counts_invalid: bool,
    /// Whether the nfacct counter `localhost_nps_accepted_pkts` exists.
    pub counts_localhost: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cidrs(list: &[&str]) -> Vec<IpNet> {
        list.iter().map(|cidr| cidr.parse::<IpNet>().unwrap().trunc()).collect()
    }

    #[test]
    fn lists_of_one_family_leave_the_other_open() {
        let ips = |list: &[&str]| list.iter().map(|ip| ip.parse().unwrap()).collect::<Vec<IpAddr>>();
        let host = ips(&["::1", "127.0.0.1", "10.20.30.51", "100.200.201.1", "2001:db8::1"]);
        for (list, v4, v6) in [
            (&[][..], None, None),
            (&["10.20.30.0/24"], Some(ips(&["10.20.30.51"])), None),
            (&["0.0.0.0/0"], None, None),
            (&["2001:db8::/64", "::1/128"], None, Some(ips(&["::1", "2001:db8::1"]))),
            (&["127.0.0.1/32"], Some(ips(&["127.0.0.1"])), None),
            (&["1.2.3.0/24"], Some(ips(&[])), None),
            (&["1.2.3.0/24", "0.0.0.0/0"], None, None),
            (&["0.0.0.0/0", "1.2.3.0/24", "2001:db8::1/128"], None, Some(ips(&["2001:db8::1"]))),
            (
                &["10.20.30.0/24", "10.20.0.0/16", "100.0.0.0/8"],
                Some(ips(&["10.20.30.51", "100.200.201.1"])),
                None,
            ),
        ] {
            for (family, expected) in [(Family::V4, v4), (Family::V6, v6)] {
                let addresses = NodePortAddresses::of_family(&cidrs(list), family);
                let matching = (addresses != NodePortAddresses::All).then(|| addresses.matching(&host));
                assert_eq!(matching, expected, "{list:?} {family}");
            }
        }
    }

    #[test]
    fn loopback_is_reached_from_inside_and_from_outside() {
        for (list, expected) in [
            (&[][..], true),
            (&["192.168.0.0/16", "0.0.0.0/0"], true),
            (&["192.168.0.0/16", "::/0"], false),
            (&["::/0"], true),
            (&["192.168.0.0/16", "127.0.0.0/8"], true),
            (&["192.168.0.0/16", "::1/128"], false),
            (&["127.0.2.0/28"], true),
            (&["64.0.0.0/2"], true),
            (&["128.0.2.0/28"], false),
        ] {
            let addresses = NodePortAddresses::of_family(&cidrs(list), Family::V4);
            assert_eq!(addresses.reach_ipv4_loopback(), expected, "{list:?}");
        }
    }
}
