//! What a configuration file says, field by field; what it leaves out stays `None`.
//!
//! The tables below are the names and types of `kubeproxy.config.k8s.io/v1alpha1`. Knows no defaults.

mod field;

use std::collections::BTreeMap;

use crate::config::FlushFrequency;
use crate::duration::Duration;
use crate::quantity::Quantity;
use crate::yaml::Node;

pub(crate) use field::{FieldError, FromNode, Nullable, Place};

/// Declares a section: its fields, their types and their names in the file.
macro_rules! section {
    ($(#[$doc:meta])* $name:ident { $($field:ident: $type:ty = $key:literal,)* }) => {
        $(#[$doc])*
        #[derive(Debug, Default, Clone, PartialEq)]
        pub(crate) struct $name { $(pub(crate) $field: Option<$type>,)* }

        impl FromNode for $name {
            fn from_node(node: Node, place: &mut Place) -> Result<Self, FieldError> {
                let mut section = Self::default();
                for (key, value) in place.map(node)? {
                    place.enter(&key);
                    match key.as_str() {
                        $($key => section.$field = FromNode::read(value, place)?,)*
                        _ => place.unknown(),
                    }
                    place.leave();
                }
                Ok(section)
            }
        }
    };
}

section! {
    /// The whole file but for its kind and version.
    Wire {
        feature_gates: BTreeMap<String, bool> = "featureGates",
        client_connection: ClientConnection = "clientConnection",
        logging: Logging = "logging",
        hostname_override: String = "hostnameOverride",
        bind_address: String = "bindAddress",
        healthz_bind_address: String = "healthzBindAddress",
        metrics_bind_address: String = "metricsBindAddress",
        bind_address_hard_fail: bool = "bindAddressHardFail",
        enable_profiling: bool = "enableProfiling",
        show_hidden_metrics_for_version: String = "showHiddenMetricsForVersion",
        mode: String = "mode",
        iptables: Iptables = "iptables",
        ipvs: Ipvs = "ipvs",
        nftables: Nftables = "nftables",
        winkernel: Winkernel = "winkernel",
        detect_local_mode: String = "detectLocalMode",
        detect_local: DetectLocal = "detectLocal",
        cluster_cidr: String = "clusterCIDR",
        node_port_addresses: Vec<String> = "nodePortAddresses",
        oom_score_adj: i32 = "oomScoreAdj",
        conntrack: Conntrack = "conntrack",
        config_sync_period: Duration = "configSyncPeriod",
        port_range: String = "portRange",
        windows_run_as_service: bool = "windowsRunAsService",
    }
}

section! {
    ClientConnection {
        kubeconfig: String = "kubeconfig",
        accept_content_types: String = "acceptContentTypes",
        content_type: String = "contentType",
        qps: f32 = "qps",
        burst: i32 = "burst",
    }
}

section! {
    Logging {
        format: String = "format",
        flush_frequency: FlushFrequency = "flushFrequency",
        verbosity: u32 = "verbosity",
        vmodule: Vec<VModule> = "vmodule",
        options: LogFormats = "options",
    }
}

section! {
    VModule {
        file_pattern: String = "filePattern",
        verbosity: u32 = "verbosity",
    }
}

section! {
    LogFormats {
        text: LogOptions = "text",
        json: LogOptions = "json",
    }
}

section! {
    LogOptions {
        split_stream: bool = "splitStream",
        info_buffer_size: Quantity = "infoBufferSize",
    }
}

section! {
    Iptables {
        masquerade_bit: i32 = "masqueradeBit",
        masquerade_all: bool = "masqueradeAll",
        localhost_node_ports: bool = "localhostNodePorts",
        sync_period: Duration = "syncPeriod",
        min_sync_period: Duration = "minSyncPeriod",
    }
}

section! {
    Ipvs {
        sync_period: Duration = "syncPeriod",
        min_sync_period: Duration = "minSyncPeriod",
        scheduler: String = "scheduler",
        exclude_cidrs: Vec<String> = "excludeCIDRs",
        strict_arp: bool = "strictARP",
        tcp_timeout: Duration = "tcpTimeout",
        tcp_fin_timeout: Duration = "tcpFinTimeout",
        udp_timeout: Duration = "udpTimeout",
    }
}

section! {
    Nftables {
        masquerade_bit: i32 = "masqueradeBit",
        masquerade_all: bool = "masqueradeAll",
        sync_period: Duration = "syncPeriod",
        min_sync_period: Duration = "minSyncPeriod",
    }
}

section! {
    Winkernel {
        network_name: String = "networkName",
        source_vip: String = "sourceVip",
        enable_dsr: bool = "enableDSR",
        root_hns_endpoint_name: String = "rootHnsEndpointName",
        forward_health_check_vip: bool = "forwardHealthCheckVip",
    }
}

section! {
    DetectLocal {
        bridge_interface: String = "bridgeInterface",
        interface_name_prefix: String = "interfaceNamePrefix",
    }
}

section! {
    Conntrack {
        max_per_core: i32 = "maxPerCore",
        min: i32 = "min",
        tcp_established_timeout: Nullable<Duration> = "tcpEstablishedTimeout",
        tcp_close_wait_timeout: Nullable<Duration> = "tcpCloseWaitTimeout",
        tcp_be_liberal: bool = "tcpBeLiberal",
        udp_timeout: Duration = "udpTimeout",
        udp_stream_timeout: Duration = "udpStreamTimeout",
    }
}
