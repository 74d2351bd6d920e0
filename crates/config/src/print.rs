//! Turns the complete configuration into the text of a configuration file, YAML or JSON.
//!
//! Does not know where the text goes. What has no meaning in the mode is printed as its zero value.

use crate::config::{
    ClientConnection, Config, Conntrack, FlushFrequency, LogOptions, Logging, ProxyMode, VModule,
};
use crate::decode::{API_VERSION, KIND};
use crate::duration::Duration;
use crate::yaml::{self, Node};

impl Config {
    /// The file that means this configuration, as `--write-config-to` writes it.
    #[must_use]
    pub fn to_yaml(&self) -> String {
        yaml::write(&tree(self))
    }

    /// The same in one line of JSON, fields in the order of the API type, as `/configz` answers.
    #[must_use]
    pub fn to_json(&self) -> String {
        serde_json::to_string(&tree(self)).expect("a tree of plain values is valid JSON")
    }
}

fn tree(config: &Config) -> Node {
    let mut fields = vec![pair("kind", text(KIND)), pair("apiVersion", text(API_VERSION))];
    if !config.feature_gates.is_empty() {
        let gates = config.feature_gates.iter().map(|(name, value)| (name.clone(), Node::Bool(*value)));
        fields.push(pair("featureGates", Node::Map(gates.collect())));
    }
    fields.extend(how_to_run(config));
    fields.extend(modes(config));
    fields.extend(what_to_proxy(config));
    if config.windows_run_as_service {
        fields.push(pair("windowsRunAsService", Node::Bool(true)));
    }
    Node::Map(fields)
}

fn how_to_run(config: &Config) -> Vec<(String, Node)> {
    vec![
        pair("clientConnection", client_connection(&config.client_connection)),
        pair("logging", logging(&config.logging)),
        pair("hostnameOverride", text(&config.hostname_override)),
        pair("bindAddress", text(&config.bind_address)),
        pair("healthzBindAddress", text(&config.healthz_bind_address)),
        pair("metricsBindAddress", text(&config.metrics_bind_address)),
        pair("bindAddressHardFail", Node::Bool(config.bind_address_hard_fail)),
        pair("enableProfiling", Node::Bool(config.enable_profiling)),
        pair("showHiddenMetricsForVersion", text(&config.show_hidden_metrics_for_version)),
    ]
}

fn what_to_proxy(config: &Config) -> Vec<(String, Node)> {
    let detect_local = &config.detect_local;
    vec![
        pair("detectLocalMode", text(config.detect_local_mode.as_str())),
        pair(
            "detectLocal",
            map([
                ("bridgeInterface", text(&detect_local.bridge_interface)),
                ("interfaceNamePrefix", text(&detect_local.interface_name_prefix)),
            ]),
        ),
        pair("clusterCIDR", text(&config.cluster_cidrs.join(","))),
        pair("nodePortAddresses", list(config.node_port_addresses.as_deref())),
        pair("oomScoreAdj", int(config.oom_score_adj)),
        pair("conntrack", conntrack(&config.conntrack)),
        pair("configSyncPeriod", duration(config.config_sync_period)),
        pair("portRange", text("")),
    ]
}

fn client_connection(client: &ClientConnection) -> Node {
    map([
        ("kubeconfig", text(&client.kubeconfig)),
        ("acceptContentTypes", text(&client.accept_content_types)),
        ("contentType", text(&client.content_type)),
        ("qps", float(client.qps)),
        ("burst", int(client.burst)),
    ])
}

fn logging(logging: &Logging) -> Node {
    let flush_frequency = match logging.flush_frequency {
        FlushFrequency::Text(given) => duration(given),
        FlushFrequency::Nanoseconds(given) => Node::Int(given.as_nanos()),
    };
    let mut fields = vec![
        pair("format", text(&logging.format)),
        pair("flushFrequency", flush_frequency),
        pair("verbosity", Node::Int(logging.verbosity.into())),
    ];
    if !logging.vmodule.is_empty() {
        fields.push(pair("vmodule", Node::List(logging.vmodule.iter().map(vmodule).collect())));
    }
    let options = [("text", log_options(&logging.text)), ("json", log_options(&logging.json))];
    fields.push(pair("options", map(options)));
    Node::Map(fields)
}

fn vmodule(entry: &VModule) -> Node {
    map([("filePattern", text(&entry.file_pattern)), ("verbosity", Node::Int(entry.verbosity.into()))])
}

fn log_options(options: &LogOptions) -> Node {
    let size = ("infoBufferSize", text(&options.info_buffer_size.to_string()));
    if options.split_stream { map([("splitStream", Node::Bool(true)), size]) } else { map([size]) }
}

/// Periods and `masqueradeAll` stand in the section of the mode; the others show nothing.
fn modes(config: &Config) -> Vec<(String, Node)> {
    let periods = |active: bool| {
        let shown = |period| duration(if active { period } else { Duration::ZERO });
        [("syncPeriod", shown(config.sync_period)), ("minSyncPeriod", shown(config.min_sync_period))]
    };
    let is_ipvs = config.mode == ProxyMode::Ipvs;
    let is_nftables = config.mode == ProxyMode::Nftables;
    vec![
        pair("mode", text(config.mode.as_str())),
        pair("iptables", iptables(config, !is_nftables, periods(!is_ipvs && !is_nftables))),
        pair("ipvs", ipvs(config, periods(is_ipvs))),
        pair("nftables", nftables(config, is_nftables, periods(is_nftables))),
        pair("winkernel", winkernel(config)),
    ]
}

fn iptables(config: &Config, owns_masquerade_all: bool, periods: [(&str, Node); 2]) -> Node {
    let own = [
        ("masqueradeBit", int(config.iptables.masquerade_bit)),
        ("masqueradeAll", Node::Bool(owns_masquerade_all && config.masquerade_all)),
        ("localhostNodePorts", Node::Bool(config.iptables.localhost_node_ports)),
    ];
    map(own.into_iter().chain(periods))
}

fn ipvs(config: &Config, periods: [(&str, Node); 2]) -> Node {
    let own = [
        ("scheduler", text(&config.ipvs.scheduler)),
        ("excludeCIDRs", list(config.ipvs.exclude_cidrs.as_deref())),
        ("strictARP", Node::Bool(config.ipvs.strict_arp)),
        ("tcpTimeout", duration(config.ipvs.tcp_timeout)),
        ("tcpFinTimeout", duration(config.ipvs.tcp_fin_timeout)),
        ("udpTimeout", duration(config.ipvs.udp_timeout)),
    ];
    map(periods.into_iter().chain(own))
}

fn nftables(config: &Config, owns_masquerade_all: bool, periods: [(&str, Node); 2]) -> Node {
    let own = [
        ("masqueradeBit", int(config.nftables_masquerade_bit)),
        ("masqueradeAll", Node::Bool(owns_masquerade_all && config.masquerade_all)),
    ];
    map(own.into_iter().chain(periods))
}

fn winkernel(config: &Config) -> Node {
    let winkernel = &config.winkernel;
    map([
        ("networkName", text(&winkernel.network_name)),
        ("sourceVip", text(&winkernel.source_vip)),
        ("enableDSR", Node::Bool(winkernel.enable_dsr)),
        ("rootHnsEndpointName", text(&winkernel.root_hns_endpoint_name)),
        ("forwardHealthCheckVip", Node::Bool(winkernel.forward_health_check_vip)),
    ])
}

fn conntrack(conntrack: &Conntrack) -> Node {
    map([
        ("maxPerCore", int(conntrack.max_per_core)),
        ("min", int(conntrack.min)),
        ("tcpEstablishedTimeout", duration(conntrack.tcp_established_timeout)),
        ("tcpCloseWaitTimeout", duration(conntrack.tcp_close_wait_timeout)),
        ("tcpBeLiberal", Node::Bool(conntrack.tcp_be_liberal)),
        ("udpTimeout", duration(conntrack.udp_timeout)),
        ("udpStreamTimeout", duration(conntrack.udp_stream_timeout)),
    ])
}

fn map<'a>(fields: impl IntoIterator<Item = (&'a str, Node)>) -> Node {
    Node::Map(fields.into_iter().map(|(key, value)| pair(key, value)).collect())
}

fn pair(key: &str, value: Node) -> (String, Node) {
    (key.to_owned(), value)
}

fn text(value: &str) -> Node {
    Node::Text(value.to_owned())
}

fn int(value: i32) -> Node {
    Node::Int(value.into())
}

/// As few digits as tell the 32-bit number from its neighbours, and none after the point if it is whole.
fn float(value: f32) -> Node {
    let shortest = value.to_string();
    match shortest.parse() {
        Ok(whole) => Node::Int(whole),
        Err(_) => Node::Float(shortest.parse().expect("a printed number reads back")),
    }
}

fn duration(value: Duration) -> Node {
    Node::Text(value.to_string())
}

fn list(values: Option<&[String]>) -> Node {
    values.map_or(Node::Null, |values| Node::List(values.iter().map(|value| text(value)).collect()))
}

#[cfg(test)]
mod tests;
