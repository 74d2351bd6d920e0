//! What each field changes in the configuration.

use super::*;

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
