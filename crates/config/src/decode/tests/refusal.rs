//! What cannot be read, and what is dropped with a word.

use super::*;

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
