//! The complete configuration: every field of `KubeProxyConfiguration` with its decided value.
//!
//! Addresses are still text here, as typed: `validate` reads them. Knows no defaults; that is `default`.

use std::collections::BTreeMap;

use crate::duration::Duration;
use crate::quantity::Quantity;

/// `KubeProxyConfiguration` with every decision made. Each field is named as in v1alpha1 unless it says so.
#[derive(Debug, Clone, PartialEq)]
pub struct Config {
    /// Feature gates that were set, by name.
    pub feature_gates: BTreeMap<String, bool>,
    /// How to talk to the API server.
    pub client_connection: ClientConnection,
    /// What is logged and how.
    pub logging: Logging,
    /// The node's name; empty means the host's own name.
    pub hostname_override: String,
    /// The node's primary address, unless it is all zeros. Nothing is bound to it.
    pub bind_address: String,
    /// Where the health server listens; empty means nowhere.
    pub healthz_bind_address: String,
    /// Where the metrics server listens; empty means nowhere.
    pub metrics_bind_address: String,
    /// Whether a health or metrics address that cannot be bound ends the program.
    pub bind_address_hard_fail: bool,
    /// Whether the metrics server offers profiling.
    pub enable_profiling: bool,
    /// The release whose hidden metrics are shown; empty for none.
    pub show_hidden_metrics_for_version: String,
    /// `mode`: how packets are redirected.
    pub mode: ProxyMode,
    /// `syncPeriod` of the section of the mode.
    pub sync_period: Duration,
    /// `minSyncPeriod` of the section of the mode: the least time between two syncs.
    pub min_sync_period: Duration,
    /// `masqueradeAll` of the section of the mode: masquerade all traffic to Services.
    pub masquerade_all: bool,
    /// The rest of section `iptables`.
    pub iptables: Iptables,
    /// The rest of section `ipvs`; without effect.
    pub ipvs: Ipvs,
    /// `nftables.masqueradeBit`; without effect.
    pub nftables_masquerade_bit: i32,
    /// Section `winkernel`; without effect.
    pub winkernel: Winkernel,
    /// How traffic of this node's pods is told from other traffic.
    pub detect_local_mode: DetectLocalMode,
    /// Names that two of the modes need.
    pub detect_local: DetectLocalNames,
    /// `clusterCIDR`, split at its commas.
    pub cluster_cidrs: Vec<String>,
    /// Addresses that take node-port traffic. Neither an absent nor an empty list restricts them;
    /// the two differ only in how they are printed.
    pub node_port_addresses: Option<Vec<String>>,
    /// What is written to `oom_score_adj` of this process, -1000 to 1000.
    pub oom_score_adj: i32,
    /// Sysctls of connection tracking.
    pub conntrack: Conntrack,
    /// How often the API objects are looked at again.
    pub config_sync_period: Duration,
    /// Without effect.
    pub windows_run_as_service: bool,
}

/// `clientConnection`.
#[derive(Debug, Clone, PartialEq)]
pub struct ClientConnection {
    /// Path of the kubeconfig file; empty means the in-cluster configuration.
    pub kubeconfig: String,
    /// The `Accept` header; empty means that it follows from `content_type`.
    pub accept_content_types: String,
    /// Media type of request bodies.
    pub content_type: String,
    /// Requests per second on average; negative means no limit.
    pub qps: f32,
    /// Requests at once beyond the average.
    pub burst: i32,
}

/// `logging`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Logging {
    /// `text` or `json`.
    pub format: String,
    /// Without effect: output is not buffered.
    pub flush_frequency: FlushFrequency,
    /// Messages up to this level are logged.
    pub verbosity: u32,
    /// Levels for single source files.
    pub vmodule: Vec<VModule>,
    /// `options.text`; without effect.
    pub text: LogOptions,
    /// `options.json`; without effect.
    pub json: LogOptions,
}

/// `logging.flushFrequency`, which may be a duration or a number and is printed as it was given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FlushFrequency {
    /// Given as duration text.
    Text(Duration),
    /// Given as a number of nanoseconds.
    Nanoseconds(Duration),
}

/// One element of `logging.vmodule`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct VModule {
    /// A file name without `.rs` or directory, with `*` and `?`.
    pub file_pattern: String,
    /// The level for those files.
    pub verbosity: u32,
}

/// Options of one log format.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LogOptions {
    /// Errors to stderr, the rest to stdout.
    pub split_stream: bool,
    /// How much to buffer of a split stream.
    pub info_buffer_size: Quantity,
}

/// `mode`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ProxyMode {
    /// The only mode that is implemented.
    Iptables,
    /// Known to Kubernetes, refused here.
    Ipvs,
    /// Known to Kubernetes, refused here.
    Nftables,
    /// Anything else; refused.
    Other(String),
}

/// The rest of section `iptables`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Iptables {
    /// Which bit of the packet mark means "masquerade", 0 to 31.
    pub masquerade_bit: i32,
    /// Whether node ports answer on IPv4 loopback addresses.
    pub localhost_node_ports: bool,
}

/// The rest of section `ipvs`; kept only to be printed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Ipvs {
    /// `scheduler`.
    pub scheduler: String,
    /// `excludeCIDRs`.
    pub exclude_cidrs: Option<Vec<String>>,
    /// `strictARP`.
    pub strict_arp: bool,
    /// `tcpTimeout`.
    pub tcp_timeout: Duration,
    /// `tcpFinTimeout`.
    pub tcp_fin_timeout: Duration,
    /// `udpTimeout`.
    pub udp_timeout: Duration,
}

/// Section `winkernel`; kept only to be printed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Winkernel {
    /// `networkName`.
    pub network_name: String,
    /// `sourceVip`.
    pub source_vip: String,
    /// `enableDSR`.
    pub enable_dsr: bool,
    /// `rootHnsEndpointName`.
    pub root_hns_endpoint_name: String,
    /// `forwardHealthCheckVip`.
    pub forward_health_check_vip: bool,
}

/// `detectLocalMode`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DetectLocalMode {
    /// By `clusterCIDR`.
    ClusterCidr,
    /// By the pod CIDRs of the Node object.
    NodeCidr,
    /// By the bridge that pods are attached to.
    BridgeInterface,
    /// By the first letters of the pods' interfaces.
    InterfaceNamePrefix,
    /// Anything else; refused.
    Other(String),
}

/// `detectLocal`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DetectLocalNames {
    /// For mode `BridgeInterface`.
    pub bridge_interface: String,
    /// For mode `InterfaceNamePrefix`.
    pub interface_name_prefix: String,
}

/// `conntrack`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Conntrack {
    /// Tracked connections per CPU; 0 leaves the kernel's limit alone.
    pub max_per_core: i32,
    /// The least limit that is set, whatever the number of CPUs.
    pub min: i32,
    /// Time limit of idle TCP connections; 0 leaves the kernel's alone.
    pub tcp_established_timeout: Duration,
    /// Time limit of half-closed TCP connections; 0 leaves the kernel's alone.
    pub tcp_close_wait_timeout: Duration,
    /// Whether out-of-window packets stay valid.
    pub tcp_be_liberal: bool,
    /// Time limit of UDP flows without an answer; 0 leaves the kernel's alone.
    pub udp_timeout: Duration,
    /// Time limit of UDP flows with an answer; 0 leaves the kernel's alone.
    pub udp_stream_timeout: Duration,
}

// === impl FlushFrequency ===

impl FlushFrequency {
    /// The length of time, however it was given.
    #[must_use]
    pub fn duration(self) -> Duration {
        match self {
            Self::Text(duration) | Self::Nanoseconds(duration) => duration,
        }
    }
}

// === impl ProxyMode ===

impl ProxyMode {
    /// The mode as the file, `/proxyMode` and the metrics name it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            Self::Iptables => "iptables",
            Self::Ipvs => "ipvs",
            Self::Nftables => "nftables",
            Self::Other(other) => other,
        }
    }
}

impl From<&str> for ProxyMode {
    /// No mode at all means iptables.
    fn from(text: &str) -> Self {
        match text {
            "" | "iptables" => Self::Iptables,
            "ipvs" => Self::Ipvs,
            "nftables" => Self::Nftables,
            other => Self::Other(other.to_owned()),
        }
    }
}

// === impl DetectLocalMode ===

impl DetectLocalMode {
    /// The mode as the file names it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            Self::ClusterCidr => "ClusterCIDR",
            Self::NodeCidr => "NodeCIDR",
            Self::BridgeInterface => "BridgeInterface",
            Self::InterfaceNamePrefix => "InterfaceNamePrefix",
            Self::Other(other) => other,
        }
    }
}

impl From<&str> for DetectLocalMode {
    /// No mode at all means `ClusterCIDR`.
    fn from(text: &str) -> Self {
        match text {
            "" | "ClusterCIDR" => Self::ClusterCidr,
            "NodeCIDR" => Self::NodeCidr,
            "BridgeInterface" => Self::BridgeInterface,
            "InterfaceNamePrefix" => Self::InterfaceNamePrefix,
            other => Self::Other(other.to_owned()),
        }
    }
}
