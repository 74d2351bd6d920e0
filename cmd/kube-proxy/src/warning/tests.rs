use std::net::IpAddr;

use config::{Config, DetectLocalMode};

use super::*;

fn list(text: &str) -> Vec<String> {
    text.split_whitespace().map(str::to_owned).collect()
}

/// A node with one address, and pod CIDRs separated by blanks.
fn node(address: &str, pod_cidrs: &str) -> NodeIdentity {
    let address: IpAddr = address.parse().unwrap();
    let mut node = NodeIdentity::new("node1", None, &[address], address);
    node.pod_cidrs = read(&list(pod_cidrs));
    node
}

/// The default configuration with a change, checked.
fn config(change: impl FnOnce(&mut Config)) -> Checked {
    // Loopback is the other family's on every node of one family.
    let mut config = Config { metrics_bind_address: "0.0.0.0:10249".to_owned(), ..Config::default() };
    change(&mut config);
    config.check().unwrap()
}

const V4: &str = "10.0.0.1";
const V6: &str = "fd00::1";

#[test]
fn open_node_ports_are_told() {
    let all = Some("on all local IPs");
    let (open_v4, open_v6) = (Some("on all local IPv4 IPs"), Some("on all local IPv6 IPs"));
    for (address, node_ports, cluster, excluded, pods, expected) in [
        (V4, "", "", "", "", all),
        (V4, "", "10.1.0.0/16", "", "", all),
        (V4, "primary", "", "", "", None),
        ("127.0.0.1", "primary", "", "", "", all),
        (V4, "10.0.0.0/8", "", "", "", None),
        (V4, "10.0.0.0/8", "10.1.0.0/16", "", "10.2.0.0/24", None),
        (V4, "10.0.0.0/8", "10.1.0.0/16 fd01::/64", "", "", open_v6),
        (V4, "10.0.0.0/8", "", "10.9.0.0/16 fd09::/64", "", open_v6),
        (V4, "10.0.0.0/8", "", "", "10.2.0.0/24 fd02::/64", open_v6),
        (V4, "10.0.0.0/8 fd00::/8", "", "", "10.2.0.0/24 fd02::/64", None),
        (V4, "primary", "10.1.0.0/16 fd01::/64", "", "", open_v6),
        (V4, "fd00::/8", "", "", "", open_v4),
        (V6, "fd00::/8", "", "", "", None),
        (V6, "fd00::/8", "10.1.0.0/16 fd01::/64", "", "", open_v4),
        (V6, "10.0.0.0/8", "", "", "", open_v6),
    ] {
        let config = config(|config| {
            config.node_port_addresses = Some(list(node_ports));
            config.cluster_cidrs = list(cluster);
            config.ipvs.exclude_cidrs = Some(list(excluded));
        });
        let told = of_node_ports(&config, &node(address, pods));
        match (told, expected) {
            (Some(Flaw::Logged(text)), Some(end)) => assert!(text.contains(end), "{node_ports:?}: {text}"),
            (told, expected) => {
                assert_eq!((told, expected), (None, None), "{address} {node_ports:?} {cluster}")
            }
        }
    }
}

#[test]
fn an_empty_list_suggests_what_to_do() {
    let Some(Flaw::Logged(text)) = of_node_ports(&config(|_| {}), &node(V4, "")) else {
        panic!("no warning")
    };
    assert!(text.contains("--nodeport-addresses primary"), "{text}");
}

type Change = fn(&mut Config);

/// A mode that needs neither list.
fn by_bridge(config: &mut Config) {
    config.detect_local_mode = DetectLocalMode::BridgeInterface;
    config.detect_local.bridge_interface = "cni0".to_owned();
}

fn by_node(config: &mut Config) {
    config.detect_local_mode = DetectLocalMode::NodeCidr;
}

fn cluster_v6(config: &mut Config) {
    config.cluster_cidrs = list("fd01::/64");
}

/// How heavily each field weighs that a flaw names.
fn weights(flaws: &[Flaw]) -> Vec<(&str, &str)> {
    let weight = |flaw: &Flaw| if matches!(flaw, Flaw::Fatal(_)) { "fatal" } else { "logged" };
    flaws.iter().map(|flaw| (flaw.text().split(':').next().unwrap(), weight(flaw))).collect()
}

#[test]
fn fields_of_the_other_family_weigh_as_much_as_they_are_needed() {
    const CLUSTER: &str = "clusterCIDR";
    const PODS: &str = "podCIDRs of the node";
    const POD_CIDRS: &str = "fd02::/64";
    type Weighed = &'static [(&'static str, &'static str)];
    let cases: [(&[Change], &str, Weighed, Weighed); 13] = [
        (&[], "", &[], &[]),
        (&[cluster_v6], "", &[(CLUSTER, "fatal")], &[(CLUSTER, "logged")]),
        (&[cluster_v6, by_bridge], "", &[(CLUSTER, "logged")], &[(CLUSTER, "logged")]),
        (&[|config| config.cluster_cidrs = list("10.1.0.0/16 fd01::/64")], "", &[], &[]),
        (&[|config| config.cluster_cidrs = list("10.1.0.0/16")], "", &[], &[]),
        (&[], POD_CIDRS, &[(PODS, "logged")], &[(PODS, "logged")]),
        (&[by_node], POD_CIDRS, &[(PODS, "fatal")], &[(PODS, "fatal")]),
        (&[by_node], "10.2.0.0/24 fd02::/64", &[], &[]),
        (
            &[|config| config.winkernel.source_vip = "fd00::9".to_owned()],
            "",
            &[("winkernel.sourceVip", "logged")],
            &[("winkernel.sourceVip", "logged")],
        ),
        (
            &[|config| config.ipvs.exclude_cidrs = Some(list("fd09::/64"))],
            "",
            &[("ipvs.excludeCIDRs", "logged")],
            &[],
        ),
        (
            &[|config| config.healthz_bind_address = "[fd00::1]:10256".to_owned()],
            "",
            &[("healthzBindAddress", "logged")],
            &[],
        ),
        (
            &[|config| config.metrics_bind_address = "[::1]:10249".to_owned()],
            "",
            &[("metricsBindAddress", "logged")],
            &[],
        ),
        (&[|config| config.healthz_bind_address = "[::]:10256".to_owned()], "", &[], &[]),
    ];
    for (index, (changes, pods, single, dual)) in cases.into_iter().enumerate() {
        let config = config(|config| changes.iter().for_each(|change| change(config)));
        let node = node(V4, pods);
        for (stack, expected) in [(Stack::Single, single), (Stack::Dual, dual)] {
            let flaws = of_families(&config, &node, stack);
            assert_eq!(weights(&flaws), expected, "case {index}, {stack:?}");
        }
    }
}

#[test]
fn the_family_that_is_wrong_is_the_one_that_is_not_primary() {
    let config = config(|config| config.cluster_cidrs = list("10.1.0.0/16"));
    let flaws = of_families(&config, &node(V6, ""), Stack::Single);
    let text = "clusterCIDR: IPv4 only, but the primary family of this node is IPv6";
    assert_eq!(flaws, [Flaw::Fatal(text.to_owned())]);
}

#[test]
fn a_fatal_flaw_brings_the_others_along() {
    let (small, large) = (Flaw::Logged("small".to_owned()), Flaw::Fatal("large".to_owned()));
    assert!(settle(&[]).is_ok());
    assert!(settle(std::slice::from_ref(&small)).is_ok());
    let error = settle(std::slice::from_ref(&large)).unwrap_err();
    assert_eq!(error.to_string(), "kube-proxy configuration is incorrect: large");
    let error = settle(&[small, large]).unwrap_err();
    assert_eq!(error.to_string(), "kube-proxy configuration is incorrect: [small, large]");
}
