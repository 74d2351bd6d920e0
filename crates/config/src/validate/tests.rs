use super::*;
use crate::config::{FlushFrequency, VModule};
use crate::duration::Duration;

/// Everything that is wrong with the default after a change.
fn wrong(change: impl FnOnce(&mut Config)) -> String {
    let mut config = Config::default();
    change(&mut config);
    match config.check() {
        Ok(_) => String::new(),
        Err(problems) => problems.to_string(),
    }
}

fn checked(change: impl FnOnce(&mut Config)) -> Checked {
    let mut config = Config::default();
    change(&mut config);
    config.check().unwrap()
}

fn wrong_logging(gates: &[(&str, bool)], change: impl FnOnce(&mut Config)) -> String {
    let set = gates.iter().map(|(name, value)| ((*name).to_owned(), *value)).collect();
    let mut config = Config::default();
    change(&mut config);
    match config.check_logging(&Gates::new(&set).unwrap().0) {
        Ok(()) => String::new(),
        Err(problems) => problems.to_string(),
    }
}

fn texts(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|text| (*text).to_owned()).collect()
}

#[test]
fn the_default_is_fine() {
    let checked = checked(|_| {});
    assert_eq!(checked.bind_address.to_string(), "0.0.0.0");
    assert_eq!(checked.healthz_bind_address.unwrap().to_string(), "0.0.0.0:10256");
    assert_eq!(checked.metrics_bind_address.unwrap().to_string(), "127.0.0.1:10249");
    assert_eq!(checked.node_port_addresses, NodePortAddresses::All);
    assert_eq!(checked.detect_local, DetectLocal::ClusterCidr(vec![]));
    assert_eq!(checked.masquerade_mark, 0x4000);
    assert_eq!(wrong_logging(&[], |_| {}), "");
}

#[test]
fn all_problems_are_collected() {
    assert_eq!(
        wrong(|c| {
            c.iptables.masquerade_bit = 32;
            c.conntrack.min = -1;
            c.oom_score_adj = 1001;
        }),
        "[KubeProxyConfiguration.KubeProxyIPTablesConfiguration.MasqueradeBit: Invalid value: 32: \
         must be within the range [0, 31], \
         KubeProxyConfiguration.KubeProxyLinuxConfiguration.KubeProxyConntrackConfiguration.Min: \
         Invalid value: -1: must be greater than or equal to 0, \
         KubeProxyConfiguration.KubeProxyLinuxConfiguration.OOMScoreAdj: Invalid value: 1001: \
         must be within the range [-1000, 1000]]"
    );
}

#[test]
fn masquerade_bit() {
    assert_eq!(checked(|c| c.iptables.masquerade_bit = 0).masquerade_mark, 1);
    assert_eq!(checked(|c| c.iptables.masquerade_bit = 31).masquerade_mark, 0x8000_0000);
    assert!(wrong(|c| c.iptables.masquerade_bit = -1).contains("MasqueradeBit: Invalid value: -1:"));
    assert_eq!(wrong(|c| c.nftables_masquerade_bit = 99), "");
}

#[test]
fn numbers_and_durations() {
    let conntrack = "KubeProxyConfiguration.KubeProxyLinuxConfiguration.KubeProxyConntrackConfiguration";
    let negative = Duration::from_millis(-1500);
    for (found, path) in [
        (wrong(|c| c.conntrack.tcp_established_timeout = negative), "TCPEstablishedTimeout"),
        (wrong(|c| c.conntrack.tcp_close_wait_timeout = negative), "TCPCloseWaitTimeout"),
        (wrong(|c| c.conntrack.udp_timeout = negative), "UDPTimeout"),
        (wrong(|c| c.conntrack.udp_stream_timeout = negative), "UDPStreamTimeout"),
    ] {
        let reason = "must be greater than or equal to 0";
        assert_eq!(found, format!("{conntrack}.{path}: Invalid value: \"-1.5s\": {reason}"));
    }
    let found = wrong(|c| c.conntrack.max_per_core = -1);
    assert!(found.starts_with(&format!("{conntrack}.MaxPerCore: Invalid value: -1: ")), "{found}");
    assert!(wrong(|c| c.oom_score_adj = -1001).contains(".OOMScoreAdj: Invalid value: -1001: "));
    assert_eq!(wrong(|c| c.oom_score_adj = -1000), "");
    let found = wrong(|c| c.client_connection.burst = -1);
    assert!(
        found.starts_with("KubeProxyConfiguration.ClientConnection.Burst: Invalid value: -1: "),
        "{found}"
    );
    let found = wrong(|c| c.config_sync_period = Duration::ZERO);
    assert_eq!(
        found,
        "KubeProxyConfiguration.ConfigSyncPeriod: Invalid value: \"0s\": must be greater than 0"
    );
}

#[test]
fn periods() {
    let secs = Duration::from_secs;
    assert_eq!(wrong(|c| c.min_sync_period = Duration::ZERO), "");
    assert_eq!(wrong(|c| c.min_sync_period = c.sync_period), "");
    assert_eq!(
        wrong(|c| c.min_sync_period = secs(-1)),
        "KubeProxyConfiguration.MinSyncPeriod: Invalid value: \"-1s\": must be greater than or equal to 0"
    );
    assert_eq!(
        wrong(|c| c.min_sync_period = secs(60)),
        "KubeProxyConfiguration.SyncPeriod: Invalid value: \"1m0s\": \
         must not be greater than the sync period of 30s"
    );
    assert_eq!(
        wrong(|c| c.sync_period = secs(0)),
        "[KubeProxyConfiguration.SyncPeriod: Invalid value: \"0s\": must be greater than 0, \
         KubeProxyConfiguration.SyncPeriod: Invalid value: \"1s\": \
         must not be greater than the sync period of 0s]"
    );
}

#[test]
fn only_the_iptables_mode() {
    for mode in ["ipvs", "nftables"] {
        assert_eq!(
            wrong(|c| c.mode = mode.into()),
            format!(
                "KubeProxyConfiguration.Mode.ProxyMode: Invalid value: \"{mode}\": \
                 this kube-proxy implements only the mode iptables"
            )
        );
    }
    for mode in ["kernelspace", "IPTables", "userspace"] {
        assert_eq!(
            wrong(|c| c.mode = mode.into()),
            format!(
                "KubeProxyConfiguration.Mode.ProxyMode: Invalid value: \"{mode}\": \
                 there is no such mode: this kube-proxy implements only the mode iptables"
            )
        );
    }
}

#[test]
fn bind_address() {
    assert_eq!(checked(|c| c.bind_address = "010.0.0.1".into()).bind_address.to_string(), "10.0.0.1");
    for bad in ["", "10.0.0.1:80", "[::]", "localhost"] {
        let found = wrong(|c| c.bind_address = bad.into());
        let start = format!("KubeProxyConfiguration.BindAddress: Invalid value: \"{bad}\": must be an IP");
        assert!(found.starts_with(&start), "{found}");
    }
}

#[test]
fn listen_addresses() {
    let none = checked(|c| {
        c.healthz_bind_address.clear();
        c.metrics_bind_address.clear();
    });
    assert_eq!((none.healthz_bind_address, none.metrics_bind_address), (None, None));
    for (text, value, reason) in [
        ("1.2.3.4", "1.2.3.4", "must be IP:port"),
        ("localhost:80", "localhost", "must be an IP address"),
        (":80", "", "must be an IP address"),
        ("1.2.3.4:0", "0", "must be a port number from 1 to 65535"),
        ("[::1]:http", "http", "must be a port number from 1 to 65535"),
    ] {
        assert_eq!(
            wrong(|c| c.healthz_bind_address = text.into()),
            format!("KubeProxyConfiguration.HealthzBindAddress: Invalid value: \"{value}\": {reason}")
        );
        assert_eq!(
            wrong(|c| c.metrics_bind_address = text.into()),
            format!("KubeProxyConfiguration.MetricsBindAddress: Invalid value: \"{value}\": {reason}")
        );
    }
}

#[test]
fn node_port_addresses() {
    let with = |list: &[&str]| {
        let list = texts(list);
        checked(|c| c.node_port_addresses = Some(list)).node_port_addresses
    };
    assert_eq!(with(&[]), NodePortAddresses::All);
    assert_eq!(with(&["primary"]), NodePortAddresses::Primary);
    let cidrs = ["10.0.0.0/8", "fd00::/64"].map(|text| text.parse().unwrap());
    assert_eq!(with(&["10.1.1.1/8", "fd00::9/64"]), NodePortAddresses::Cidrs(cidrs.into()));
    assert_eq!(
        wrong(|c| c.node_port_addresses = Some(texts(&["10.0.0.1", "primary", "nonsense"]))),
        "[KubeProxyConfiguration.NodePortAddresses[0]: Invalid value: \"10.0.0.1\": \
         must be a CIDR block such as 10.100.0.0/16 or fde4:8dba:82e1::/48, \
         KubeProxyConfiguration.NodePortAddresses[1]: Invalid value: \"primary\": \
         must be the only element if it is used]"
    );
    assert!(wrong(|c| c.node_port_addresses = Some(texts(&["primary", "primary"]))).contains("[0]"));
}

#[test]
fn hidden_metrics() {
    assert_eq!(wrong(|c| c.show_hidden_metrics_for_version = "1.35".into()), "");
    assert_eq!(
        wrong(|c| c.show_hidden_metrics_for_version = "1.34".into()),
        "KubeProxyConfiguration.ShowHiddenMetricsForVersion: Invalid value: \"1.34\": \
         must be empty or the previous minor version, 1.35"
    );
}

#[test]
fn detect_local_modes() {
    let bridge = |name: &str| {
        let name = name.to_owned();
        move |c: &mut Config| {
            c.detect_local_mode = DetectLocalMode::BridgeInterface;
            c.detect_local.bridge_interface = name;
        }
    };
    let prefix = |name: &str| {
        let name = name.to_owned();
        move |c: &mut Config| {
            c.detect_local_mode = DetectLocalMode::InterfaceNamePrefix;
            c.detect_local.interface_name_prefix = name;
        }
    };
    assert_eq!(checked(bridge("br0")).detect_local, DetectLocal::BridgeInterface("br0".into()));
    assert_eq!(checked(prefix("veth")).detect_local, DetectLocal::InterfaceNamePrefix("veth".into()));
    let node_cidr = checked(|c| c.detect_local_mode = DetectLocalMode::NodeCidr);
    assert_eq!(node_cidr.detect_local, DetectLocal::NodeCidr);
    let path = "KubeProxyConfiguration.DetectLocalConfiguration";
    let reason = "Invalid value: \"\": must not be empty in this mode";
    assert_eq!(wrong(bridge("")), format!("{path}.InterfaceName: {reason}"));
    assert_eq!(wrong(prefix("")), format!("{path}.InterfacePrefix: {reason}"));
    for name in ["br\n0", "br 0", "br\t", "br/0", "br:0", "br\"", "br'", "br\\", "br\u{85}"] {
        assert!(wrong(bridge(name)).contains("InterfaceName: Invalid value"), "{name:?}");
        assert!(wrong(prefix(name)).contains("InterfacePrefix: Invalid value"), "{name:?}");
    }
    checked(bridge("fifteen-letters"));
    assert!(wrong(bridge("sixteen--letters")).contains("must be shorter"));
    // iptables counts the plus sign behind it.
    checked(prefix("fourteen-bytes"));
    assert!(wrong(prefix("fifteen-letters")).contains("must be shorter"));
    assert_eq!(
        wrong(|c| c.detect_local_mode = "Guess".into()),
        "KubeProxyConfiguration.DetectLocalMode: Unsupported value: \"Guess\": supported values: \
         \"ClusterCIDR\", \"NodeCIDR\", \"BridgeInterface\", \"InterfaceNamePrefix\", \"\""
    );
}

#[test]
fn cluster_cidrs() {
    let found = |list: &[&str]| {
        let list = texts(list);
        wrong(|c| c.cluster_cidrs = list)
    };
    let path = "KubeProxyConfiguration.DetectLocalConfiguration.ClusterCIDRs";
    let both = checked(|c| c.cluster_cidrs = texts(&["fd00::1/64", "10.244.9.9/16"])).detect_local;
    let cidrs = ["fd00::/64", "10.244.0.0/16"].map(|text| text.parse().unwrap());
    assert_eq!(both, DetectLocal::ClusterCidr(cidrs.into()));
    let bad = found(&["10.0.0.0/8", " fd00::/64"]);
    assert!(bad.starts_with(&format!("{path}[1]: Invalid value: \" fd00::/64\": must be a CIDR")), "{bad}");
    let empty = found(&[""]);
    assert!(empty.starts_with(&format!("{path}[0]: Invalid value: \"\": must be a CIDR")), "{empty}");
    assert_eq!(
        found(&["10.0.0.0/8", "10.1.0.0/16"]),
        format!(
            "{path}: Invalid value: [\"10.0.0.0/8\",\"10.1.0.0/16\"]: \
             must be of different families, one IPv4 and one IPv6"
        )
    );
    let three = found(&["10.0.0.0/8", "fd00::/64", "10.1.0.0/16"]);
    assert!(three.starts_with(&format!("{path}: Invalid value: [\"10.0.0.0/8\",")), "{three}");
    let ignored = wrong(|c| {
        c.detect_local_mode = DetectLocalMode::NodeCidr;
        c.cluster_cidrs = texts(&["nonsense"]);
    });
    assert_eq!(ignored, "");
}

#[test]
fn feature_gates() {
    assert_eq!(
        wrong(|c| c.feature_gates = [("NFTablesProxyMode".to_owned(), false)].into()),
        "KubeProxyConfiguration.featureGates: Invalid value: {\"NFTablesProxyMode\":false}: \
         cannot set feature gate NFTablesProxyMode to false, feature is locked to true"
    );
    let checked = checked(|c| c.feature_gates = [("AllowServiceExternalIPs".to_owned(), false)].into());
    assert!(!checked.gates.is_enabled(Gate::AllowServiceExternalIPs));
}

#[test]
fn log_formats() {
    assert_eq!(wrong_logging(&[], |c| c.logging.format = "json".into()), "");
    assert_eq!(
        wrong_logging(&[("AllBeta", false)], |c| c.logging.format = "json".into()),
        "logging.format: Invalid value: \"json\": needs the feature gate LoggingBetaOptions"
    );
    assert_eq!(
        wrong_logging(&[], |c| c.logging.format = "xml".into()),
        "logging.format: Invalid value: \"xml\": must be text or json"
    );
}

#[test]
fn log_levels() {
    let found = wrong_logging(&[], |c| c.logging.flush_frequency = FlushFrequency::Text(Duration::ZERO));
    assert_eq!(found, "logging.flushFrequency: Invalid value: \"0s\": must be greater than 0");
    assert_eq!(
        wrong_logging(&[], |c| c.logging.verbosity = 2_147_483_648),
        "logging.verbosity: Invalid value: 2147483648: must not be greater than 2147483647"
    );
}

#[test]
fn vmodule() {
    let with = |pattern: &str, verbosity| {
        let entry = VModule { file_pattern: pattern.to_owned(), verbosity };
        move |c: &mut Config| c.logging.vmodule = vec![entry]
    };
    assert_eq!(wrong_logging(&[], with("sync*", 9)), "");
    assert_eq!(
        wrong_logging(&[], with("", 0)),
        "logging.vmodule[0].filePattern: Invalid value: \"\": must not be empty"
    );
    for bad in ["a=b", "a,b"] {
        let found = wrong_logging(&[], with(bad, 0));
        assert!(found.contains("must not contain an equal sign or a comma"), "{found}");
    }
    assert!(wrong_logging(&[], with("a", u32::MAX)).starts_with("logging.vmodule[0].verbosity: Invalid"));
    let json = wrong_logging(&[], |c| {
        with("a", 1)(c);
        c.logging.format = "json".into();
    });
    assert_eq!(json, "logging.format: Invalid value: \"json\": must be text if vmodule is set");
}

#[test]
fn alpha_log_options() {
    let set = |c: &mut Config| {
        c.logging.text.split_stream = true;
        c.logging.json.info_buffer_size = "1K".parse().unwrap();
    };
    assert_eq!(wrong_logging(&[("LoggingAlphaOptions", true)], set), "");
    assert_eq!(
        wrong_logging(&[], set),
        "[logging.options.text.splitStream: Invalid value: true: needs the feature gate LoggingAlphaOptions, \
         logging.options.json.infoBufferSize: Invalid value: \"1K\": \
         needs the feature gate LoggingAlphaOptions]"
    );
}
