//! Turns a configuration and a node into what does not fit between them, or may be open more widely than meant.
//!
//! Knows nothing of what is wrong in the configuration by itself: it has been checked.

use std::net::{IpAddr, SocketAddr};

use config::address::{parse_cidr, parse_ip};
use config::{Checked, DetectLocal, NodePortAddresses};
use ipnet::IpNet;
use proxier::family::Family;
use proxier::node::NodeIdentity;
use tracing::error;

use crate::log;

/// Something that does not fit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Flaw {
    /// The operator should know.
    Logged(String),
    /// Traffic would be treated wrongly: better not to start.
    Fatal(String),
}

/// Which families this host can serve.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stack {
    /// The node's primary family alone.
    Single,
    /// Both.
    Dual,
}

/// A configuration with which nothing should be served.
#[derive(Debug, thiserror::Error)]
#[error("kube-proxy configuration is incorrect: {0}")]
pub(crate) struct Incorrect(String);

impl Flaw {
    fn text(&self) -> &str {
        match self {
            Self::Logged(text) | Self::Fatal(text) => text,
        }
    }
}

/// Logs the flaws in one line, if there are any.
///
/// # Errors
/// One of them is fatal; the error holds the others too.
pub(crate) fn settle(flaws: &[Flaw]) -> Result<(), Incorrect> {
    let texts: Vec<_> = flaws.iter().map(Flaw::text).collect();
    let all = match texts.as_slice() {
        [] => return Ok(()),
        [one] => (*one).to_owned(),
        several => format!("[{}]", several.join(", ")),
    };
    if flaws.iter().any(|flaw| matches!(flaw, Flaw::Fatal(_))) {
        return Err(Incorrect(all));
    }
    let causes = log::causes(texts.iter().copied());
    error!(err = all, errCauses = %causes, "Kube-proxy configuration may be incomplete or incorrect");
    Ok(())
}

/// Whether `nodePortAddresses` leaves node ports open on more addresses than meant.
pub(crate) fn of_node_ports(config: &Checked, node: &NodeIdentity) -> Option<Flaw> {
    let cidrs = match &config.node_port_addresses {
        NodePortAddresses::All => Vec::new(),
        NodePortAddresses::Primary => node.ips.as_cidrs(),
        NodePortAddresses::Cidrs(cidrs) => cidrs.clone(),
    };
    let primary = node.ips.primary;
    let of_primary = cidrs.iter().filter(|cidr| family(cidr) == primary).count();
    let open = if cidrs.is_empty() {
        "nodePortAddresses is empty: node ports are open on all local IPs; \
         \"--nodeport-addresses primary\" limits them to the IPs of the node"
            .to_owned()
    } else if of_primary == 0 {
        format!(
            "nodePortAddresses has no {primary} element, though {primary} is the primary family: \
             node ports are open on all local {primary} IPs"
        )
    } else if of_primary == cidrs.len() && is_dual_stack(&cidrs, config, node) {
        let other = other(primary);
        format!(
            "nodePortAddresses has only {primary} elements in a dual-stack cluster: \
             node ports are open on all local {other} IPs"
        )
    } else {
        return None;
    };
    Some(Flaw::Logged(open))
}

/// What is of the other family than it should be, in the order of the fields.
pub(crate) fn of_families(config: &Checked, node: &NodeIdentity, stack: Stack) -> Vec<Flaw> {
    let wrong = other(node.ips.primary);
    let judge = |field: &str, weight: fn(String) -> Flaw| {
        weight(format!("{field}: {wrong} only, but the primary family of this node is {}", node.ips.primary))
    };
    let mut flaws = Vec::new();
    if all_are(wrong, &read(&config.config.cluster_cidrs)) {
        let detects = matches!(config.detect_local, DetectLocal::ClusterCidr(_)) && stack == Stack::Single;
        flaws.push(judge("clusterCIDR", weight(detects)));
    }
    if all_are(wrong, &node.pod_cidrs) {
        flaws.push(judge("podCIDRs of the node", weight(config.detect_local == DetectLocal::NodeCidr)));
    }
    if parse_ip(&config.config.winkernel.source_vip).map(Family::of) == Some(wrong) {
        flaws.push(judge("winkernel.sourceVip", Flaw::Logged));
    }
    if stack == Stack::Dual {
        return flaws;
    }
    if all_are(wrong, &read(exclude_cidrs(config))) {
        flaws.push(judge("ipvs.excludeCIDRs", Flaw::Logged));
    }
    let sockets = [
        ("healthzBindAddress", config.healthz_bind_address),
        ("metricsBindAddress", config.metrics_bind_address),
    ];
    let elsewhere = sockets.iter().filter(|(_, socket)| is_specific_of(wrong, *socket));
    flaws.extend(elsewhere.map(|(field, _)| judge(field, Flaw::Logged)));
    flaws
}

fn weight(is_needed: bool) -> fn(String) -> Flaw {
    if is_needed { Flaw::Fatal } else { Flaw::Logged }
}

/// Whether anything says so; objects of the cluster are not known yet.
fn is_dual_stack(node_ports: &[IpNet], config: &Checked, node: &NodeIdentity) -> bool {
    let cluster = read(&config.config.cluster_cidrs);
    let excluded = read(exclude_cidrs(config));
    let lists = [cluster.as_slice(), node_ports, &excluded, &node.pod_cidrs];
    lists.iter().any(|list| Family::ALL.iter().all(|of| list.iter().any(|cidr| family(cidr) == *of)))
}

fn exclude_cidrs(config: &Checked) -> &[String] {
    config.config.ipvs.exclude_cidrs.as_deref().unwrap_or_default()
}

/// The elements, or none at all if one of them cannot be read.
fn read(cidrs: &[String]) -> Vec<IpNet> {
    cidrs.iter().map(|cidr| parse_cidr(cidr)).collect::<Option<_>>().unwrap_or_default()
}

fn all_are(wrong: Family, cidrs: &[IpNet]) -> bool {
    !cidrs.is_empty() && cidrs.iter().all(|cidr| family(cidr) == wrong)
}

fn is_specific_of(wrong: Family, socket: Option<SocketAddr>) -> bool {
    let ip = socket.as_ref().map(SocketAddr::ip);
    ip.filter(|ip| !ip.is_unspecified()).map(Family::of) == Some(wrong)
}

fn family(cidr: &IpNet) -> Family {
    let address: IpAddr = cidr.addr();
    Family::of(address)
}

fn other(family: Family) -> Family {
    match family {
        Family::V4 => Family::V6,
        Family::V6 => Family::V4,
    }
}

#[cfg(test)]
mod tests;
