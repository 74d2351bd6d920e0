//! Turns what a file says into the complete configuration: the one place with default values.
//!
//! Does not know whether the values make sense; that is `validate`.

use crate::address;
use crate::config::{
    ClientConnection, Config, Conntrack, DetectLocalMode, DetectLocalNames, FlushFrequency, Iptables, Ipvs,
    LogOptions, Logging, ProxyMode, VModule, Winkernel,
};
use crate::duration::Duration;
use crate::wire::{self, Nullable, Wire};

const HEALTHZ_PORT: i32 = 10256;
const METRICS_PORT: i32 = 10249;
const SYNC_PERIOD: Duration = Duration::from_secs(30);
const MIN_SYNC_PERIOD: Duration = Duration::from_secs(1);
const MASQUERADE_BIT: i32 = 14;

/// What an empty file means.
impl Default for Config {
    fn default() -> Self {
        Self::from(Wire::default())
    }
}

impl From<Wire> for Config {
    fn from(wire: Wire) -> Self {
        let mode = ProxyMode::from(wire.mode.unwrap_or_default().as_str());
        let iptables = wire.iptables.unwrap_or_default();
        let ipvs = wire.ipvs.unwrap_or_default();
        let nftables = wire.nftables.unwrap_or_default();
        let Pace { sync_period, min_sync_period } = Pace::of(&mode, &iptables, &ipvs, &nftables);
        let masquerade_all =
            if mode == ProxyMode::Nftables { nftables.masquerade_all } else { iptables.masquerade_all };
        let bind_address = non_empty(wire.bind_address, "0.0.0.0");
        let (any_host, loopback) = default_hosts(&bind_address);
        Self {
            feature_gates: wire.feature_gates.unwrap_or_default(),
            client_connection: wire.client_connection.unwrap_or_default().into(),
            logging: wire.logging.unwrap_or_default().into(),
            hostname_override: wire.hostname_override.unwrap_or_default(),
            healthz_bind_address: listen(wire.healthz_bind_address, any_host, HEALTHZ_PORT),
            metrics_bind_address: listen(wire.metrics_bind_address, loopback, METRICS_PORT),
            bind_address,
            bind_address_hard_fail: wire.bind_address_hard_fail.unwrap_or_default(),
            enable_profiling: wire.enable_profiling.unwrap_or_default(),
            show_hidden_metrics_for_version: wire.show_hidden_metrics_for_version.unwrap_or_default(),
            mode,
            sync_period,
            min_sync_period,
            masquerade_all: masquerade_all.unwrap_or_default(),
            iptables: Iptables {
                masquerade_bit: iptables.masquerade_bit.unwrap_or(MASQUERADE_BIT),
                localhost_node_ports: iptables.localhost_node_ports.unwrap_or(true),
            },
            ipvs: ipvs.into(),
            nftables_masquerade_bit: nftables.masquerade_bit.unwrap_or(MASQUERADE_BIT),
            winkernel: wire.winkernel.unwrap_or_default().into(),
            detect_local_mode: DetectLocalMode::from(wire.detect_local_mode.unwrap_or_default().as_str()),
            detect_local: wire.detect_local.unwrap_or_default().into(),
            cluster_cidrs: cluster_cidrs(wire.cluster_cidr.unwrap_or_default().as_str()),
            node_port_addresses: wire.node_port_addresses,
            oom_score_adj: wire.oom_score_adj.unwrap_or(-999),
            conntrack: wire.conntrack.unwrap_or_default().into(),
            config_sync_period: non_zero(wire.config_sync_period, Duration::from_secs(15 * 60)),
            windows_run_as_service: wire.windows_run_as_service.unwrap_or_default(),
        }
    }
}

/// The periods of the section that belongs to the mode.
struct Pace {
    sync_period: Duration,
    min_sync_period: Duration,
}

impl Pace {
    fn of(mode: &ProxyMode, iptables: &wire::Iptables, ipvs: &wire::Ipvs, nftables: &wire::Nftables) -> Self {
        let (sync, min, least) = match mode {
            ProxyMode::Ipvs => (ipvs.sync_period, ipvs.min_sync_period, Duration::ZERO),
            ProxyMode::Nftables => (nftables.sync_period, nftables.min_sync_period, MIN_SYNC_PERIOD),
            ProxyMode::Iptables | ProxyMode::Other(_) => {
                (iptables.sync_period, iptables.min_sync_period, MIN_SYNC_PERIOD)
            }
        };
        Self { sync_period: non_zero(sync, SYNC_PERIOD), min_sync_period: non_zero(min, least) }
    }
}

impl From<wire::ClientConnection> for ClientConnection {
    fn from(wire: wire::ClientConnection) -> Self {
        Self {
            kubeconfig: wire.kubeconfig.unwrap_or_default(),
            accept_content_types: wire.accept_content_types.unwrap_or_default(),
            content_type: non_empty(wire.content_type, "application/vnd.kubernetes.protobuf"),
            qps: wire.qps.filter(|qps| *qps != 0.0).unwrap_or(5.0),
            burst: wire.burst.filter(|burst| *burst != 0).unwrap_or(10),
        }
    }
}

impl From<wire::Logging> for Logging {
    fn from(wire: wire::Logging) -> Self {
        let given = wire.flush_frequency.filter(|given| given.duration() != Duration::ZERO);
        let options = wire.options.unwrap_or_default();
        Self {
            format: non_empty(wire.format, "text"),
            flush_frequency: given.unwrap_or(FlushFrequency::Text(Duration::from_secs(5))),
            verbosity: wire.verbosity.unwrap_or_default(),
            vmodule: wire.vmodule.unwrap_or_default().into_iter().map(VModule::from).collect(),
            text: options.text.unwrap_or_default().into(),
            json: options.json.unwrap_or_default().into(),
        }
    }
}

impl From<wire::VModule> for VModule {
    fn from(wire: wire::VModule) -> Self {
        Self {
            file_pattern: wire.file_pattern.unwrap_or_default(),
            verbosity: wire.verbosity.unwrap_or_default(),
        }
    }
}

impl From<wire::LogOptions> for LogOptions {
    fn from(wire: wire::LogOptions) -> Self {
        Self {
            split_stream: wire.split_stream.unwrap_or_default(),
            info_buffer_size: wire.info_buffer_size.unwrap_or_default(),
        }
    }
}

impl From<wire::Ipvs> for Ipvs {
    fn from(wire: wire::Ipvs) -> Self {
        Self {
            scheduler: wire.scheduler.unwrap_or_default(),
            exclude_cidrs: wire.exclude_cidrs,
            strict_arp: wire.strict_arp.unwrap_or_default(),
            tcp_timeout: wire.tcp_timeout.unwrap_or_default(),
            tcp_fin_timeout: wire.tcp_fin_timeout.unwrap_or_default(),
            udp_timeout: wire.udp_timeout.unwrap_or_default(),
        }
    }
}

impl From<wire::Winkernel> for Winkernel {
    fn from(wire: wire::Winkernel) -> Self {
        Self {
            network_name: wire.network_name.unwrap_or_default(),
            source_vip: wire.source_vip.unwrap_or_default(),
            enable_dsr: wire.enable_dsr.unwrap_or_default(),
            root_hns_endpoint_name: wire.root_hns_endpoint_name.unwrap_or_default(),
            forward_health_check_vip: wire.forward_health_check_vip.unwrap_or_default(),
        }
    }
}

impl From<wire::DetectLocal> for DetectLocalNames {
    fn from(wire: wire::DetectLocal) -> Self {
        Self {
            bridge_interface: wire.bridge_interface.unwrap_or_default(),
            interface_name_prefix: wire.interface_name_prefix.unwrap_or_default(),
        }
    }
}

impl From<wire::Conntrack> for Conntrack {
    fn from(wire: wire::Conntrack) -> Self {
        let or = |given: Option<Nullable<Duration>>, default| given.map_or(default, |Nullable(given)| given);
        Self {
            max_per_core: wire.max_per_core.unwrap_or(32 * 1024),
            min: wire.min.unwrap_or(128 * 1024),
            tcp_established_timeout: or(wire.tcp_established_timeout, Duration::from_secs(24 * 60 * 60)),
            tcp_close_wait_timeout: or(wire.tcp_close_wait_timeout, Duration::from_secs(60 * 60)),
            tcp_be_liberal: wire.tcp_be_liberal.unwrap_or_default(),
            udp_timeout: wire.udp_timeout.unwrap_or_default(),
            udp_stream_timeout: wire.udp_stream_timeout.unwrap_or_default(),
        }
    }
}

/// Hosts of the health and metrics servers: of the family of the bind address, IPv6 if it is not an address.
fn default_hosts(bind_address: &str) -> (&'static str, &'static str) {
    match address::parse_ip(bind_address) {
        Some(ip) if ip.is_ipv4() => ("0.0.0.0", "127.0.0.1"),
        _ => ("::", "::1"),
    }
}

/// A listen address; a bare address gets the default port, anything else stays as it is.
fn listen(given: Option<String>, default_host: &str, default_port: i32) -> String {
    let given = non_empty(given, default_host);
    if address::parse_ip(&given).is_some() { address::join_host_port(&given, default_port) } else { given }
}

fn cluster_cidrs(given: &str) -> Vec<String> {
    if given.is_empty() { Vec::new() } else { given.split(',').map(str::to_owned).collect() }
}

fn non_empty(given: Option<String>, default: &str) -> String {
    given.filter(|given| !given.is_empty()).unwrap_or_else(|| default.to_owned())
}

fn non_zero(given: Option<Duration>, default: Duration) -> Duration {
    given.filter(|given| *given != Duration::ZERO).unwrap_or(default)
}
