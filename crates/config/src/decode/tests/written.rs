//! What others write, and what becomes of a file that says nothing.

use super::*;

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
fn reads_json() {
    let json = format!(r#"{{"apiVersion": "{API_VERSION}", "kind": "{KIND}", "oomScoreAdj": 1}}"#);
    assert_eq!(decode(&json).map(|decoded| decoded.config.oom_score_adj), Ok(1));
}
