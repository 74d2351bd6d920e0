//! What each flag changes in the configuration, and which values it refuses.

use super::*;

#[test]
fn sets_node_flags() {
    sets(&["--bind-address=10.0.0.1"], |c| c.bind_address = "10.0.0.1".into());
    sets(&["--bind-address=::"], |c| c.bind_address = "::".into());
    sets(&["--bind-address-hard-fail"], |c| c.bind_address_hard_fail = true);
    sets(&["--healthz-bind-address=[::]:1"], |c| c.healthz_bind_address = "[::]:1".into());
    sets(&["--metrics-bind-address=0.0.0.0:1"], |c| c.metrics_bind_address = "0.0.0.0:1".into());
    sets(&["--profiling"], |c| c.enable_profiling = true);
    sets(&["--show-hidden-metrics-for-version=1.35"], |c| c.show_hidden_metrics_for_version = "1.35".into());
    sets(&["--oom-score-adj=-998"], |c| c.oom_score_adj = -998);
    sets(&["--conntrack-max-per-core=0"], |c| c.conntrack.max_per_core = 0);
    sets(&["--conntrack-min=077"], |c| c.conntrack.min = 63);
    sets(&["--conntrack-tcp-be-liberal"], |c| c.conntrack.tcp_be_liberal = true);
    sets(&["--conntrack-tcp-timeout-close-wait=0"], |c| c.conntrack.tcp_close_wait_timeout = Duration::ZERO);
    sets(&["--conntrack-tcp-timeout-established=1s"], |c| {
        c.conntrack.tcp_established_timeout = Duration::from_secs(1);
    });
    sets(&["--conntrack-udp-timeout=1s"], |c| c.conntrack.udp_timeout = Duration::from_secs(1));
    sets(&["--conntrack-udp-timeout-stream=1s"], |c| c.conntrack.udp_stream_timeout = Duration::from_secs(1));
}

#[test]
fn sets_network_flags() {
    sets(&["--proxy-mode=ipvs"], |c| c.mode = ProxyMode::Ipvs);
    sets(&["--cluster-cidr=10.0.0.0/8,fd00::/64"], |c| {
        c.cluster_cidrs = vec!["10.0.0.0/8".into(), "fd00::/64".into()];
    });
    sets(&["--cluster-cidr="], |c| c.cluster_cidrs = vec![String::new()]);
    sets(&["--detect-local-mode=NodeCIDR"], |c| c.detect_local_mode = DetectLocalMode::NodeCidr);
    sets(&["--pod-bridge-interface=br0"], |c| c.detect_local.bridge_interface = "br0".into());
    sets(&["--pod-interface-name-prefix=veth"], |c| c.detect_local.interface_name_prefix = "veth".into());
    sets(&["--nodeport-addresses=primary"], |c| c.node_port_addresses = Some(vec!["primary".into()]));
    sets(&["--nodeport-addresses="], |c| c.node_port_addresses = Some(vec![]));
    sets(&["--masquerade-all"], |c| c.masquerade_all = true);
    sets(&["--iptables-masquerade-bit=0"], |c| c.iptables.masquerade_bit = 0);
    sets(&["--iptables-localhost-nodeports=false"], |c| c.iptables.localhost_node_ports = false);
    sets(&["--iptables-sync-period=1m"], |c| c.sync_period = Duration::from_secs(60));
    sets(&["--iptables-min-sync-period=0"], |c| c.min_sync_period = Duration::ZERO);
}

#[test]
fn sets_ipvs_flags_without_effect() {
    assert_eq!(configuration(&["--ipvs-sync-period=7m"]), Config::default());
    assert_eq!(configuration(&["--ipvs-min-sync-period=7m"]), Config::default());
    sets(&["--ipvs-scheduler=rr"], |c| c.ipvs.scheduler = "rr".into());
    sets(&["--ipvs-exclude-cidrs=a,b"], |c| c.ipvs.exclude_cidrs = Some(vec!["a".into(), "b".into()]));
    sets(&["--ipvs-strict-arp"], |c| c.ipvs.strict_arp = true);
    sets(&["--ipvs-tcp-timeout=1s"], |c| c.ipvs.tcp_timeout = Duration::from_secs(1));
    sets(&["--ipvs-tcpfin-timeout=1s"], |c| c.ipvs.tcp_fin_timeout = Duration::from_secs(1));
    sets(&["--ipvs-udp-timeout=1s"], |c| c.ipvs.udp_timeout = Duration::from_secs(1));
}

#[test]
fn sets_api_flags() {
    sets(&["--kubeconfig=/k"], |c| c.client_connection.kubeconfig = "/k".into());
    sets(&["--kube-api-qps=0.5"], |c| c.client_connection.qps = 0.5);
    sets(&["--kube-api-burst=7"], |c| c.client_connection.burst = 7);
    sets(&["--kube-api-content-type=application/json"], |c| {
        c.client_connection.content_type = "application/json".into();
    });
    sets(&["--config-sync-period=1m"], |c| c.config_sync_period = Duration::from_secs(60));
    sets(&["--feature-gates=A=true, B=false", "--feature-gates=C=1,A=0"], |c| {
        c.feature_gates = [("A", false), ("B", false), ("C", true)].map(|(k, v)| (k.to_owned(), v)).into();
    });
}

#[test]
fn sets_log_flags() {
    let entry = |pattern: &str, verbosity| VModule { file_pattern: pattern.to_owned(), verbosity };
    sets(&["--v=4"], |c| c.logging.verbosity = 4);
    sets(&["--vmodule=a=1,b=2", "--vmodule=c=3"], |c| {
        c.logging.vmodule = vec![entry("a", 1), entry("b", 2), entry("c", 3)];
    });
    sets(&["--logging-format=json"], |c| c.logging.format = "json".into());
    sets(&["--log-flush-frequency=1m"], |c| {
        c.logging.flush_frequency = FlushFrequency::Text(Duration::from_secs(60));
    });
    sets(&["--log-json-info-buffer-size=1K"], |c| c.logging.json.info_buffer_size = "1K".parse().unwrap());
    sets(&["--log-text-info-buffer-size=2Ki"], |c| c.logging.text.info_buffer_size = "2Ki".parse().unwrap());
    sets(&["--log-json-split-stream"], |c| c.logging.json.split_stream = true);
    sets(&["--log-text-split-stream"], |c| c.logging.text.split_stream = true);
}

#[test]
fn sets_what_is_no_configuration() {
    let typed = |word: &str| flags(&[word]).typed;
    assert_eq!(typed("--config=/c").config.as_deref(), Some(Path::new("/c")));
    assert_eq!(typed("--manifests=/m").manifests.as_deref(), Some(Path::new("/m")));
    assert_eq!(typed("--write-config-to=/w").write_config_to.as_deref(), Some(Path::new("/w")));
    assert_eq!(typed("--master=http://m").master.as_deref(), Some("http://m"));
    assert!(typed("--cleanup").cleanup);
    assert!(!typed("--flush-conntrack=false").flush_conntrack);
    assert!(typed("--init-only").init_only);
    for (word, backend) in [("nft", Backend::Nft), ("legacy", Backend::Legacy)] {
        assert_eq!(typed(&format!("--iptables-backend={word}")).iptables_backend, Wanted::Only(backend));
    }
    for word in ["--boot-id-file=/x", "--machine-id-file=/x"] {
        assert_eq!((typed(word), configuration(&[word])), (Typed::default(), Config::default()));
    }
}

#[test]
fn bad_values_are_named_with_their_flag() {
    let bad = |kind| {
        match kind {
            "bool" => Some(("yes", "want true or false")),
            "int32" => Some(("3.5", "want an integer")),
            "float32" => Some(("much", "want a number")),
            "duration" => Some(("3", "missing unit in duration \"3\"")),
            "strings" => Some(("\"a", "want a closing quote")),
            "name=bool,..." => Some(("A", "\"A\" is not NAME=true or NAME=false")),
            "ip" => Some(("[::]", "want an IP address")),
            "ip:port" => Some((":1", "want an IP address, with or without a port")),
            "level" => Some(("-1", "want an integer from 0 to 2147483647")),
            "pattern=level,..." => Some(("a", "\"a\" is not pattern=N")),
            "quantity" => {
                let want = "want a number with an optional suffix such as K, Ki, M or Mi";
                return Some(("x", format!("\"x\" is not a quantity: {want}")));
            }
            "true|false|raw" => {
                Some(("maybe", "want true, false, raw, or v1.36.2 with a suffix of your own"))
            }
            "auto|nft|legacy" => Some(("nf_tables", "want auto, nft or legacy")),
            "string" | "path" => None,
            other => panic!("no bad value for {other}"),
        }
        .map(|(text, reason)| (text, reason.to_owned()))
    };
    for flag in table::all() {
        let Some((text, reason)) = bad(flag.set.kind()) else { continue };
        let name = flag.short.map_or(String::new(), |letter| format!("-{letter}, ")) + "--" + flag.name;
        let word = format!("--{}={text}", flag.name);
        let found = match flag.deprecated {
            Some(_) => refused_with_warning(&[&word]),
            None => refused(&[&word]),
        };
        assert_eq!(found, format!("invalid argument {text:?} for \"{name}\" flag: {reason}"), "{word}");
    }
}

fn refused_with_warning(words: &[&str]) -> String {
    let Err(Stop::Refusal(text)) = parse(words) else { panic!("{words:?}: not an error") };
    assert!(text.starts_with("Flag --"), "{text}");
    text.trim_end().rsplit_once("\nError: ").unwrap().1.to_owned()
}
