//! Flags beside a configuration file, and whole command lines.

use super::*;

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
