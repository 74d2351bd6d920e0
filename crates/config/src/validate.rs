//! Turns a complete configuration into one that is known to make sense, its addresses read.
//!
//! Finds everything that is wrong, not just the first. Does not know the node, nor its address families.

mod logging;

use std::net::{IpAddr, SocketAddr};

use ipnet::IpNet;

use crate::address::{self, BadSocket};
use crate::config::{Config, DetectLocalMode, ProxyMode};
use crate::gate::Gates;
use crate::problem::{Collector, Json, Problems};

/// The word in `nodePortAddresses` that stands for the node's own addresses.
pub const PRIMARY: &str = "primary";

/// The release whose hidden metrics may be shown.
const PREVIOUS_MINOR: &str = "1.35";
/// Bytes of a name of an interface, without what the kernel ends it with.
const MAX_INTERFACE_NAME: usize = 15;
const NOT_A_CIDR: &str = "must be a CIDR block such as 10.100.0.0/16 or fde4:8dba:82e1::/48";

/// A configuration without a problem, and its text read into values.
#[derive(Debug, Clone, PartialEq)]
pub struct Checked {
    /// The configuration; its mode is iptables.
    pub config: Config,
    /// `featureGates`.
    pub gates: Gates,
    /// `bindAddress`.
    pub bind_address: IpAddr,
    /// `healthzBindAddress`; `None` means that there is no health server.
    pub healthz_bind_address: Option<SocketAddr>,
    /// `metricsBindAddress`; `None` means that there is no metrics server.
    pub metrics_bind_address: Option<SocketAddr>,
    /// `nodePortAddresses`.
    pub node_port_addresses: NodePortAddresses,
    /// `detectLocalMode` with what the mode needs.
    pub detect_local: DetectLocal,
    /// The packet mark that means "masquerade": one bit, `iptables.masqueradeBit`.
    pub masquerade_mark: u32,
}

/// Which local addresses take node-port traffic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NodePortAddresses {
    /// All of them.
    All,
    /// The node's own addresses, one per family.
    Primary,
    /// Those in one of these networks, in the order given, masked.
    Cidrs(Vec<IpNet>),
}

/// How traffic of this node's pods is told from other traffic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DetectLocal {
    /// By source in `clusterCIDR`: none, one, or one network per family, masked.
    ClusterCidr(Vec<IpNet>),
    /// By source in the pod CIDRs of the Node object.
    NodeCidr,
    /// By the interface that it comes in through: this one.
    BridgeInterface(String),
    /// By the interface that it comes in through: those whose names start so.
    InterfaceNamePrefix(String),
}

impl Config {
    /// Checks everything but `logging`.
    ///
    /// # Errors
    /// All that is wrong.
    pub fn check(self) -> Result<Checked, Problems> {
        let mut found = Collector::below("KubeProxyConfiguration");
        let gates = gates(&self, &mut found);
        let masquerade_mark = masquerade_mark(&self, &mut found);
        numbers(&self, &mut found);
        mode(&self, &mut found);
        periods(&self, &mut found);
        let bind_address = bind_address(&self, &mut found);
        let healthz = socket("HealthzBindAddress", &self.healthz_bind_address, &mut found);
        let metrics = socket("MetricsBindAddress", &self.metrics_bind_address, &mut found);
        let node_port_addresses = node_port_addresses(&self, &mut found);
        hidden_metrics(&self, &mut found);
        let detect_local = detect_local(&self, &mut found);
        let values = (|| {
            Some(Checked {
                gates: gates?,
                masquerade_mark: masquerade_mark?,
                bind_address: bind_address?,
                healthz_bind_address: healthz,
                metrics_bind_address: metrics,
                node_port_addresses,
                detect_local: detect_local?,
                config: self,
            })
        })();
        found.finish(values)
    }
}

// === numbers and words ===

fn gates(config: &Config, found: &mut Collector) -> Option<Gates> {
    match Gates::new(&config.feature_gates) {
        Ok((gates, _)) => Some(gates),
        Err(locked) => {
            found.invalid("featureGates", Json(&config.feature_gates), &locked.to_string());
            None
        }
    }
}

fn masquerade_mark(config: &Config, found: &mut Collector) -> Option<u32> {
    let bit = config.iptables.masquerade_bit;
    let mark = u32::try_from(bit).ok().and_then(|bit| 1_u32.checked_shl(bit));
    if mark.is_none() {
        let path = "KubeProxyIPTablesConfiguration.MasqueradeBit";
        found.invalid(path, bit, "must be within the range [0, 31]");
    }
    mark
}

fn numbers(config: &Config, found: &mut Collector) {
    let below = |name| format!("KubeProxyLinuxConfiguration.KubeProxyConntrackConfiguration.{name}");
    let conntrack = &config.conntrack;
    found.at_least_zero(&below("MaxPerCore"), conntrack.max_per_core);
    found.at_least_zero(&below("Min"), conntrack.min);
    found.at_least_zero(&below("TCPEstablishedTimeout"), conntrack.tcp_established_timeout);
    found.at_least_zero(&below("TCPCloseWaitTimeout"), conntrack.tcp_close_wait_timeout);
    found.at_least_zero(&below("UDPTimeout"), conntrack.udp_timeout);
    found.at_least_zero(&below("UDPStreamTimeout"), conntrack.udp_stream_timeout);
    if !(-1000..=1000).contains(&config.oom_score_adj) {
        let path = "KubeProxyLinuxConfiguration.OOMScoreAdj";
        found.invalid(path, config.oom_score_adj, "must be within the range [-1000, 1000]");
    }
}

fn mode(config: &Config, found: &mut Collector) {
    let reason = match &config.mode {
        ProxyMode::Iptables => return,
        ProxyMode::Ipvs | ProxyMode::Nftables => "this kube-proxy implements only the mode iptables",
        ProxyMode::Other(_) => "there is no such mode: this kube-proxy implements only the mode iptables",
    };
    found.invalid("Mode.ProxyMode", config.mode.as_str(), reason);
}

fn periods(config: &Config, found: &mut Collector) {
    found.at_least_zero("ClientConnection.Burst", config.client_connection.burst);
    found.more_than_zero("ConfigSyncPeriod", config.config_sync_period);
    found.more_than_zero("SyncPeriod", config.sync_period);
    found.at_least_zero("MinSyncPeriod", config.min_sync_period);
    if config.min_sync_period > config.sync_period {
        let reason = format!("must not be greater than the sync period of {}", config.sync_period);
        found.invalid("SyncPeriod", config.min_sync_period, &reason);
    }
}

fn hidden_metrics(config: &Config, found: &mut Collector) {
    let version = config.show_hidden_metrics_for_version.as_str();
    if !version.is_empty() && version != PREVIOUS_MINOR {
        let reason = format!("must be empty or the previous minor version, {PREVIOUS_MINOR}");
        found.invalid("ShowHiddenMetricsForVersion", version, &reason);
    }
}

// === addresses ===

fn bind_address(config: &Config, found: &mut Collector) -> Option<IpAddr> {
    let address = address::parse_ip(&config.bind_address);
    if address.is_none() {
        let reason = "must be an IP address such as 10.9.8.7 or fd00::7, without a port";
        found.invalid("BindAddress", config.bind_address.as_str(), reason);
    }
    address
}

/// An empty address means no server.
fn socket(path: &str, text: &str, found: &mut Collector) -> Option<SocketAddr> {
    if text.is_empty() {
        return None;
    }
    match address::parse_socket(text) {
        Ok(socket) => return Some(socket),
        Err(BadSocket::Form(whole)) => found.invalid(path, whole.as_str(), "must be IP:port"),
        Err(BadSocket::Host(host)) => found.invalid(path, host.as_str(), "must be an IP address"),
        Err(BadSocket::Port(port)) => {
            found.invalid(path, port.as_str(), "must be a port number from 1 to 65535");
        }
    }
    None
}

fn node_port_addresses(config: &Config, found: &mut Collector) -> NodePortAddresses {
    let texts = config.node_port_addresses.as_deref().unwrap_or_default();
    match texts {
        [] => return NodePortAddresses::All,
        [only] if only == PRIMARY => return NodePortAddresses::Primary,
        _ => {}
    }
    let mut cidrs = Vec::new();
    for (index, text) in texts.iter().enumerate() {
        let path = format!("NodePortAddresses[{index}]");
        if text == PRIMARY {
            found.invalid(&path, text.as_str(), "must be the only element if it is used");
            break;
        }
        cidrs.extend(cidr(&path, text, found));
    }
    NodePortAddresses::Cidrs(cidrs)
}

fn cidr(path: &str, text: &str, found: &mut Collector) -> Option<IpNet> {
    let cidr = address::parse_cidr(text);
    if cidr.is_none() {
        found.invalid(path, text, NOT_A_CIDR);
    }
    cidr
}

// === local traffic ===

fn detect_local(config: &Config, found: &mut Collector) -> Option<DetectLocal> {
    let names = &config.detect_local;
    match &config.detect_local_mode {
        DetectLocalMode::ClusterCidr => Some(DetectLocal::ClusterCidr(cluster_cidrs(config, found))),
        DetectLocalMode::NodeCidr => Some(DetectLocal::NodeCidr),
        DetectLocalMode::BridgeInterface => {
            let path = "DetectLocalConfiguration.InterfaceName";
            named(path, &names.bridge_interface, MAX_INTERFACE_NAME, found).map(DetectLocal::BridgeInterface)
        }
        DetectLocalMode::InterfaceNamePrefix => {
            let path = "DetectLocalConfiguration.InterfacePrefix";
            named(path, &names.interface_name_prefix, MAX_INTERFACE_NAME - 1, found)
                .map(DetectLocal::InterfaceNamePrefix)
        }
        DetectLocalMode::Other(other) => {
            let modes = &["ClusterCIDR", "NodeCIDR", "BridgeInterface", "InterfaceNamePrefix", ""];
            found.unsupported("DetectLocalMode", other, modes);
            None
        }
    }
}

/// What stands for any rest of a name in iptables' words counts as one byte of it.
fn named(path: &str, name: &str, longest: usize, found: &mut Collector) -> Option<String> {
    let reason = if name.is_empty() {
        "must not be empty in this mode"
    } else if name.len() > longest {
        "must be shorter: the kernel's names of interfaces have at most 15 bytes"
    } else if name.contains(|c: char| c.is_whitespace() || c.is_control() || "/:\"'\\".contains(c)) {
        "must not contain blanks, control characters, slashes, colons or quotes"
    } else {
        return Some(name.to_owned());
    };
    found.invalid(path, name, reason);
    None
}

fn cluster_cidrs(config: &Config, found: &mut Collector) -> Vec<IpNet> {
    let path = "DetectLocalConfiguration.ClusterCIDRs";
    let texts = &config.cluster_cidrs;
    if texts.len() > 2 {
        found.invalid(path, Json(texts), "must be one CIDR, or two of different families");
    }
    let checked = texts.iter().enumerate();
    let cidrs: Vec<_> =
        checked.filter_map(|(index, text)| cidr(&format!("{path}[{index}]"), text, found)).collect();
    if let ([IpNet::V4(_), IpNet::V4(_)] | [IpNet::V6(_), IpNet::V6(_)], 2) = (&cidrs[..], texts.len()) {
        found.invalid(path, Json(texts), "must be of different families, one IPv4 and one IPv6");
    }
    cidrs
}

#[cfg(test)]
mod tests;
