use super::*;
use crate::config::{DetectLocalMode, FlushFrequency, ProxyMode};
use crate::duration::Duration;

const HEAD: &str = "apiVersion: kubeproxy.config.k8s.io/v1alpha1\nkind: KubeProxyConfiguration\n";

/// What kubeadm writes for a default cluster: every field, the unset ones as zero values or nulls.
pub(crate) const KUBEADM: &str = r#"
apiVersion: kubeproxy.config.k8s.io/v1alpha1
bindAddress: 0.0.0.0
bindAddressHardFail: false
clientConnection:
  acceptContentTypes: ""
  burst: 0
  contentType: ""
  kubeconfig: /var/lib/kube-proxy/kubeconfig.conf
  qps: 0
clusterCIDR: 10.244.0.0/16
configSyncPeriod: 0s
conntrack:
  maxPerCore: null
  min: null
  tcpBeLiberal: false
  tcpCloseWaitTimeout: null
  tcpEstablishedTimeout: null
  udpStreamTimeout: 0s
  udpTimeout: 0s
detectLocal:
  bridgeInterface: ""
  interfaceNamePrefix: ""
detectLocalMode: ""
enableProfiling: false
healthzBindAddress: ""
hostnameOverride: ""
iptables:
  localhostNodePorts: null
  masqueradeAll: false
  masqueradeBit: null
  minSyncPeriod: 0s
  syncPeriod: 0s
ipvs:
  excludeCIDRs: null
  minSyncPeriod: 0s
  scheduler: ""
  strictARP: false
  syncPeriod: 0s
  tcpFinTimeout: 0s
  tcpTimeout: 0s
  udpTimeout: 0s
kind: KubeProxyConfiguration
logging:
  flushFrequency: 0
  options:
    json:
      infoBufferSize: "0"
    text:
      infoBufferSize: "0"
  verbosity: 0
metricsBindAddress: ""
mode: ""
nftables:
  masqueradeAll: false
  masqueradeBit: null
  minSyncPeriod: 0s
  syncPeriod: 0s
nodePortAddresses: null
oomScoreAdj: null
portRange: ""
showHiddenMetricsForVersion: ""
winkernel:
  enableDSR: false
  forwardHealthCheckVip: false
  networkName: ""
  rootHnsEndpointName: ""
  sourceVip: ""
"#;

fn read(fields: &str) -> Config {
    let decoded = decode(&format!("{HEAD}{fields}")).unwrap_or_else(|error| panic!("{fields}: {error}"));
    assert_eq!(decoded.strict, [""; 0], "{fields}");
    decoded.config
}

fn error(fields: &str) -> String {
    match decode(&format!("{HEAD}{fields}")) {
        Ok(decoded) => panic!("{fields}: {decoded:?}"),
        Err(error) => error.to_string(),
    }
}

/// A field that is set differs from the default in this way and in no other.
#[track_caller]
fn sets(fields: &str, change: impl FnOnce(&mut Config)) {
    let mut expected = Config::default();
    change(&mut expected);
    assert_ne!(expected, Config::default(), "{fields}: the test must set something else than the default");
    assert_eq!(read(fields), expected, "{fields}");
}

#[track_caller]
fn is_default(fields: &str) {
    assert_eq!(read(fields), Config::default(), "{fields}");
}

#[test]
fn kubeadm_writes_the_default() {
    let decoded = decode(KUBEADM).unwrap();
    assert_eq!(decoded.strict, [""; 0]);
    let mut expected = Config::default();
    expected.client_connection.kubeconfig = "/var/lib/kube-proxy/kubeconfig.conf".into();
    expected.cluster_cidrs = vec!["10.244.0.0/16".into()];
    assert_eq!(decoded.config, expected);
}

#[test]
fn kind_leaves_the_connection_limit_alone() {
    let kind = KUBEADM
        .replace("mode: \"\"", "mode: iptables\nfeatureGates:\n  \"KubeletInUserNamespace\": true")
        .replace("maxPerCore: null", "maxPerCore: 0")
        .replace("  minSyncPeriod: 0s\n  syncPeriod: 0s\nipvs", "  minSyncPeriod: 1s\n  syncPeriod: 0s\nipvs")
        .replace("clusterCIDR: 10.244.0.0/16", "clusterCIDR: 10.244.0.0/16,fd00:10:244::/56");
    let decoded = decode(&kind).unwrap();
    assert_eq!(decoded.strict, [""; 0]);
    assert_eq!(decoded.config.conntrack.max_per_core, 0);
    assert_eq!(decoded.config.conntrack.tcp_established_timeout, Duration::from_secs(86_400));
    assert_eq!(decoded.config.min_sync_period, Duration::from_secs(1));
    assert_eq!(decoded.config.cluster_cidrs, ["10.244.0.0/16", "fd00:10:244::/56"]);
    assert!(decoded.config.feature_gates["KubeletInUserNamespace"]);
    decoded.config.check().unwrap();
}

#[test]
fn rootless_kind_leaves_the_timeouts_alone() {
    let config = read("conntrack: {maxPerCore: 0, tcpEstablishedTimeout: 0s, tcpCloseWaitTimeout: 0s}");
    assert_eq!(config.conntrack.tcp_established_timeout, Duration::ZERO);
    assert_eq!(config.conntrack.tcp_close_wait_timeout, Duration::ZERO);
}

#[test]
fn every_field_has_its_default() {
    let config = read("");
    let conntrack = &config.conntrack;
    assert_eq!(config.client_connection.content_type, "application/vnd.kubernetes.protobuf");
    assert_eq!((config.client_connection.qps, config.client_connection.burst), (5.0, 10));
    assert_eq!((config.logging.format.as_str(), config.logging.verbosity), ("text", 0));
    assert_eq!(config.logging.flush_frequency, FlushFrequency::Text(Duration::from_secs(5)));
    assert_eq!(config.bind_address, "0.0.0.0");
    assert_eq!(config.healthz_bind_address, "0.0.0.0:10256");
    assert_eq!(config.metrics_bind_address, "127.0.0.1:10249");
    assert_eq!((config.mode, config.masquerade_all), (ProxyMode::Iptables, false));
    assert_eq!(
        (config.sync_period, config.min_sync_period),
        (Duration::from_secs(30), Duration::from_secs(1))
    );
    assert_eq!((config.iptables.masquerade_bit, config.iptables.localhost_node_ports), (14, true));
    assert_eq!((config.nftables_masquerade_bit, config.oom_score_adj), (14, -999));
    assert_eq!(config.detect_local_mode, DetectLocalMode::ClusterCidr);
    assert_eq!((config.cluster_cidrs.len(), config.node_port_addresses), (0, None));
    assert_eq!((conntrack.max_per_core, conntrack.min), (32_768, 131_072));
    assert_eq!(conntrack.tcp_established_timeout.to_string(), "24h0m0s");
    assert_eq!(conntrack.tcp_close_wait_timeout.to_string(), "1h0m0s");
    assert_eq!((conntrack.udp_timeout, conntrack.udp_stream_timeout), (Duration::ZERO, Duration::ZERO));
    assert_eq!(config.config_sync_period.to_string(), "15m0s");
    assert!(!config.bind_address_hard_fail && !config.enable_profiling && !conntrack.tcp_be_liberal);
    assert!(!config.windows_run_as_service);
}

#[test]
fn sets_client_connection() {
    sets("clientConnection: {kubeconfig: /k}", |c| c.client_connection.kubeconfig = "/k".into());
    sets("clientConnection: {acceptContentTypes: a/b}", |c| {
        c.client_connection.accept_content_types = "a/b".into();
    });
    sets("clientConnection: {contentType: application/json}", |c| {
        c.client_connection.content_type = "application/json".into();
    });
    sets("clientConnection: {qps: 0.5}", |c| c.client_connection.qps = 0.5);
    sets("clientConnection: {qps: -1}", |c| c.client_connection.qps = -1.0);
    sets("clientConnection: {burst: 7}", |c| c.client_connection.burst = 7);
    is_default("clientConnection: {qps: 0, burst: 0, contentType: ''}");
}

#[test]
fn sets_logging() {
    sets("logging: {format: json}", |c| c.logging.format = "json".into());
    sets("logging: {verbosity: 4}", |c| c.logging.verbosity = 4);
    sets("logging: {flushFrequency: 1m}", |c| {
        c.logging.flush_frequency = FlushFrequency::Text(Duration::from_secs(60));
    });
    sets("logging: {flushFrequency: 1000000000}", |c| {
        c.logging.flush_frequency = FlushFrequency::Nanoseconds(Duration::from_secs(1));
    });
    sets("logging: {vmodule: [{filePattern: sync*, verbosity: 6}]}", |c| {
        c.logging.vmodule = vec![crate::VModule { file_pattern: "sync*".into(), verbosity: 6 }];
    });
    sets("logging: {options: {text: {splitStream: true}}}", |c| c.logging.text.split_stream = true);
    sets("logging: {options: {json: {splitStream: true}}}", |c| c.logging.json.split_stream = true);
    sets("logging: {options: {text: {infoBufferSize: 2Ki}}}", |c| {
        c.logging.text.info_buffer_size = "2Ki".parse().unwrap();
    });
    sets("logging: {options: {json: {infoBufferSize: 512}}}", |c| {
        c.logging.json.info_buffer_size = "512".parse().unwrap();
    });
    is_default("logging: {flushFrequency: null}");
    is_default("logging: {flushFrequency: 0s, format: '', vmodule: [], options: {text: null}}");
}

#[test]
fn sets_top_level_fields() {
    sets("featureGates: {A: true, B: false, C: yes}", |c| {
        c.feature_gates = [("A", true), ("B", false), ("C", true)].map(|(k, v)| (k.to_owned(), v)).into();
    });
    sets("hostnameOverride: ' Node-1'", |c| c.hostname_override = " Node-1".into());
    sets("bindAddressHardFail: on", |c| c.bind_address_hard_fail = true);
    sets("enableProfiling: true", |c| c.enable_profiling = true);
    sets("showHiddenMetricsForVersion: '1.35'", |c| c.show_hidden_metrics_for_version = "1.35".into());
    sets("detectLocalMode: NodeCIDR", |c| c.detect_local_mode = DetectLocalMode::NodeCidr);
    sets("detectLocalMode: What", |c| c.detect_local_mode = DetectLocalMode::Other("What".into()));
    sets("detectLocal: {bridgeInterface: br0}", |c| c.detect_local.bridge_interface = "br0".into());
    sets("detectLocal: {interfaceNamePrefix: veth}", |c| {
        c.detect_local.interface_name_prefix = "veth".into()
    });
    sets("clusterCIDR: 10.0.0.0/8,fd00::/64", |c| {
        c.cluster_cidrs = vec!["10.0.0.0/8".into(), "fd00::/64".into()];
    });
    sets("nodePortAddresses: [primary]", |c| c.node_port_addresses = Some(vec!["primary".into()]));
    sets("nodePortAddresses: []", |c| c.node_port_addresses = Some(vec![]));
    sets("oomScoreAdj: 0", |c| c.oom_score_adj = 0);
    sets("oomScoreAdj: -5.0", |c| c.oom_score_adj = -5);
    sets("configSyncPeriod: 1m", |c| c.config_sync_period = Duration::from_secs(60));
    sets("windowsRunAsService: true", |c| c.windows_run_as_service = true);
    is_default("portRange: 1-2");
    is_default("bindAddress: 0.0.0.0\nconfigSyncPeriod: 0s\noomScoreAdj: null\nfeatureGates: null");
}

#[test]
fn listen_addresses_follow_the_bind_address() {
    sets("bindAddress: 10.0.0.1", |c| c.bind_address = "10.0.0.1".into());
    sets("bindAddress: '::ffff:10.0.0.1'", |c| c.bind_address = "::ffff:10.0.0.1".into());
    for address in ["::", "fd00::1", "not-an-address"] {
        sets(&format!("bindAddress: '{address}'"), |c| {
            c.bind_address = address.into();
            c.healthz_bind_address = "[::]:10256".into();
            c.metrics_bind_address = "[::1]:10249".into();
        });
    }
}

#[test]
fn a_bare_listen_address_gets_its_port() {
    for (given, healthz, metrics) in [
        ("1.2.3.4", "1.2.3.4:10256", "1.2.3.4:10249"),
        ("'::'", "[::]:10256", "[::]:10249"),
        ("1.2.3.4:80", "1.2.3.4:80", "1.2.3.4:80"),
        ("'[::1]:80'", "[::1]:80", "[::1]:80"),
        ("nonsense", "nonsense", "nonsense"),
    ] {
        sets(&format!("healthzBindAddress: {given}"), |c| c.healthz_bind_address = healthz.into());
        sets(&format!("metricsBindAddress: {given}"), |c| c.metrics_bind_address = metrics.into());
    }
}

#[test]
fn sets_iptables() {
    sets("iptables: {masqueradeBit: 0}", |c| c.iptables.masquerade_bit = 0);
    sets("iptables: {masqueradeAll: true}", |c| c.masquerade_all = true);
    sets("iptables: {localhostNodePorts: false}", |c| c.iptables.localhost_node_ports = false);
    sets("iptables: {syncPeriod: 1m}", |c| c.sync_period = Duration::from_secs(60));
    sets("iptables: {minSyncPeriod: 10s}", |c| c.min_sync_period = Duration::from_secs(10));
    is_default(
        "iptables: {syncPeriod: 0s, minSyncPeriod: 0s, masqueradeBit: null, localhostNodePorts: null}",
    );
    is_default("iptables: null");
}

#[test]
fn other_modes_have_their_own_periods() {
    is_default("ipvs: {syncPeriod: 1m, minSyncPeriod: 2s}");
    is_default("nftables: {syncPeriod: 1m, minSyncPeriod: 2s, masqueradeAll: true}");
    sets("mode: ipvs\nipvs: {syncPeriod: 1m}\niptables: {masqueradeAll: true, syncPeriod: 7m}", |c| {
        c.mode = ProxyMode::Ipvs;
        c.sync_period = Duration::from_secs(60);
        c.min_sync_period = Duration::ZERO;
        c.masquerade_all = true;
    });
    sets("mode: nftables\nnftables: {minSyncPeriod: 2s, masqueradeAll: true}", |c| {
        c.mode = ProxyMode::Nftables;
        c.min_sync_period = Duration::from_secs(2);
        c.masquerade_all = true;
    });
}

#[test]
fn sets_what_has_no_effect() {
    sets("ipvs: {scheduler: rr}", |c| c.ipvs.scheduler = "rr".into());
    sets("ipvs: {excludeCIDRs: [10.0.0.0/8]}", |c| c.ipvs.exclude_cidrs = Some(vec!["10.0.0.0/8".into()]));
    sets("ipvs: {strictARP: true}", |c| c.ipvs.strict_arp = true);
    sets("ipvs: {tcpTimeout: 1s}", |c| c.ipvs.tcp_timeout = Duration::from_secs(1));
    sets("ipvs: {tcpFinTimeout: 1s}", |c| c.ipvs.tcp_fin_timeout = Duration::from_secs(1));
    sets("ipvs: {udpTimeout: 1s}", |c| c.ipvs.udp_timeout = Duration::from_secs(1));
    sets("nftables: {masqueradeBit: 99}", |c| c.nftables_masquerade_bit = 99);
    sets("winkernel: {networkName: net}", |c| c.winkernel.network_name = "net".into());
    sets("winkernel: {sourceVip: 1.2.3.4}", |c| c.winkernel.source_vip = "1.2.3.4".into());
    sets("winkernel: {enableDSR: true}", |c| c.winkernel.enable_dsr = true);
    sets("winkernel: {rootHnsEndpointName: r}", |c| c.winkernel.root_hns_endpoint_name = "r".into());
    sets("winkernel: {forwardHealthCheckVip: true}", |c| c.winkernel.forward_health_check_vip = true);
}

#[test]
fn sets_conntrack() {
    sets("conntrack: {maxPerCore: 0}", |c| c.conntrack.max_per_core = 0);
    sets("conntrack: {min: 0}", |c| c.conntrack.min = 0);
    sets("conntrack: {tcpEstablishedTimeout: 0s}", |c| c.conntrack.tcp_established_timeout = Duration::ZERO);
    sets("conntrack: {tcpCloseWaitTimeout: 90s}", |c| {
        c.conntrack.tcp_close_wait_timeout = Duration::from_secs(90);
    });
    sets("conntrack: {tcpBeLiberal: true}", |c| c.conntrack.tcp_be_liberal = true);
    sets("conntrack: {udpTimeout: 45s}", |c| c.conntrack.udp_timeout = Duration::from_secs(45));
    sets("conntrack: {udpStreamTimeout: 150s}", |c| {
        c.conntrack.udp_stream_timeout = Duration::from_secs(150)
    });
    is_default(
        "conntrack: {maxPerCore: null, min: null, tcpEstablishedTimeout: null, tcpCloseWaitTimeout: null}",
    );
}

#[test]
fn wrong_types_name_the_field() {
    for (fields, message) in [
        ("oomScoreAdj: '5'", r#"oomScoreAdj: must be a 32-bit integer, not the string "5""#),
        ("oomScoreAdj: 5.5", "oomScoreAdj: must be a 32-bit integer, not the number 5.5"),
        ("oomScoreAdj: 2147483648", "oomScoreAdj: must be a 32-bit integer, not the number 2147483648"),
        ("mode: 5", "mode: must be a string, not the number 5"),
        ("mode: on", "mode: must be a string, not the boolean true"),
        ("nodePortAddresses: primary", r#"nodePortAddresses: must be a list, not the string "primary""#),
        ("nodePortAddresses: [1]", "nodePortAddresses[0]: must be a string, not the number 1"),
        ("enableProfiling: 'true'", r#"enableProfiling: must be true or false, not the string "true""#),
        ("enableProfiling: 'yes'", r#"enableProfiling: must be true or false, not the string "yes""#),
        ("enableProfiling: 1", "enableProfiling: must be true or false, not the number 1"),
        (
            "clientConnection: {qps: '5'}",
            r#"clientConnection.qps: must be a 32-bit number, not the string "5""#,
        ),
        ("clientConnection: {qps: 1e300}", "clientConnection.qps: must be a 32-bit number, not the number 1"),
        ("clientConnection: []", "clientConnection: must be an object, not a list"),
        ("configSyncPeriod: 5", r#"configSyncPeriod: must be a duration such as "30s", not the number 5"#),
        ("configSyncPeriod: '5'", r#"configSyncPeriod: missing unit in duration "5""#),
        ("configSyncPeriod: null", r#"configSyncPeriod: must be a duration such as "30s", not null"#),
        ("iptables: {syncPeriod: }", r#"iptables.syncPeriod: must be a duration such as "30s", not null"#),
        ("conntrack: {tcpEstablishedTimeout: 5}", "conntrack.tcpEstablishedTimeout: must be a duration"),
        ("conntrack: {udpTimeout: soon}", r#"conntrack.udpTimeout: invalid duration "soon""#),
        ("featureGates: {A: 'true'}", r#"featureGates.A: must be true or false, not the string "true""#),
        (
            "logging: {verbosity: -1}",
            "logging.verbosity: must be an unsigned 32-bit integer, not the number -1",
        ),
        ("logging: {flushFrequency: 1.5}", "logging.flushFrequency: must be a duration"),
        (
            "logging: {options: {json: {infoBufferSize: lots}}}",
            r#"logging.options.json.infoBufferSize: "lots" is not a quantity"#,
        ),
        (
            "logging: {vmodule: [{filePattern: a, verbosity: x}]}",
            "logging.vmodule[0].verbosity: must be an unsigned 32-bit integer, not the string",
        ),
    ] {
        let found = error(fields);
        assert!(found.starts_with(message), "{fields}: {found}");
    }
}

#[test]
fn unknown_and_duplicate_fields_are_told_and_dropped() {
    let text = "
apiVersion: kubeproxy.config.k8s.io/v1alpha1
kind: KubeProxyConfiguration
oomScoreAdj: wrong type, but not the last
iptables: {syncperiod: 5s, masqueradeBit: 1, masqueradeBit: 2}
conntrack: {bogus: 1}
logging: {vmodule: [{filePattern: a, level: 1}]}
Mode: ipvs
unheardOf: {twice: 1, twice: 2}
oomScoreAdj: 3
";
    let decoded = decode(text).unwrap();
    assert_eq!(
        decoded.strict,
        [
            r#"duplicate field "iptables.masqueradeBit""#,
            r#"duplicate field "oomScoreAdj""#,
            r#"duplicate field "unheardOf.twice""#,
            r#"unknown field "Mode""#,
            r#"unknown field "conntrack.bogus""#,
            r#"unknown field "iptables.syncperiod""#,
            r#"unknown field "logging.vmodule[0].level""#,
            r#"unknown field "unheardOf""#,
        ]
    );
    assert_eq!((decoded.config.iptables.masquerade_bit, decoded.config.oom_score_adj), (2, 3));
    assert_eq!(decoded.config.mode, ProxyMode::Iptables);
}

#[test]
fn reads_json() {
    let json = format!(r#"{{"apiVersion": "{API_VERSION}", "kind": "{KIND}", "oomScoreAdj": 1}}"#);
    assert_eq!(decode(&json).map(|decoded| decoded.config.oom_score_adj), Ok(1));
}

#[test]
fn refuses_other_documents() {
    for (text, message) in [
        ("", "kind is missing"),
        ("{}", "kind is missing"),
        ("kind: KubeProxyConfiguration", "apiVersion is missing"),
        ("kind: ''", "kind is missing"),
        ("[1]", "the document is not an object"),
        ("kind: 5", "kind: must be a string, not the number 5"),
        (
            "{kind: Pod, apiVersion: v1, mode: []}",
            "no kind \"Pod\" is known for version \"v1\": want KubeProxyConfiguration of \
             kubeproxy.config.k8s.io/v1alpha1",
        ),
    ] {
        assert_eq!(decode(text).map_err(|error| error.to_string()), Err(message.to_owned()), "{text}");
    }
    let beta = HEAD.replace("v1alpha1", "v1beta1");
    assert!(matches!(decode(&beta), Err(DecodeError::Foreign { .. })));
    assert!(matches!(decode(&format!("{HEAD}bindAddress: ::")), Err(DecodeError::Syntax(_))));
    assert!(matches!(decode(&"[".repeat(1000)), Err(DecodeError::Limit(_))));
}
