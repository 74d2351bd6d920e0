use super::*;
use crate::decode;
use expect_test::{expect, expect_file};
use proptest::prelude::*;

#[test]
fn the_default_as_yaml() {
    expect_file!["recorded.yaml"].assert_eq(&Config::default().to_yaml());
}

#[test]
fn the_default_as_json() {
    expect![[r#"{"kind":"KubeProxyConfiguration","apiVersion":"kubeproxy.config.k8s.io/v1alpha1","clientConnection":{"kubeconfig":"","acceptContentTypes":"","contentType":"application/vnd.kubernetes.protobuf","qps":5,"burst":10},"logging":{"format":"text","flushFrequency":"5s","verbosity":0,"options":{"text":{"infoBufferSize":"0"},"json":{"infoBufferSize":"0"}}},"hostnameOverride":"","bindAddress":"0.0.0.0","healthzBindAddress":"0.0.0.0:10256","metricsBindAddress":"127.0.0.1:10249","bindAddressHardFail":false,"enableProfiling":false,"showHiddenMetricsForVersion":"","mode":"iptables","iptables":{"masqueradeBit":14,"masqueradeAll":false,"localhostNodePorts":true,"syncPeriod":"30s","minSyncPeriod":"1s"},"ipvs":{"syncPeriod":"0s","minSyncPeriod":"0s","scheduler":"","excludeCIDRs":null,"strictARP":false,"tcpTimeout":"0s","tcpFinTimeout":"0s","udpTimeout":"0s"},"nftables":{"masqueradeBit":14,"masqueradeAll":false,"syncPeriod":"0s","minSyncPeriod":"0s"},"winkernel":{"networkName":"","sourceVip":"","enableDSR":false,"rootHnsEndpointName":"","forwardHealthCheckVip":false},"detectLocalMode":"ClusterCIDR","detectLocal":{"bridgeInterface":"","interfaceNamePrefix":""},"clusterCIDR":"","nodePortAddresses":null,"oomScoreAdj":-999,"conntrack":{"maxPerCore":32768,"min":131072,"tcpEstablishedTimeout":"24h0m0s","tcpCloseWaitTimeout":"1h0m0s","tcpBeLiberal":false,"udpTimeout":"0s","udpStreamTimeout":"0s"},"configSyncPeriod":"15m0s","portRange":""}"#]].assert_eq(&Config::default().to_json());
}

fn reprint(fields: &str) -> String {
    let head = "apiVersion: kubeproxy.config.k8s.io/v1alpha1\nkind: KubeProxyConfiguration";
    decode(&format!("{head}\n{fields}")).unwrap().config.to_yaml()
}

/// The lines of the printed form that the default does not have.
fn differs(fields: &str) -> String {
    let default = Config::default().to_yaml();
    let known: Vec<&str> = default.lines().collect();
    reprint(fields).lines().filter(|line| !known.contains(line)).map(|line| format!("{line}\n")).collect()
}

#[test]
fn optional_fields_appear_when_set() {
    expect![[r#"
        featureGates:
          a: true
          b: false
              splitStream: true
          vmodule:
          - filePattern: sync*
            verbosity: 2
        windowsRunAsService: true
    "#]]
    .assert_eq(&differs(
        "windowsRunAsService: true\nfeatureGates: {b: false, a: true}\n\
         logging: {vmodule: [{filePattern: sync*, verbosity: 2}], options: {json: {splitStream: true}}}",
    ));
}

#[test]
fn lists_tell_absent_from_empty() {
    expect![[r#"
          excludeCIDRs:
          - 10.0.0.0/8
        nodePortAddresses: []
    "#]]
    .assert_eq(&differs("nodePortAddresses: []\nipvs: {excludeCIDRs: [10.0.0.0/8]}"));
}

#[test]
fn only_the_section_of_the_mode_shows_periods() {
    expect![[r#"
        mode: nftables
          masqueradeAll: true
          syncPeriod: 1m1s
    "#]]
    .assert_eq(&differs("mode: nftables\nnftables: {syncPeriod: 61s, masqueradeAll: true}"));
}

#[test]
fn flush_frequency_keeps_its_form() {
    assert_eq!(differs("logging: {flushFrequency: 7000000000}"), "  flushFrequency: 7000000000\n");
    assert_eq!(differs("logging: {flushFrequency: 7000ms}"), "  flushFrequency: 7s\n");
}

#[test]
fn numbers_are_short() {
    assert_eq!(differs("clientConnection: {qps: 0.1}"), "  qps: 0.1\n");
    assert_eq!(differs("clientConnection: {qps: 7.0}"), "  qps: 7\n");
}

/// A document with fields of every type, set to plausible and implausible values.
fn document() -> impl Strategy<Value = String> {
    let text = "[a-zA-Z0-9:./\\[\\]*&#!%@,= -]{0,12}";
    let fields = (
        proptest::collection::vec(any::<i32>(), 4),
        proptest::collection::vec(any::<bool>(), 4),
        proptest::collection::vec(text, 6),
        proptest::collection::vec("[1-9]{1,4}(ns|us|ms|s|m|h)", 6),
        proptest::sample::select(vec!["", "iptables", "ipvs", "nftables", "weird"]),
        proptest::option::of(proptest::collection::vec(text, 0..3)),
        any::<f32>().prop_filter("finite", |qps| qps.is_finite()),
    );
    fields.prop_map(|(ints, bools, texts, times, mode, list, qps)| {
        let quoted = |text: &str| serde_json::to_string(text).unwrap();
        let list = list.map_or("null".to_owned(), |list| serde_json::to_string(&list).unwrap());
        format!(
            "apiVersion: kubeproxy.config.k8s.io/v1alpha1\nkind: KubeProxyConfiguration\nmode: {mode}\n\
             oomScoreAdj: {}\nconntrack: {{min: {}, udpTimeout: {}, tcpEstablishedTimeout: {}}}\n\
             clientConnection: {{qps: {qps:?}, burst: {}, kubeconfig: {}}}\n\
             iptables: {{masqueradeBit: {}, masqueradeAll: {}, syncPeriod: {}, minSyncPeriod: {}}}\n\
             nftables: {{masqueradeAll: {}, syncPeriod: {}}}\nipvs: {{syncPeriod: {}, strictARP: {}}}\n\
             bindAddress: {}\nhealthzBindAddress: {}\nhostnameOverride: {}\nclusterCIDR: {}\n\
             nodePortAddresses: {list}\nfeatureGates: {{{}: {}}}\n",
            ints[0],
            ints[1],
            times[0],
            times[1],
            ints[2],
            quoted(&texts[0]),
            ints[3],
            bools[0],
            times[2],
            times[3],
            bools[1],
            times[4],
            times[5],
            bools[2],
            quoted(&texts[1]),
            quoted(&texts[2]),
            quoted(&texts[3]),
            quoted(&texts[4]),
            quoted(&texts[5]),
            bools[3],
        )
    })
}

proptest! {
    #[test]
    fn printed_configurations_read_back(document in document()) {
        let decoded = decode(&document).map_err(|error| TestCaseError::fail(format!("{error}: {document}")))?;
        let printed = decoded.config.to_yaml();
        let again = decode(&printed).map_err(|error| TestCaseError::fail(format!("{error}: {printed}")))?;
        prop_assert_eq!(&again.strict, &Vec::<String>::new());
        prop_assert_eq!(&again.config, &decoded.config);
        prop_assert_eq!(decode(&decoded.config.to_json()).map(|json| json.config), Ok(decoded.config));
    }

    #[test]
    fn decode_and_check_never_panic(document in document(), junk in "\\PC{0,20}", at in any::<proptest::sample::Index>()) {
        let mut text: Vec<char> = document.chars().collect();
        let at = at.index(text.len());
        text.splice(at..at, junk.chars());
        if let Ok(decoded) = decode(&text.into_iter().collect::<String>()) {
            let _ = decoded.config.check();
        }
    }

    #[test]
    fn decode_never_panics(text in "\\PC*") {
        let _ = decode(&text);
    }
}
