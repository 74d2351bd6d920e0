use std::io;
use std::path::Path;

use config::{DetectLocalMode, Duration, FlushFrequency, ProxyMode, VModule};
use proxier::backend::{Backend, Wanted};

use super::complete::{Notice, Refusal};
use super::*;

/// Every flag of the original kube-proxy v1.36 on Linux.
const ORIGINAL: [&str; 59] = [
    "bind-address",
    "bind-address-hard-fail",
    "boot-id-file",
    "cleanup",
    "cluster-cidr",
    "config",
    "config-sync-period",
    "conntrack-max-per-core",
    "conntrack-min",
    "conntrack-tcp-be-liberal",
    "conntrack-tcp-timeout-close-wait",
    "conntrack-tcp-timeout-established",
    "conntrack-udp-timeout",
    "conntrack-udp-timeout-stream",
    "detect-local-mode",
    "feature-gates",
    "healthz-bind-address",
    "healthz-port",
    "help",
    "hostname-override",
    "init-only",
    "iptables-localhost-nodeports",
    "iptables-masquerade-bit",
    "iptables-min-sync-period",
    "iptables-sync-period",
    "ipvs-exclude-cidrs",
    "ipvs-min-sync-period",
    "ipvs-scheduler",
    "ipvs-strict-arp",
    "ipvs-sync-period",
    "ipvs-tcp-timeout",
    "ipvs-tcpfin-timeout",
    "ipvs-udp-timeout",
    "kube-api-burst",
    "kube-api-content-type",
    "kube-api-qps",
    "kubeconfig",
    "log-flush-frequency",
    "log-json-info-buffer-size",
    "log-json-split-stream",
    "log-text-info-buffer-size",
    "log-text-split-stream",
    "logging-format",
    "machine-id-file",
    "masquerade-all",
    "master",
    "metrics-bind-address",
    "metrics-port",
    "nodeport-addresses",
    "oom-score-adj",
    "pod-bridge-interface",
    "pod-interface-name-prefix",
    "profiling",
    "proxy-mode",
    "show-hidden-metrics-for-version",
    "v",
    "version",
    "vmodule",
    "write-config-to",
];

const FILE: &str = "
apiVersion: kubeproxy.config.k8s.io/v1alpha1
kind: KubeProxyConfiguration
oomScoreAdj: 7
hostnameOverride: from-the-file
logging: {verbosity: 1, vmodule: [{filePattern: of-the-file, verbosity: 3}]}
";

fn parse(words: &[&str]) -> Result<Flags, Stop> {
    Flags::parse(words.iter().map(|word| (*word).to_owned()))
}

fn flags(words: &[&str]) -> Flags {
    parse(words).unwrap_or_else(|stop| panic!("{words:?}: {stop:?}"))
}

/// The configuration of flags without a file.
fn configuration(words: &[&str]) -> Config {
    flags(words).complete(None).unwrap().config
}

/// The configuration of flags beside a file.
fn with_file(words: &[&str]) -> Config {
    flags(words).complete(Some(FILE)).unwrap().config
}

/// The flags change the default in this way and in no other.
#[track_caller]
fn sets(words: &[&str], change: impl FnOnce(&mut Config)) {
    let mut expected = Config::default();
    change(&mut expected);
    assert_ne!(expected, Config::default(), "{words:?}: the test must set something else than the default");
    assert_eq!(configuration(words), expected, "{words:?}");
}

/// What stands behind `Error: ` on stderr.
#[track_caller]
fn refused(words: &[&str]) -> String {
    let stop = parse(words).expect_err("the command line is wrong");
    assert_eq!(stop.exit_code(), 1);
    let Stop::Refusal(text) = stop else { panic!("{words:?}: not an error") };
    let (usage, error) = text.split_once("\nError: ").unwrap();
    assert!(usage.starts_with("Makes Kubernetes Services reachable") && usage.ends_with('\n'), "{usage}");
    error.trim_end().to_owned()
}

fn given(name: &str, words: &[&str]) -> String {
    flags(words).values().into_iter().find(|(flag, _)| *flag == name).unwrap().1
}

// === the table ===

#[test]
fn the_table_has_the_original_flags_and_names_ours() {
    let mut names: Vec<&str> = table::all().filter(|flag| !flag.is_ours).map(|flag| flag.name).collect();
    names.sort_unstable();
    let mut original = ORIGINAL.to_vec();
    original.sort_unstable();
    assert_eq!(names, original);
    let ours: Vec<&str> = table::all().filter(|flag| flag.is_ours).map(|flag| flag.name).collect();
    assert_eq!(ours, ["flush-conntrack", "iptables-backend", "manifests"]);
}

#[test]
fn nothing_typed_is_the_default() {
    assert_eq!(configuration(&[]), Config::default());
    assert_eq!(flags(&[]).typed, Typed::default());
}

#[test]
fn typing_a_default_changes_nothing() {
    // An explicitly empty list is told from none at all.
    let exceptions = ["cluster-cidr", "nodeport-addresses", "ipvs-exclude-cidrs"];
    for flag in table::all().filter(|flag| !exceptions.contains(&flag.name)) {
        let word = format!("--{}={}", flag.name, flag.default);
        assert_eq!(configuration(&[&word]), Config::default(), "{word}");
        assert_eq!(flags(&[&word]).typed, Typed::default(), "{word}");
        assert_eq!(given(flag.name, &[&word]), flag.default_text(), "{word}");
    }
}

#[test]
fn all_values_are_listed_by_name() {
    let values = flags(&["--v=4", "--nodeport-addresses=a,b", "--nodeport-addresses=c"]).values();
    assert!(values.is_sorted());
    assert_eq!(values.len(), table::all().count());
    let value = |name| values.iter().find(|(flag, _)| *flag == name).unwrap().1.as_str();
    assert_eq!(value("v"), "4");
    assert_eq!(value("nodeport-addresses"), "[a,b,c]");
    assert_eq!(value("ipvs-exclude-cidrs"), "[]");
    assert_eq!(value("config-sync-period"), "15m0s");
    assert_eq!(value("cleanup"), "false");
}

#[test]
fn values_are_listed_in_canonical_form() {
    assert_eq!(given("config-sync-period", &["--config-sync-period=90m"]), "1h30m0s");
    assert_eq!(given("oom-score-adj", &["--oom-score-adj=0x10"]), "16");
    assert_eq!(given("cleanup", &["--cleanup=T"]), "true");
    assert_eq!(given("feature-gates", &["--feature-gates=b=0", "--feature-gates=a=1"]), "a=true,b=false");
    assert_eq!(given("vmodule", &["--vmodule=b=1", "--vmodule=a=2"]), "b=1,a=2");
    assert_eq!(given("bind-address", &["--bind-address="]), "0.0.0.0");
    assert_eq!(given("kube-api-qps", &["--kube-api-qps=1e1"]), "10");
    assert_eq!(given("version", &["--version=v1.36.2-acme"]), "v1.36.2-acme");
}

// === each flag ===

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

// === how words are read ===

#[test]
fn values_follow_an_equal_sign_or_stand_alone() {
    for words in [&["--oom-score-adj=-5"][..], &["--oom-score-adj", "-5"], &["--oom_score_adj=-5"]] {
        sets(words, |c| c.oom_score_adj = -5);
    }
    sets(&["--pod-bridge-interface", "--x_y"], |c| c.detect_local.bridge_interface = "--x_y".into());
    sets(&["--pod-bridge-interface=a=b"], |c| c.detect_local.bridge_interface = "a=b".into());
    for words in [&["-v2"][..], &["-v=2"], &["-v", "2"], &["--v=2"], &["--v", "2"]] {
        sets(words, |c| c.logging.verbosity = 2);
    }
    sets(&["--v=1", "-v3", "--v", "2"], |c| c.logging.verbosity = 2);
    sets(&["", "--v=2", ""], |c| c.logging.verbosity = 2);
    assert!(!flags(&["--cleanup", "--cleanup=false"]).typed.cleanup);
}

#[test]
fn an_empty_address_leaves_the_one_before_it() {
    assert_eq!(configuration(&["--bind-address=", "--healthz-bind-address="]), Config::default());
    assert_eq!(configuration(&["--metrics-bind-address="]), Config::default());
    sets(&["--bind-address=::1", "--bind-address="], |c| c.bind_address = "::1".into());
}

#[test]
fn wrong_words_are_refused() {
    for (words, error) in [
        (&["--nosuch"][..], "unknown flag: --nosuch"),
        (&["--no_such=1"], "unknown flag: --no_such"),
        (&["--vers"], "unknown flag: --vers"),
        (&["--enable-dsr"], "unknown flag: --enable-dsr"),
        (&["-x"], "unknown shorthand flag: 'x' in -x"),
        (&["-config=x"], "unknown shorthand flag: 'c' in -config=x"),
        (&["-v"], "flag needs an argument: 'v' in -v"),
        (&["--v"], "flag needs an argument: --v"),
        (&["--config"], "flag needs an argument: --config"),
        (&["--=x"], "bad flag syntax: --=x"),
        (&["---x"], "bad flag syntax: ---x"),
        (&["-vx"], "invalid argument \"x\" for \"-v, --v\" flag: want an integer from 0 to 2147483647"),
        (
            &["--v=", "--nosuch"],
            "invalid argument \"\" for \"-v, --v\" flag: want an integer from 0 to 2147483647",
        ),
        (&["--help", "--nosuch"], "unknown flag: --nosuch"),
    ] {
        assert_eq!(refused(words), error, "{words:?}");
    }
}

#[test]
fn arguments_are_refused() {
    for (words, found) in [
        (&["foo"][..], r#"["foo"]"#),
        (&["--cleanup", "true"], r#"["true"]"#),
        (&["--", "--cleanup", ""], r#"["--cleanup" ""]"#),
        (&["a", "--cleanup", "", "b\u{a0}\"c"], r#"["a" "" "b\u00a0\"c"]"#),
        (&["-", "--version"], r#"["-"]"#),
    ] {
        let text = format!("Error: \"kube-proxy\" does not take any arguments, got {found}\n");
        assert_eq!(parse(words).unwrap_err(), Stop::Refusal(text), "{words:?}");
    }
}

#[test]
fn help_tells_of_all_flags_but_deprecated_ones() {
    for words in [&["--help"][..], &["-h"], &["foo", "--help", "--version"]] {
        let stop = parse(words).unwrap_err();
        assert_eq!(stop.exit_code(), 0);
        let Stop::Answer(help) = stop else { panic!("{words:?}") };
        let (usual, ours) = help.split_once("\nFlags that only this kube-proxy has:\n").unwrap();
        assert!(ours.contains("--manifests <path>") && !ours.contains("--config"), "{ours}");
        for flag in table::all().filter(|flag| !flag.is_ours) {
            let told =
                usual.contains(&format!("--{} ", flag.name)) || usual.contains(&format!("--{}[=", flag.name));
            assert_eq!(told, flag.deprecated.is_none(), "--{}", flag.name);
        }
    }
}

#[test]
fn versions() {
    let answer = |words: &[&str]| match parse(words) {
        Err(Stop::Answer(text)) => Some(text),
        Err(Stop::Refusal(text)) => panic!("{words:?}: {text}"),
        Ok(_) => None,
    };
    assert_eq!(answer(&["--version"]).as_deref(), Some("Kubernetes v1.36.2\n"));
    assert_eq!(answer(&["--version=1"]).as_deref(), Some("Kubernetes v1.36.2\n"));
    assert_eq!(
        answer(&["--version=v1.36.2-acme", "--version"]).as_deref(),
        Some("Kubernetes v1.36.2-acme\n")
    );
    let raw = answer(&["--version=raw"]).unwrap();
    assert!(raw.starts_with(r#"version.Info{Major:"1", Minor:"36", EmulationMajor:"""#), "{raw}");
    assert!(raw.contains(r#"GitVersion:"v1.36.2""#) && raw.ends_with("\"}\n"), "{raw}");
    assert_eq!(answer(&["--version=false"]), None);
    assert_eq!(flags(&["--version=v1.36.2+acme"]).typed.release, "v1.36.2+acme");
    for other in ["v1.36.3", "v1.36.20", "1.36.2"] {
        assert!(refused(&[&format!("--version={other}")]).starts_with("invalid argument"), "{other}");
    }
}

#[test]
fn deprecated_flags_say_what_to_use() {
    assert_eq!(
        flags(&["--healthz-port=1", "--metrics_port", "2"]).deprecations,
        [
            "Flag --healthz-port has been deprecated, use --healthz-bind-address with a port",
            "Flag --metrics-port has been deprecated, use --metrics-bind-address with a port",
        ]
    );
    assert_eq!(flags(&["--v=1"]).deprecations, [""; 0]);
}

// === flags and file ===

#[test]
fn beside_a_file_only_a_few_flags_count() {
    let file = with_file(&[]);
    assert_eq!((file.oom_score_adj, file.hostname_override.as_str()), (7, "from-the-file"));
    let counts = [
        "log-flush-frequency",
        "log-json-info-buffer-size",
        "log-json-split-stream",
        "log-text-info-buffer-size",
        "log-text-split-stream",
        "logging-format",
        "v",
        "vmodule",
    ];
    for (word, name) in table::all().filter_map(|flag| Some((another_value(flag)?, flag.name))) {
        let changed = with_file(&[&word]) != file;
        assert_eq!(changed, counts.contains(&name) || name == "hostname-override", "{word}");
    }
}

/// The flag with a value that is neither its default nor that of the file.
fn another_value(flag: &table::Flag) -> Option<String> {
    let value = match flag.set.kind() {
        "bool" => {
            if flag.default == "true" {
                "false"
            } else {
                "true"
            }
        }
        "int32" | "float32" | "level" | "quantity" => "9",
        "duration" => "9s",
        "name=bool,..." => "A=true",
        "ip" => "9.9.9.9",
        "ip:port" => "9.9.9.9:9",
        "pattern=level,..." => "a=9",
        "string" | "strings" | "path" => "9",
        _ => return None,
    };
    Some(format!("--{}={value}", flag.name)).filter(|_| flag.name != "help")
}

#[test]
fn vmodule_of_flags_stands_before_that_of_the_file() {
    let config = with_file(&["--vmodule=a=1,b=2", "-v5"]);
    let patterns: Vec<_> = config.logging.vmodule.iter().map(|entry| entry.file_pattern.as_str()).collect();
    assert_eq!(patterns, ["a", "b", "of-the-file"]);
    assert_eq!(config.logging.verbosity, 5);
}

#[test]
fn hostname_override_is_trimmed_and_lower_case() {
    assert_eq!(configuration(&["--hostname-override= Node-1 "]).hostname_override, "node-1");
    assert_eq!(with_file(&["--hostname-override=Node-1"]).hostname_override, "node-1");
    assert_eq!(with_file(&["--hostname-override="]).hostname_override, "from-the-file");
    let error = flags(&["--hostname-override=  "]).complete(None).unwrap_err();
    assert_eq!(error.to_string(), "failed complete: empty hostname-override is invalid");
}

#[test]
fn ports_fill_in_what_an_address_lacks() {
    let healthz = |words: &[&str]| configuration(words).healthz_bind_address;
    let metrics = |words: &[&str]| configuration(words).metrics_bind_address;
    assert_eq!(healthz(&["--healthz-port=1"]), "0.0.0.0:10256");
    assert_eq!(healthz(&["--healthz-bind-address=1.2.3.4"]), "1.2.3.4:10256");
    assert_eq!(healthz(&["--healthz-bind-address=::1", "--healthz-port=1"]), "[::1]:1");
    assert_eq!(healthz(&["--healthz-port=0"]), "");
    assert_eq!(metrics(&["--metrics-bind-address=1.2.3.4"]), "1.2.3.4:10249");
    assert_eq!(metrics(&["--metrics-port=0"]), "");
    assert_eq!(with_file(&["--healthz-port=0"]).healthz_bind_address, "0.0.0.0:10256");
    let written = ["--healthz-bind-address=1.2.3.4", "--healthz-port=0", "--write-config-to=/x"];
    assert_eq!(healthz(&written), "1.2.3.4");
}

#[test]
fn notices_come_in_order() {
    let file = FILE.replace("oomScoreAdj", "featureGates: {Bogus: true}\nbogus: 1\noomScoreAdj");
    let completed = flags(&[]).complete(Some(&file)).unwrap();
    let texts: Vec<String> = completed.notices.iter().map(ToString::to_string).collect();
    assert_eq!(
        texts,
        [
            "Using lenient decoding as strict decoding failed: strict decoding error: unknown field \"bogus\"",
            "Using iptables proxy",
            "unrecognized feature gate: Bogus",
        ]
    );
}

#[test]
fn the_mode_is_told_where_nobody_asked_for_one() {
    let notices = |words: &[&str], file: Option<&str>| flags(words).complete(file).unwrap().notices;
    let empty = format!("{FILE}mode: ''\n");
    let named = format!("{FILE}mode: iptables\n");
    for (words, file) in [
        (&[][..], None),
        (&["--proxy-mode="], None),
        (&["--proxy-mode=iptables", "--proxy-mode="], None),
        (&[], Some(FILE)),
        (&["--proxy-mode=iptables"], Some(empty.as_str())),
    ] {
        assert_eq!(notices(words, file), [Notice::Mode], "{words:?} {file:?}");
    }
    for (words, file) in [(&["--proxy-mode=iptables"][..], None), (&[], Some(named.as_str()))] {
        assert_eq!(notices(words, file), [], "{words:?} {file:?}");
    }
}

#[test]
fn refusals_name_their_stage() {
    let refusal = |words: &[&str], file: Option<&str>| -> String {
        let refusal = flags(words).complete(file).and_then(|completed| {
            completed.check_logging()?;
            completed.check()
        });
        refusal.unwrap_err().to_string()
    };
    assert_eq!(refusal(&[], Some("{}")), "failed complete: failed to decode: kind is missing");
    assert_eq!(
        refusal(&["--feature-gates=WinDSR=false"], None),
        "failed complete: cannot set feature gate WinDSR to false, feature is locked to true"
    );
    assert_eq!(
        refusal(&["--logging-format=xml", "--proxy-mode=ipvs"], None),
        "initialize logging: logging.format: Invalid value: \"xml\": must be text or json"
    );
    assert_eq!(
        refusal(&["--proxy-mode=ipvs"], None),
        "failed validate: KubeProxyConfiguration.Mode.ProxyMode: Invalid value: \"ipvs\": \
         this kube-proxy implements only the mode iptables"
    );
    let unreadable = Refusal::Unreadable { path: "/c".into(), error: io::Error::other("no such file") };
    assert_eq!(unreadable.to_string(), "failed complete: open /c: no such file");
}

#[test]
fn command_lines_of_real_deployments() {
    let kubeadm = flags(&["--config=/var/lib/kube-proxy/config.conf", "--hostname-override=Node-1", "--v=4"]);
    let completed = kubeadm.complete(Some(FILE)).unwrap();
    assert_eq!(completed.config.hostname_override, "node-1");
    assert_eq!(completed.config.logging.verbosity, 4);
    completed.check().unwrap();
    let gce = flags(&[
        "--master=https://10.0.0.1",
        "--kubeconfig=/var/lib/kube-proxy/kubeconfig",
        "--cluster-cidr=10.64.0.0/14",
        "--oom-score-adj=-998",
        "--v=2",
        "--feature-gates=ExperimentalCriticalPodAnnotation=true",
        "--proxy-mode=iptables",
        "--iptables-sync-period=1m",
        "--iptables-min-sync-period=10s",
        "--detect-local-mode=NodeCIDR",
        "--conntrack-tcp-be-liberal",
    ]);
    gce.complete(None).unwrap().check().unwrap();
    let local_up = flags(&[
        "--v=3",
        "--config=/tmp/kube-proxy.yaml",
        "--healthz-port=10256",
        "--healthz-bind-address=0.0.0.0",
        "--metrics-port=10249",
        "--metrics-bind-address=127.0.0.1",
        "--master=https://localhost:6443",
    ]);
    assert_eq!(local_up.deprecations.len(), 2);
    local_up.complete(Some(FILE)).unwrap().check().unwrap();
}
