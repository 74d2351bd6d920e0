//! Flags about what the rules do.
//!
//! All are without effect beside a configuration file.

use config::{DetectLocalMode, ProxyMode};

use super::{Flag, Set};

pub(super) static FLAGS: &[Flag] = &[
    Flag::new(
        "proxy-mode",
        "",
        Set::Text(|t, v| t.config.mode = ProxyMode::from(v.as_str())),
        "How packets are redirected; iptables, also if it is empty, is the only mode of this kube-proxy.",
    ),
    Flag::new(
        "cluster-cidr",
        "",
        Set::Text(|t, v| t.config.cluster_cidrs = v.split(',').map(str::to_owned).collect()),
        "The networks of the pods, one, or one of each family separated by a comma.",
    ),
    Flag::new(
        "detect-local-mode",
        "",
        Set::Text(|t, v| t.config.detect_local_mode = DetectLocalMode::from(v.as_str())),
        "How traffic of this node's pods is recognised: ClusterCIDR, also if it is empty, NodeCIDR, \
         BridgeInterface or InterfaceNamePrefix.",
    ),
    Flag::new(
        "pod-bridge-interface",
        "",
        Set::Text(|t, v| t.config.detect_local.bridge_interface = v),
        "The bridge of this node's pods, for mode BridgeInterface.",
    ),
    Flag::new(
        "pod-interface-name-prefix",
        "",
        Set::Text(|t, v| t.config.detect_local.interface_name_prefix = v),
        "How the interfaces of this node's pods begin, for mode InterfaceNamePrefix.",
    ),
    Flag::new(
        "nodeport-addresses",
        "",
        Set::List(|t, v| t.config.node_port_addresses = Some(v)),
        "Networks whose local addresses take node-port traffic, or the word primary for the node's own \
         addresses; all local addresses if it is empty.",
    ),
    Flag::new(
        "masquerade-all",
        "false",
        Set::Bool(|t, v| t.config.masquerade_all = v),
        "Masquerade all traffic to Services, not only where it is needed.",
    ),
    Flag::new(
        "iptables-masquerade-bit",
        "14",
        Set::Int32(|t, v| t.config.iptables.masquerade_bit = v),
        "The bit of the packet mark that asks for masquerading, 0 to 31.",
    ),
    Flag::new(
        "iptables-localhost-nodeports",
        "true",
        Set::Bool(|t, v| t.config.iptables.localhost_node_ports = v),
        "Let node ports answer on IPv4 loopback addresses.",
    ),
    Flag::new(
        "iptables-sync-period",
        "30s",
        Set::Duration(|t, v| t.config.sync_period = v),
        "How often rules are looked after when nothing changes.",
    ),
    Flag::new(
        "iptables-min-sync-period",
        "1s",
        Set::Duration(|t, v| t.config.min_sync_period = v),
        "The least time between two changes of the rules.",
    ),
    // There is no ipvs mode here: the other flags of that mode are accepted and appear in the configuration.
    Flag::new("ipvs-sync-period", "30s", Set::Duration(|_, _| {}), "Without effect."),
    Flag::new("ipvs-min-sync-period", "1s", Set::Duration(|_, _| {}), "Without effect."),
    Flag::new("ipvs-scheduler", "", Set::Text(|t, v| t.config.ipvs.scheduler = v), "Without effect."),
    Flag::new(
        "ipvs-exclude-cidrs",
        "",
        Set::List(|t, v| t.config.ipvs.exclude_cidrs = Some(v)),
        "Without effect.",
    ),
    Flag::new("ipvs-strict-arp", "false", Set::Bool(|t, v| t.config.ipvs.strict_arp = v), "Without effect."),
    Flag::new(
        "ipvs-tcp-timeout",
        "0s",
        Set::Duration(|t, v| t.config.ipvs.tcp_timeout = v),
        "Without effect.",
    ),
    Flag::new(
        "ipvs-tcpfin-timeout",
        "0s",
        Set::Duration(|t, v| t.config.ipvs.tcp_fin_timeout = v),
        "Without effect.",
    ),
    Flag::new(
        "ipvs-udp-timeout",
        "0s",
        Set::Duration(|t, v| t.config.ipvs.udp_timeout = v),
        "Without effect.",
    ),
];
