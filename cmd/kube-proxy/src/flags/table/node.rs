//! Flags about the node: its name and addresses, the servers on it, its sysctls.
//!
//! All but `--hostname-override` are without effect beside a configuration file.

use super::{Flag, Set};

pub(super) static FLAGS: &[Flag] = &[
    Flag::new(
        "hostname-override",
        "",
        Set::Text(|t, v| t.typed.hostname_override = v),
        "The name of this node, in place of the host's own name.",
    )
    .beats_file(),
    Flag::new(
        "bind-address",
        "0.0.0.0",
        Set::Ip(|t, v| t.config.bind_address = v),
        "The primary address of this node, in place of what its Node object says; nothing is bound to it.",
    ),
    Flag::new(
        "bind-address-hard-fail",
        "false",
        Set::Bool(|t, v| t.config.bind_address_hard_fail = v),
        "Exit if the health or metrics server cannot listen, instead of trying again.",
    ),
    Flag::new(
        "healthz-bind-address",
        "0.0.0.0:10256",
        Set::IpPort(|t, v| t.config.healthz_bind_address = v),
        "Where the health server listens.",
    ),
    Flag::new(
        "healthz-port",
        "10256",
        Set::Int32(|t, v| t.typed.healthz_port = v),
        "The port of the health server if --healthz-bind-address has none; 0 turns the server off.",
    )
    .deprecated("use --healthz-bind-address with a port"),
    Flag::new(
        "metrics-bind-address",
        "127.0.0.1:10249",
        Set::IpPort(|t, v| t.config.metrics_bind_address = v),
        "Where the metrics server listens.",
    ),
    Flag::new(
        "metrics-port",
        "10249",
        Set::Int32(|t, v| t.typed.metrics_port = v),
        "The port of the metrics server if --metrics-bind-address has none; 0 turns the server off.",
    )
    .deprecated("use --metrics-bind-address with a port"),
    Flag::new(
        "profiling",
        "false",
        Set::Bool(|t, v| t.config.enable_profiling = v),
        "Offer profiling on the metrics server.",
    ),
    Flag::new(
        "show-hidden-metrics-for-version",
        "",
        Set::Text(|t, v| t.config.show_hidden_metrics_for_version = v),
        "Show the metrics that this release hides; only the previous minor version is accepted.",
    ),
    Flag::new(
        "oom-score-adj",
        "-999",
        Set::Int32(|t, v| t.config.oom_score_adj = v),
        "The oom_score_adj of this process, -1000 to 1000.",
    ),
    Flag::new(
        "conntrack-max-per-core",
        "32768",
        Set::Int32(|t, v| t.config.conntrack.max_per_core = v),
        "The limit of tracked connections per CPU; 0 leaves the kernel's limit alone.",
    ),
    Flag::new(
        "conntrack-min",
        "131072",
        Set::Int32(|t, v| t.config.conntrack.min = v),
        "The least limit of tracked connections, whatever the number of CPUs.",
    ),
    Flag::new(
        "conntrack-tcp-be-liberal",
        "false",
        Set::Bool(|t, v| t.config.conntrack.tcp_be_liberal = v),
        "Take TCP packets outside the window for valid.",
    ),
    Flag::new(
        "conntrack-tcp-timeout-close-wait",
        "1h0m0s",
        Set::Duration(|t, v| t.config.conntrack.tcp_close_wait_timeout = v),
        "How long half-closed TCP connections are tracked; 0 leaves the kernel's value alone.",
    ),
    Flag::new(
        "conntrack-tcp-timeout-established",
        "24h0m0s",
        Set::Duration(|t, v| t.config.conntrack.tcp_established_timeout = v),
        "How long idle TCP connections are tracked; 0 leaves the kernel's value alone.",
    ),
    Flag::new(
        "conntrack-udp-timeout",
        "0s",
        Set::Duration(|t, v| t.config.conntrack.udp_timeout = v),
        "How long UDP flows without an answer are tracked; 0 leaves the kernel's value alone.",
    ),
    Flag::new(
        "conntrack-udp-timeout-stream",
        "0s",
        Set::Duration(|t, v| t.config.conntrack.udp_stream_timeout = v),
        "How long UDP flows with answers are tracked; 0 leaves the kernel's value alone.",
    ),
    Flag::new("boot-id-file", "/proc/sys/kernel/random/boot_id", Set::Text(|_, _| {}), "Without effect."),
    Flag::new(
        "machine-id-file",
        "/etc/machine-id,/var/lib/dbus/machine-id",
        Set::Text(|_, _| {}),
        "Without effect.",
    ),
];
