//! Turns the default configuration and one sentence a field into docs/reference/configuration.md.
//!
//! Fails if that page says something else, or if a field has no sentence.
//! `UPDATE_EXPECT=1 cargo test -p config --test reference` writes the page anew.

use std::collections::BTreeMap;
use std::fmt::Write;

use config::Config;
use expect_test::expect_file;
use serde_yaml::Value;

const HEAD: &str = "\
# The configuration file

Every field of `KubeProxyConfiguration` (`kubeproxy.config.k8s.io/v1alpha1`), generated from the code. The file of a
kubeadm or kind cluster is read as it is. Unknown and repeated fields are reported and dropped; a value of the wrong type
or out of its range ends the program with the path of the field. An empty or zero value means the default wherever
upstream takes it so. Changes of the file end the program, so that it starts again with them; a mounted ConfigMap that is
replaced as a whole is not noticed, as in upstream: restart the DaemonSet.

| field | default | what it does |
|---|---|---|
";

const NO_EFFECT: &str = "Accepted and printed back; no effect in this mode.";

/// Fields that the default does not print, with what it would be.
const ABSENT: &[(&str, &str)] = &[
    ("featureGates", "{}"),
    ("logging.options.json.splitStream", "false"),
    ("logging.options.text.splitStream", "false"),
    ("logging.vmodule", "[]"),
    ("windowsRunAsService", "false"),
];

const FIELDS: &[(&str, &str)] = &[
    (
        "bindAddress",
        "The node's primary address, in place of what its Node object says, unless it is all zeros. Nothing is bound to it.",
    ),
    ("bindAddressHardFail", "Exit if a health or metrics address cannot be bound, instead of trying again."),
    ("clientConnection.acceptContentTypes", "Accepted, but without effect: answers in JSON are asked for."),
    ("clientConnection.burst", "Requests to the API server at once."),
    ("clientConnection.contentType", "Accepted; requests are in JSON."),
    ("clientConnection.kubeconfig", "How to reach the API server; empty means as pods of the cluster do."),
    ("clientConnection.qps", "Requests to the API server per second on average; negative means no limit."),
    (
        "clusterCIDR",
        "The networks of the pods: one, or one of each family separated by a comma. Used by detectLocalMode ClusterCIDR.",
    ),
    ("configSyncPeriod", "Must be positive. No effect: nothing is looked at again without a reason."),
    (
        "conntrack.maxPerCore",
        "The limit of tracked connections for each CPU; 0 leaves the kernel's limit alone.",
    ),
    ("conntrack.min", "The least limit of tracked connections, whatever the number of CPUs."),
    (
        "conntrack.tcpBeLiberal",
        "Take TCP packets outside the window for valid; the rule that drops invalid packets is then left out.",
    ),
    (
        "conntrack.tcpCloseWaitTimeout",
        "How long half-closed TCP connections are tracked; 0 leaves the kernel's value alone.",
    ),
    (
        "conntrack.tcpEstablishedTimeout",
        "How long idle TCP connections are tracked; 0 leaves the kernel's value alone.",
    ),
    (
        "conntrack.udpStreamTimeout",
        "How long UDP flows with answers are tracked; 0 leaves the kernel's value alone.",
    ),
    (
        "conntrack.udpTimeout",
        "How long UDP flows without answers are tracked; 0 leaves the kernel's value alone.",
    ),
    ("detectLocal.bridgeInterface", "The bridge of this node's pods, for detectLocalMode BridgeInterface."),
    (
        "detectLocal.interfaceNamePrefix",
        "How the interfaces of this node's pods begin, for detectLocalMode InterfaceNamePrefix.",
    ),
    (
        "detectLocalMode",
        "How traffic of this node's pods is recognised: ClusterCIDR, NodeCIDR, BridgeInterface or InterfaceNamePrefix.",
    ),
    (
        "enableProfiling",
        "Accepted; the pages of a Go profiler are answered with the reason why there are none.",
    ),
    ("featureGates", "Features by name; those of other components are accepted as well."),
    ("healthzBindAddress", "Where the health server listens; a bare address gets port 10256."),
    (
        "hostnameOverride",
        "The name of this node, in place of the host's own name; `--hostname-override` wins over it.",
    ),
    (
        "iptables.localhostNodePorts",
        "Let node ports answer on IPv4 loopback addresses (sets route_localnet).",
    ),
    ("iptables.masqueradeAll", "Masquerade all traffic to Services, not only where it is needed."),
    ("iptables.masqueradeBit", "The bit of the packet mark that asks for masquerading, 0 to 31."),
    ("iptables.minSyncPeriod", "The least time between two changes of the rules."),
    (
        "iptables.syncPeriod",
        "How often rules are looked after when nothing changes; twice this without a sync that is due makes /healthz answer 503.",
    ),
    ("ipvs.excludeCIDRs", NO_EFFECT),
    ("ipvs.minSyncPeriod", NO_EFFECT),
    ("ipvs.scheduler", NO_EFFECT),
    ("ipvs.strictARP", NO_EFFECT),
    ("ipvs.syncPeriod", NO_EFFECT),
    ("ipvs.tcpFinTimeout", NO_EFFECT),
    ("ipvs.tcpTimeout", NO_EFFECT),
    ("ipvs.udpTimeout", NO_EFFECT),
    ("logging.flushFrequency", "Must be positive. No effect: nothing is buffered."),
    ("logging.format", "The format of the log: text or json."),
    (
        "logging.options.json.infoBufferSize",
        "Needs the gate LoggingAlphaOptions. No effect: nothing is buffered.",
    ),
    ("logging.options.json.splitStream", "Needs the gate LoggingAlphaOptions. No effect."),
    (
        "logging.options.text.infoBufferSize",
        "Needs the gate LoggingAlphaOptions. No effect: nothing is buffered.",
    ),
    ("logging.options.text.splitStream", "Needs the gate LoggingAlphaOptions. No effect."),
    ("logging.verbosity", "Log messages up to this level; `--v` wins over it."),
    ("logging.vmodule", "Levels for single source files, `{filePattern, verbosity}`; text format only."),
    ("metricsBindAddress", "Where the metrics server listens; a bare address gets port 10249."),
    ("mode", "`iptables`, also if it is empty. Other modes are refused."),
    ("nftables.masqueradeAll", NO_EFFECT),
    ("nftables.masqueradeBit", NO_EFFECT),
    ("nftables.minSyncPeriod", NO_EFFECT),
    ("nftables.syncPeriod", NO_EFFECT),
    (
        "nodePortAddresses",
        "Networks whose local addresses take node-port traffic, or only `primary` for the node's own addresses; all local addresses if it is empty.",
    ),
    ("oomScoreAdj", "What is written to the process's oom_score_adj, -1000 to 1000."),
    ("portRange", "Accepted; no effect, as in upstream."),
    ("showHiddenMetricsForVersion", "Empty or the previous minor version; no metric is hidden."),
    ("windowsRunAsService", "Accepted; no effect."),
    ("winkernel.enableDSR", NO_EFFECT),
    ("winkernel.forwardHealthCheckVip", NO_EFFECT),
    ("winkernel.networkName", NO_EFFECT),
    ("winkernel.rootHnsEndpointName", NO_EFFECT),
    ("winkernel.sourceVip", NO_EFFECT),
];

#[test]
fn the_page_has_every_field() {
    let mut defaults = BTreeMap::new();
    collect("", serde_yaml::from_str(&Config::default().to_yaml()).unwrap(), &mut defaults);
    defaults.extend(ABSENT.iter().map(|(path, value)| ((*path).to_owned(), (*value).to_owned())));
    let described: Vec<_> = FIELDS.iter().map(|(path, _)| *path).collect();
    assert_eq!(defaults.keys().collect::<Vec<_>>(), described);
    let mut page = HEAD.to_owned();
    for ((path, value), (_, text)) in defaults.iter().zip(FIELDS) {
        let default = if value.is_empty() { String::new() } else { format!("`{value}`") };
        writeln!(page, "| `{path}` | {default} | {text} |").unwrap();
    }
    expect_file!["../../../docs/reference/configuration.md"].assert_eq(&page);
}

/// Every field that is no object, with its value as it is written.
fn collect(path: &str, value: Value, fields: &mut BTreeMap<String, String>) {
    if let Value::Mapping(map) = value {
        for (key, value) in map {
            let key = key.as_str().expect("names of fields are text");
            let path = if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") };
            collect(&path, value, fields);
        }
    } else if !matches!(path, "apiVersion" | "kind") {
        let text = serde_json::to_string(&value).expect("plain values are valid JSON");
        fields.insert(path.to_owned(), text.trim_matches('"').replace("null", ""));
    }
}
