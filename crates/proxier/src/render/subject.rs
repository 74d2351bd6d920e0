//! One service port with all that follows from its record and its endpoints.

use std::net::IpAddr;
use std::num::NonZeroU16;

use crate::chain::{ChainHash, ChainName, Role};
use crate::endpoint::Endpoint;
use crate::rule::{Address, Match, Target};
use crate::service::{ServicePort, ServicePortName};
use crate::topology::{ThisNode, Topology, categorize};

use super::Context;

/// A service port about to be rendered.
pub(super) struct Subject<'a> {
    pub(super) context: &'a Context<'a>,
    pub(super) name: &'a ServicePortName,
    /// `namespace/name:port`, as comments have it.
    pub(super) text: String,
    pub(super) port: &'a ServicePort,
    pub(super) endpoints: &'a [Endpoint<'a>],
    pub(super) topology: Topology,
    hash: ChainHash,
    /// Of the endpoints in `topology.reachable`, in that order.
    endpoint_chains: Vec<ChainName>,
}

/// Whether traffic finds an endpoint, and if not, how it is refused.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reachability {
    /// A usable endpoint exists somewhere in the cluster. If not, all traffic is rejected.
    pub any: bool,
    /// Traffic to the cluster IP finds an endpoint. If not, and one exists elsewhere, it is dropped.
    pub internal: bool,
    /// Traffic to node port, external IP or load balancer IP finds an endpoint. If not, and one
    /// exists elsewhere, it is dropped.
    pub external: bool,
}

impl<'a> Subject<'a> {
    pub(super) fn new(
        name: &'a ServicePortName,
        port: &'a ServicePort,
        endpoints: &'a [Endpoint<'a>],
        node: &ThisNode,
        context: &'a Context<'a>,
    ) -> Self {
        let topology = categorize(endpoints, port, node);
        let (text, protocol) = (name.to_string(), name.protocol.name());
        let endpoint_chain = |&index: &usize| {
            ChainName::hashed(Role::Endpoint, ChainHash::of(&[&text, protocol, &endpoints[index].text]))
        };
        let endpoint_chains = topology.reachable.iter().map(endpoint_chain).collect();
        let hash = ChainHash::of(&[&text, protocol]);
        Self { context, name, text, port, endpoints, topology, hash, endpoint_chains }
    }

    pub(super) fn reachability(&self) -> Reachability {
        let any = self.topology.any;
        let local = !self.topology.local.is_empty();
        Reachability {
            any,
            internal: any && (!self.port.internal_policy_local || local),
            external: any && (!self.port.external_policy_local || local),
        }
    }

    /// Whether anything but the cluster IP leads to endpoints, perhaps only from this node and its pods.
    pub(super) fn has_external(&self) -> bool {
        self.topology.any && self.port.is_externally_accessible()
    }

    /// Whether load balancer IPs are open to some sources only.
    pub(super) fn has_firewall(&self) -> bool {
        self.topology.any && !self.port.load_balancer_ips.is_empty() && !self.port.source_ranges.is_empty()
    }

    /// External IPs for which rules are written.
    pub(super) fn external_ips(&self) -> &[IpAddr] {
        if self.context.options.external_ips { &self.port.external_ips } else { &[] }
    }

    pub(super) fn chain(&self, role: Role) -> ChainName {
        ChainName::hashed(role, self.hash)
    }

    pub(super) fn internal_chain(&self) -> ChainName {
        self.chain(if self.port.internal_policy_local { Role::Local } else { Role::Cluster })
    }

    pub(super) fn external_chain(&self) -> ChainName {
        self.chain(if self.port.external_policy_local { Role::Local } else { Role::Cluster })
    }

    pub(super) fn load_balancer_chain(&self) -> ChainName {
        self.chain(if self.has_firewall() { Role::Firewall } else { Role::External })
    }

    pub(super) fn endpoint_chain(&self, index: usize) -> ChainName {
        let position = self.topology.reachable.binary_search(&index);
        self.endpoint_chains[position.expect("whatever is in use is reachable")].clone()
    }

    /// Comment and target for traffic that finds no endpoint: rejected if there is none anywhere,
    /// dropped if there are some on other nodes.
    pub(super) fn refusal(&self) -> (Match, Target) {
        if self.topology.any {
            (self.comment("has no local endpoints"), Target::Drop)
        } else {
            (self.comment("has no endpoints"), Target::Reject)
        }
    }

    /// `namespace/name:port` followed by words.
    pub(super) fn comment(&self, words: &str) -> Match {
        Match::Comment(format!("{} {words}", self.text).into())
    }

    /// `namespace/name:port` alone.
    pub(super) fn bare_comment(&self) -> Match {
        Match::Comment(self.text.as_str().into())
    }

    /// To an address and the Service's port.
    pub(super) fn to(&self, address: IpAddr) -> [Match; 3] {
        let destination = Match::Destination(Address::host(address));
        [Match::Protocol(self.name.protocol), destination, Match::DestinationPort(self.port.port.get())]
    }

    /// To a port of whatever address.
    pub(super) fn to_port(&self, port: NonZeroU16) -> [Match; 2] {
        [Match::Protocol(self.name.protocol), Match::DestinationPort(port.get())]
    }
}
