//! Turns clusters into the text for iptables-restore, and compares it with recorded text.
//!
//! Knows nothing of what the rules do to packets.

use expect_test::expect_file;
use informer::object::NamespacedName;
use proxier::chain::Table;
use proxier::family::Family;
use proxier::node::NodeIdentity;
use proxier::option::{LocalDetector, Options, Tools};
use proxier::parse;
use proxier::ruleset::{Placed, Ruleset};
use proxier::tables::Tables;
use serde_json::{Value, json};

use crate::cluster::Cluster;
use crate::story::holding;

fn line(placed: &Placed) -> String {
    let mut line = format!("-A {}", placed.chain).into_bytes();
    placed.rule.write(&mut line);
    String::from_utf8(line).unwrap()
}

/// The rules that Services have, those of filter first.
fn lines_of_services(ruleset: &Ruleset) -> String {
    let rules = |table| {
        let all = ruleset.ports.values().flat_map(|port| &port.rules);
        all.filter(move |placed| placed.table == table).map(|placed| line(placed) + "\n")
    };
    rules(Table::Filter).chain(rules(Table::Nat)).collect()
}

/// The rules of a chain.
fn lines_of_chain(ruleset: &Ruleset, table: Table, chain: &str) -> Vec<String> {
    let of_chain =
        ruleset.rules().filter(|placed| placed.table == table && placed.chain.to_string() == chain);
    of_chain.map(line).collect()
}

/// One Service with a node port, a load balancer IP and an endpoint.
fn load_balancer(ingress: Value) -> Cluster {
    let mut cluster = Cluster::new(Family::V4);
    cluster.set_services(&json!([{
        "metadata": {"namespace": "ns1", "name": "svc1"},
        "spec": {
            "type": "LoadBalancer",
            "clusterIP": "172.30.0.41",
            "ports": [{"name": "p80", "port": 80, "nodePort": 3001}],
        },
        "status": {"loadBalancer": {"ingress": [ingress]}},
    }]));
    cluster.set_endpoints(&json!([{"service": "ns1/svc1", "ports": {"p80": 80}, "at": ["10.180.0.1"]}]));
    cluster
}

#[test]
fn a_mixed_cluster_is_written_completely() {
    let setups: Value = serde_yaml::from_str(include_str!("packets/mixed.yaml")).unwrap();
    let mut services = setups[0]["services"].clone();
    let sticky =
        services.as_array_mut().unwrap().iter_mut().find(|service| service["metadata"]["name"] == "svc5");
    let spec = &mut sticky.unwrap()["spec"];
    spec["sessionAffinity"] = json!("ClientIP");
    spec["sessionAffinityConfig"] = json!({"clientIP": {"timeoutSeconds": 10800}});

    let mut cluster = Cluster::new(Family::V4);
    cluster.set_services(&services);
    cluster.set_endpoints(&setups[0]["endpoints"]);
    expect_file!["rules/mixed.rules"].assert_eq(&cluster.input());
}

/// Cluster DNS, and a Service with everything that a Service can have.
fn example() -> Cluster {
    let objects: Value = serde_yaml::from_str(include_str!("rules/example.yaml")).unwrap();
    let mut cluster = Cluster::new(Family::V4);
    cluster.options.local_detector = Some(LocalDetector::Source("10.244.0.0/16".parse().unwrap()));
    cluster.options.node_ip = "192.168.10.5".parse().unwrap();
    cluster.options.random_fully = true;
    cluster.set_services(&objects["services"]);
    cluster.set_endpoints(&objects["endpoints"]);
    cluster
}

#[test]
fn the_example_is_written_completely() {
    expect_file!["rules/example.rules"].assert_eq(&example().input());
}

#[test]
fn the_example_is_saved_as_recorded() {
    let mut tables = holding(&example().ruleset());
    tables.ensure_canary().unwrap();
    let mut recorded = parse::save(include_str!("rules/example.save")).unwrap();
    for chains in recorded.tables.values_mut() {
        chains.retain(|_, chain| chain.policy.is_none() || !chain.rules.is_empty());
        chains.values_mut().for_each(|chain| chain.policy = None);
    }
    assert_eq!(tables.tables, recorded.tables);
}

#[test]
fn odd_spellings_of_addresses_do_not_reach_the_rules() {
    let mut cluster = load_balancer(json!({"ip": "1.2.3.004"}));
    cluster.set_services(&json!([{
        "metadata": {"namespace": "ns1", "name": "svc1"},
        "spec": {
            "type": "LoadBalancer",
            "clusterIP": "172.30.0.041",
            "ports": [{"name": "p80", "port": 80, "nodePort": 3001}],
            "externalIPs": ["192.168.099.022"],
            "loadBalancerSourceRanges": ["203.0.113.000/025"],
        },
        "status": {"loadBalancer": {"ingress": [{"ip": "1.2.3.004"}]}},
    }]));
    cluster.set_endpoints(&json!([{"service": "ns1/svc1", "ports": {"p80": 80}, "at": ["10.180.00.001"]}]));
    expect_file!["rules/spelling.rules"].assert_eq(&lines_of_services(&cluster.ruleset()));
}

/// Without the feature gate `AllowServiceExternalIPs` nothing leads to external IPs, neither to endpoints nor to a
/// refusal. The chain for traffic from outside is made all the same.
#[test]
fn external_ips_that_are_not_allowed_are_ignored() {
    let lines = |external_ips, at: &[&str]| {
        let mut cluster = Cluster::new(Family::V4);
        cluster.options.external_ips = external_ips;
        cluster.set_services(&json!([{
            "metadata": {"namespace": "ns1", "name": "svc1"},
            "spec": {
                "type": "ClusterIP",
                "clusterIP": "172.30.0.41",
                "ports": [{"name": "p80", "port": 80}],
                "externalIPs": ["192.168.99.22", "198.51.100.7"],
            },
        }]));
        cluster.set_endpoints(&json!([{"service": "ns1/svc1", "ports": {"p80": 80}, "at": at}]));
        lines_of_services(&cluster.ruleset())
    };
    for (at, jumps) in [(&["10.180.0.1"][..], true), (&[], false)] {
        let (allowed, ignored) = (lines(true, at), lines(false, at));
        let is_of_external_ip = |line: &&str| line.contains("192.168.99.22") || line.contains("198.51.100.7");
        assert_eq!(allowed.lines().filter(is_of_external_ip).count(), 2, "{allowed}");
        let rest: Vec<_> = allowed.lines().filter(|line| !is_of_external_ip(line)).collect();
        assert_eq!(ignored.lines().collect::<Vec<_>>(), rest);
        assert_eq!(ignored.contains("-A KUBE-EXT-"), jumps, "{ignored}");
    }
}

#[test]
fn the_gate_of_external_ips_is_an_option() {
    for (gates, expected) in [("{}", true), ("{AllowServiceExternalIPs: false}", false)] {
        let head = "apiVersion: kubeproxy.config.k8s.io/v1alpha1\nkind: KubeProxyConfiguration\n";
        let decoded = config::decode(&format!("{head}featureGates: {gates}\n")).unwrap();
        let config = decoded.config.check().unwrap();
        let node = NodeIdentity::new("n", None, &[], config.bind_address);
        let tools = Tools { random_fully: true, is_tcp_liberal: false };
        let options = Options::new(Family::V4, &config, &node, tools).unwrap();
        assert_eq!(options.external_ips, expected, "{gates}");
    }
}

#[test]
fn ipv6_has_the_same_shapes() {
    let mut cluster = Cluster::new(Family::V6);
    cluster.options.local_detector = Some(LocalDetector::Source("fd00:10:244::/48".parse().unwrap()));
    cluster.set_services(&json!([{
        "metadata": {"namespace": "shop", "name": "web"},
        "spec": {
            "type": "LoadBalancer",
            "clusterIP": "fd00:10:96::20",
            "ports": [{"name": "http", "port": 80, "nodePort": 30080}],
        },
        "status": {"loadBalancer": {"ingress": [{"ip": "2001:db8::50"}]}},
    }]));
    let at = json!(["fd00:10:244:1::7 n2", "fd00:10:244::5 this"]);
    cluster.set_endpoints(&json!([{"service": "shop/web", "ports": {"http": 8080}, "at": at}]));
    let input = cluster.input();
    let mut lines = input.lines();
    for expected in include_str!("rules/ipv6.rules").lines() {
        assert!(lines.any(|line| line == expected), "not found in this place: {expected}\n{input}");
    }
    assert!(!input.contains("KUBE-FIREWALL"), "{input}");
}

#[test]
fn invalid_packets_are_dropped_if_asked_for_and_counted_if_possible() {
    let invalid = "-A KUBE-FORWARD -m conntrack --ctstate INVALID";
    let accepts = [
        r#"-A KUBE-FORWARD -m comment --comment "kubernetes forwarding rules" -m mark --mark 0x00004000/0x00004000 -j ACCEPT"#,
        r#"-A KUBE-FORWARD -m comment --comment "kubernetes forwarding conntrack rule" -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT"#,
    ];
    for (drop_invalid, counts_invalid, expected) in [
        (true, false, Some(format!("{invalid} -j DROP"))),
        (
            true,
            true,
            Some(format!("{invalid} -m nfacct --nfacct-name ct_state_invalid_dropped_pkts -j DROP")),
        ),
        (false, true, None),
        (false, false, None),
    ] {
        let mut cluster = Cluster::new(Family::V4);
        cluster.options.drop_invalid = drop_invalid;
        cluster.host.counts_invalid = counts_invalid;
        let expected: Vec<_> = expected.into_iter().chain(accepts.map(str::to_owned)).collect();
        assert_eq!(lines_of_chain(&cluster.ruleset(), Table::Filter, "KUBE-FORWARD"), expected);
    }
}

#[test]
fn source_ports_are_random_where_iptables_can() {
    for (random_fully, expected) in [(false, "-j MASQUERADE"), (true, "-j MASQUERADE --random-fully")] {
        let mut cluster = Cluster::new(Family::V4);
        cluster.options.random_fully = random_fully;
        let lines = lines_of_chain(&cluster.ruleset(), Table::Nat, "KUBE-POSTROUTING");
        let comment = r#"-m comment --comment "kubernetes service traffic requiring SNAT""#;
        assert_eq!(lines.last(), Some(&format!("-A KUBE-POSTROUTING {comment} {expected}")));
    }
}

#[test]
fn load_balancer_ips_are_served_unless_the_load_balancer_rewrites_packets() {
    for (ingress, is_served) in [
        (json!({"ip": "1.2.3.4", "ipMode": "Proxy"}), false),
        (json!({"ip": "1.2.3.4", "ipMode": "VIP"}), true),
        (json!({"ip": "1.2.3.4"}), true),
    ] {
        let ruleset = load_balancer(ingress.clone()).ruleset();
        let services = lines_of_chain(&ruleset, Table::Nat, "KUBE-SERVICES");
        assert_eq!(services.iter().any(|line| line.contains("-d 1.2.3.4 ")), is_served, "{ingress}");
    }
}

/// A Service, with only a cluster IP or with everything that adds rules, without its endpoints.
fn numbered_service(number: usize, is_load_balancer: bool) -> Value {
    let mut service = json!({
        "metadata": {"namespace": "ns", "name": format!("svc{number}")},
        "spec": {"clusterIP": format!("172.30.0.{number}"), "ports": [{"name": "p", "port": 80}]},
    });
    if is_load_balancer {
        let spec = &mut service["spec"];
        spec["type"] = json!("LoadBalancer");
        spec["ports"][0]["nodePort"] = json!(30000 + number);
        spec["externalIPs"] = json!([format!("1.2.3.{number}")]);
        spec["loadBalancerSourceRanges"] = json!(["203.0.113.0/25"]);
        service["status"] = json!({"loadBalancer": {"ingress": [{"ip": format!("5.6.7.{number}")}]}});
    }
    service
}

fn endpoints_of(number: usize, count: usize) -> Value {
    let at: Vec<_> = (1..=count).map(|endpoint| format!("10.1.{number}.{endpoint} remote")).collect();
    json!({"service": format!("ns/svc{number}"), "ports": {"p": 80}, "at": at})
}

fn rule_counts(services: usize, endpoints: usize, is_load_balancer: bool) -> (usize, usize) {
    let mut cluster = Cluster::new(Family::V4);
    let numbers = 1..=services;
    cluster.set_services(&numbers.clone().map(|number| numbered_service(number, is_load_balancer)).collect());
    cluster.set_endpoints(&numbers.map(|number| endpoints_of(number, endpoints)).collect());
    let ruleset = cluster.ruleset();
    let count = |table| ruleset.rules().filter(|placed| placed.table == table).count();
    (count(Table::Filter), count(Table::Nat))
}

#[test]
fn rules_grow_as_kube_proxys_do() {
    for (services, endpoints, cluster_ip, load_balancer) in [
        (0, 0, (4, 5), (4, 5)),
        (0, 10, (4, 5), (4, 5)),
        (1, 0, (5, 5), (8, 5)),
        (1, 1, (4, 10), (5, 18)),
        (1, 2, (4, 13), (5, 21)),
        (1, 10, (4, 37), (5, 45)),
        (10, 0, (14, 5), (44, 5)),
        (10, 1, (4, 55), (14, 135)),
        (10, 2, (4, 85), (14, 165)),
        (10, 10, (4, 325), (14, 405)),
    ] {
        assert_eq!(rule_counts(services, endpoints, false), cluster_ip, "{services} {endpoints}");
        assert_eq!(rule_counts(services, endpoints, true), load_balancer, "{services} {endpoints}");
    }
}

#[test]
fn traffic_without_a_local_endpoint_is_told_apart() {
    let here = ["10.0.1.1 this", "10.0.1.2 other", "10.0.1.3 other"];
    let elsewhere = ["10.0.1.1 other", "10.0.1.2 other", "10.0.1.3 other"];
    for (internal, external, at, expected) in [
        ("Local", None, &here[..], (true, true)),
        ("Cluster", Some("Local"), &here, (true, true)),
        ("Local", Some("Local"), &here, (true, true)),
        ("Local", None, &elsewhere, (false, true)),
        ("Cluster", Some("Local"), &elsewhere, (true, false)),
        ("Local", Some("Local"), &elsewhere, (false, false)),
    ] {
        let mut cluster = Cluster::new(Family::V4);
        cluster.set_services(&json!([{
            "metadata": {"namespace": "ns", "name": "svc"},
            "spec": {
                "type": external.map_or("ClusterIP", |_| "NodePort"),
                "clusterIP": "172.30.1.1",
                "ports": [{"port": 80, "nodePort": 123}],
                "internalTrafficPolicy": internal,
                "externalTrafficPolicy": external,
            },
        }]));
        cluster.set_endpoints(&json!([{"service": "ns/svc", "ports": {"": 80}, "at": at}]));
        let reachability = cluster.reachability(&NamespacedName::new("ns", "svc"));
        assert!(reachability.any);
        assert_eq!(
            (reachability.internal, reachability.external),
            expected,
            "{internal} {external:?} {at:?}"
        );
        cluster.set_endpoints(&json!([]));
        assert!(!cluster.reachability(&NamespacedName::new("ns", "svc")).any);
    }
}
