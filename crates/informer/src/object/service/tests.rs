//! Which Services are proxied, and what counts of their fields.

use std::net::IpAddr;

use proptest::prelude::*;

use super::{Service, ServiceType, SessionAffinity, TrafficPolicy};
use crate::object::{Protocol, raw};

/// The Service `demo/web` with this YAML below its `metadata` (indented), and the complaints about it.
fn parse(rest: &str) -> (Option<Service>, Vec<String>) {
    let text = format!("metadata: {{name: web, namespace: demo}}\n{rest}");
    let raw: raw::Service = serde_yaml::from_str(&text).unwrap();
    let (service, complaints) = Service::parse(&raw);
    (service, complaints.iter().map(ToString::to_string).collect())
}

/// The Service with cluster IP 10.0.0.1 and these fields in its `spec`, and the complaints about it.
fn with_spec(fields: &str) -> (Service, Vec<String>) {
    let (service, complaints) = parse(&format!("spec: {{clusterIP: 10.0.0.1, {fields}}}"));
    (service.unwrap(), complaints)
}

fn texts<T: ToString>(list: &[T]) -> Vec<String> {
    list.iter().map(ToString::to_string).collect()
}

#[test]
fn proxied_or_not() {
    for (rest, is_proxied) in [
        ("spec: {clusterIP: 10.0.0.1}", true),
        ("spec: {clusterIP: 10.0.0.1, type: NodePort}", true),
        ("spec: {clusterIP: None}", false),
        ("spec: {clusterIP: None, ports: [{port: 80}]}", false),
        ("spec: {clusterIP: None, clusterIPs: [None], ipFamilies: [IPv4]}", false),
        ("spec: {clusterIP: None, clusterIPs: [None, fd00::1], ipFamilies: [IPv4, IPv6]}", false),
        ("spec: {type: ExternalName, externalName: example.com}", false),
        ("spec: {type: ExternalName, clusterIP: 10.0.0.1, ports: [{port: 80}]}", false),
    ] {
        let (service, complaints) = parse(rest);
        assert_eq!((service.is_some(), complaints), (is_proxied, vec![]), "{rest}");
    }
}

#[test]
fn a_service_of_another_proxy_is_not_proxied() {
    for (value, is_proxied) in [("service-proxy-name: other", false), ("service-proxy-name: ''", false)]
        .into_iter()
        .chain([("service-proxy-name: null", false), ("headless: ''", true), ("proxy-name: other", true)])
    {
        let text = format!(
            "{{metadata: {{name: web, namespace: demo, labels: {{service.kubernetes.io/{value}}}}}, spec: {{clusterIP: 10.0.0.1}}}}"
        );
        let (service, complaints) = Service::parse(&serde_yaml::from_str(&text).unwrap());
        assert_eq!((service.is_some(), complaints), (is_proxied, vec![]), "{value}");
    }
}

#[test]
fn a_missing_cluster_ip_is_said() {
    let (service, complaints) = parse("spec: {clusterIP: '', ports: [{port: 80}]}");
    assert_eq!(service, None);
    assert_eq!(
        complaints,
        ["Service demo/web: spec.clusterIP: \"\": is missing, so the Service is not proxied"]
    );
}

#[test]
fn cluster_ip_of_each_family() {
    let v4 = Some("10.0.0.1");
    let v6 = Some("fd00::1");
    for (spec, expected_v4, expected_v6) in [
        ("clusterIP: 10.0.0.1", v4, None),
        ("clusterIP: 10.000.0.01", v4, None),
        ("clusterIP: FD00:0::1", None, v6),
        ("clusterIP: '::ffff:10.0.0.1'", v4, None),
        // Without ipFamilies the list is not looked at.
        ("clusterIP: 10.0.0.1, clusterIPs: [10.0.0.9, 'fd00::1']", v4, None),
        ("clusterIP: 10.0.0.1, clusterIPs: [10.0.0.1, 'fd00::1'], ipFamilies: [IPv4, IPv6]", v4, v6),
        ("clusterIP: fd00::1, clusterIPs: ['fd00::1', 10.0.0.1], ipFamilies: [IPv6, IPv4]", v4, v6),
        ("clusterIP: 10.0.0.9, clusterIPs: [10.0.0.1], ipFamilies: [IPv4]", v4, None),
        ("clusterIP: 10.0.0.1, clusterIPs: [10.0.0.1, 10.0.0.2], ipFamilies: [IPv4, IPv4]", v4, None),
    ] {
        let (service, complaints) = parse(&format!("spec: {{{spec}}}"));
        let cluster_ips = service.unwrap().cluster_ips;
        assert_eq!(cluster_ips.v4.map(|ip| ip.to_string()).as_deref(), expected_v4, "{spec}");
        assert_eq!(cluster_ips.v6.map(|ip| ip.to_string()).as_deref(), expected_v6, "{spec}");
        assert!(complaints.is_empty(), "{spec}: {complaints:?}");
    }
}

#[test]
fn unusable_cluster_ips() {
    for (spec, is_proxied, complaint) in [
        ("clusterIP: web.example.com", false, "spec.clusterIP: \"web.example.com\": is not an IP address"),
        ("clusterIP: ' '", false, "spec.clusterIP: \" \": is not an IP address"),
        (
            "clusterIP: 10.0.0.1, clusterIPs: [10.0.0.1], ipFamilies: [IPv4, IPv6]",
            true,
            "spec.clusterIPs[1]: \"\": is missing for its IP family",
        ),
        (
            "clusterIP: 10.0.0.1, clusterIPs: [10.0.0.1, 10.0.0.2], ipFamilies: [IPv4, IPv6]",
            true,
            "spec.clusterIPs[1]: \"10.0.0.2\": is not an IPv6 address",
        ),
        (
            "clusterIP: 10.0.0.1, clusterIPs: [10.0.0.1, None], ipFamilies: [IPv4, IPv6]",
            true,
            "spec.clusterIPs[1]: \"None\": is not an IPv6 address",
        ),
        (
            "clusterIP: 10.0.0.1, clusterIPs: [10.0.0.1, 10.0.0.1], ipFamilies: [IPX, IPv4]",
            true,
            "spec.ipFamilies[0]: \"IPX\": is not an IP family",
        ),
    ] {
        let (service, complaints) = parse(&format!("spec: {{{spec}}}"));
        assert_eq!(service.is_some(), is_proxied, "{spec}");
        assert_eq!(complaints, [format!("Service demo/web: {complaint}")], "{spec}");
    }
}

#[test]
fn ports() {
    let (service, complaints) = with_spec(
        "ports: [{port: 80}, {name: dns, protocol: UDP, port: 53, nodePort: 30053}, {name: s, protocol: SCTP, port: 1, nodePort: 0}]",
    );
    assert_eq!(complaints, [""; 0]);
    let ports: Vec<_> = service
        .ports
        .iter()
        .map(|port| {
            (port.name.as_str(), port.protocol, port.port.get(), port.node_port.map(|port| port.get()))
        })
        .collect();
    assert_eq!(
        ports,
        [
            ("", Protocol::Tcp, 80, None),
            ("dns", Protocol::Udp, 53, Some(30053)),
            ("s", Protocol::Sctp, 1, None)
        ]
    );
}

#[test]
fn an_unusable_port_costs_itself_only() {
    let long = "a".repeat(64);
    for (port, complaint) in [
        ("{name: bad, port: 0}", "port: \"0\": is not a port number from 1 to 65535"),
        ("{name: bad}", "port: \"0\": is not a port number from 1 to 65535"),
        ("{name: bad, port: 70000}", "port: \"70000\": is not a port number from 1 to 65535"),
        ("{name: bad, port: -1}", "port: \"-1\": is not a port number from 1 to 65535"),
        ("{name: bad, port: 1, protocol: ICMP}", "protocol: \"ICMP\": is not TCP, UDP or SCTP"),
        ("{name: bad, port: 1, protocol: tcp}", "protocol: \"tcp\": is not TCP, UDP or SCTP"),
        ("{name: 'a b', port: 1}", "name: \"a b\": is not a port name"),
        (r#"{name: "a\"b", port: 1}"#, "name: \"a\\\"b\": is not a port name"),
        (r#"{name: "a\n-j ACCEPT", port: 1}"#, "name: \"a\\n-j ACCEPT\": is not a port name"),
        ("{name: HTTP, port: 1}", "name: \"HTTP\": is not a port name"),
        (&format!("{{name: {long}, port: 1}}"), &format!("name: \"{long}\": is not a port name")),
    ] {
        let (service, complaints) = with_spec(&format!("ports: [{port}, {{name: good, port: 80}}]"));
        assert_eq!(service.ports.len(), 1, "{port}");
        assert_eq!(service.ports[0].name, "good", "{port}");
        let [only] = complaints.as_slice() else { panic!("{port}: {complaints:?}") };
        let start = format!("Service demo/web: spec.ports[0].{complaint}");
        assert!(only.starts_with(&start), "{only} does not start with {start}");
    }
}

#[test]
fn an_unusable_node_port_leaves_the_port() {
    for number in ["70000", "-5"] {
        let (service, complaints) = with_spec(&format!("ports: [{{port: 80, nodePort: {number}}}]"));
        assert_eq!(service.ports.len(), 1);
        assert_eq!(service.ports[0].node_port, None);
        let expected = format!(
            "Service demo/web: spec.ports[0].nodePort: \"{number}\": is not a port number from 1 to 65535"
        );
        assert_eq!(complaints, [expected]);
    }
}

#[test]
fn of_ports_with_one_key_the_last_counts() {
    let (service, complaints) = with_spec(
        "ports: [{name: a, port: 1}, {name: b, port: 2}, {name: a, port: 3}, {name: a, protocol: UDP, port: 4}]",
    );
    let numbers: Vec<u16> = service.ports.iter().map(|port| port.port.get()).collect();
    assert_eq!(numbers, [2, 3, 4]);
    assert_eq!(
        complaints,
        ["Service demo/web: spec.ports[2]: \"a\": is a name that an earlier port has too; this one counts"]
    );
}

#[test]
fn external_ips() {
    for (list, expected, complained) in [
        ("[]", vec![], vec![]),
        ("['1.2.3.4', 'fd00::1', '1.2.3.4']", vec!["1.2.3.4", "fd00::1", "1.2.3.4"], vec![]),
        ("['192.168.099.022']", vec!["192.168.99.22"], vec![]),
        ("['', '  ', '1.2.3.4']", vec!["1.2.3.4"], vec![]),
        (
            "[' 1.2.3.4', '1.2.3.4/32', 'x']",
            vec![],
            vec!["[0]: \" 1.2.3.4\"", "[1]: \"1.2.3.4/32\"", "[2]: \"x\""],
        ),
    ] {
        let (service, complaints) = with_spec(&format!("externalIPs: {list}"));
        assert_eq!(texts(&service.external_ips), expected, "{list}");
        assert_eq!(service.lists_external_ips, list != "[]", "{list}");
        let complained: Vec<String> = complained
            .iter()
            .map(|what| format!("Service demo/web: spec.externalIPs{what}: is not an IP address"))
            .collect();
        assert_eq!(complaints, complained, "{list}");
    }
}

#[test]
fn load_balancer_ips_do_not_depend_on_the_type() {
    for (ingress, expected, complaint_count) in [
        ("{ip: 1.2.3.004}", vec!["1.2.3.4"], 0),
        ("{ip: 1.2.3.4, ipMode: VIP}", vec!["1.2.3.4"], 0),
        ("{ip: 1.2.3.4, ipMode: null}", vec!["1.2.3.4"], 0),
        ("{ip: 1.2.3.4, ipMode: Proxy}", vec![], 0),
        ("{ip: 1.2.3.4, ipMode: ''}", vec![], 0),
        ("{ip: nonsense, ipMode: Proxy}", vec![], 0),
        ("{hostname: lb.example.com}", vec![], 0),
        ("{ip: fd00::5}, {ip: 1.2.3.4}", vec!["fd00::5", "1.2.3.4"], 0),
        ("{ip: nonsense}, {ip: 1.2.3.4}", vec!["1.2.3.4"], 1),
    ] {
        let (service, complaints) = parse(&format!(
            "spec: {{clusterIP: 10.0.0.1}}\nstatus: {{loadBalancer: {{ingress: [{ingress}]}}}}"
        ));
        assert_eq!(texts(&service.unwrap().load_balancer_ips), expected, "{ingress}");
        assert_eq!(complaints.len(), complaint_count, "{ingress}: {complaints:?}");
        for complaint in complaints {
            assert_eq!(
                complaint,
                "Service demo/web: status.loadBalancer.ingress[0].ip: \"nonsense\": is not an IP address"
            );
        }
    }
}

#[test]
fn source_ranges() {
    for (list, expected, complained) in [
        ("['203.0.113.000/025']", vec!["203.0.113.0/25"], vec![]),
        ("[' 10.1.2.3/8 ', 'fd00::1/64']", vec!["10.0.0.0/8", "fd00::/64"], vec![]),
        ("['0.0.0.0/0']", vec!["0.0.0.0/0"], vec![]),
        ("['', '  ']", vec![], vec![]),
        (
            "['10.0.0.1', '10.0.0.0/33', ' x']",
            vec![],
            vec!["[0]: \"10.0.0.1\"", "[1]: \"10.0.0.0/33\"", "[2]: \" x\""],
        ),
    ] {
        let (service, complaints) = with_spec(&format!("loadBalancerSourceRanges: {list}"));
        assert_eq!(texts(&service.source_ranges), expected, "{list}");
        let complained: Vec<String> = complained
            .iter()
            .map(|what| format!("Service demo/web: spec.loadBalancerSourceRanges{what}: is not a CIDR"))
            .collect();
        assert_eq!(complaints, complained, "{list}");
    }
}

#[test]
fn session_affinity() {
    let timeout = |seconds: &str| {
        format!(
            "sessionAffinity: ClientIP, sessionAffinityConfig: {{clientIP: {{timeoutSeconds: {seconds}}}}}"
        )
    };
    let client_ip = |timeout_seconds| SessionAffinity::ClientIp { timeout_seconds };
    for (spec, expected, complaint_count) in [
        (String::new(), SessionAffinity::None, 0),
        ("sessionAffinity: None".to_owned(), SessionAffinity::None, 0),
        ("sessionAffinity: ClientIP".to_owned(), client_ip(10800), 0),
        (timeout("null"), client_ip(10800), 0),
        (timeout("60"), client_ip(60), 0),
        (timeout("86400"), client_ip(86400), 0),
        (timeout("86401"), client_ip(10800), 1),
        (timeout("0"), client_ip(10800), 1),
        (timeout("-1"), client_ip(10800), 1),
        ("sessionAffinity: Cookie".to_owned(), SessionAffinity::None, 1),
    ] {
        let (service, complaints) = with_spec(&spec);
        assert_eq!(service.session_affinity, expected, "{spec}");
        assert_eq!(complaints.len(), complaint_count, "{spec}: {complaints:?}");
    }
}

#[test]
fn policies_types_and_health_check_node_port() {
    let (service, complaints) = with_spec("type: null");
    assert_eq!(complaints, [""; 0]);
    assert_eq!(service.service_type, ServiceType::ClusterIp);
    assert_eq!(service.external_traffic_policy, TrafficPolicy::Cluster);
    assert_eq!(service.internal_traffic_policy, TrafficPolicy::Cluster);
    assert_eq!(service.health_check_node_port, None);

    let (service, complaints) = with_spec(
        "type: LoadBalancer, externalTrafficPolicy: Local, internalTrafficPolicy: Local, healthCheckNodePort: 345",
    );
    assert_eq!(complaints, [""; 0]);
    assert_eq!(service.service_type, ServiceType::LoadBalancer);
    assert_eq!(service.external_traffic_policy, TrafficPolicy::Local);
    assert_eq!(service.internal_traffic_policy, TrafficPolicy::Local);
    assert_eq!(service.health_check_node_port.map(|port| port.get()), Some(345));

    let (service, complaints) = with_spec(
        "type: Nonsense, externalTrafficPolicy: local, internalTrafficPolicy: '?', healthCheckNodePort: 70000",
    );
    assert_eq!(
        complaints,
        [
            "Service demo/web: spec.type: \"Nonsense\": is not a type of Service; taken as ClusterIP",
            "Service demo/web: spec.externalTrafficPolicy: \"local\": is not Cluster or Local; taken as Cluster",
            "Service demo/web: spec.internalTrafficPolicy: \"?\": is not Cluster or Local; taken as Cluster",
            "Service demo/web: spec.healthCheckNodePort: \"70000\": is not a port number from 1 to 65535",
        ]
    );
    assert_eq!(service.service_type, ServiceType::ClusterIp);
    assert_eq!(service.external_traffic_policy, TrafficPolicy::Cluster);
}

#[test]
fn names() {
    let limit = "a".repeat(63);
    let beyond = "a".repeat(64);
    for (namespace, name, is_legal) in [
        ("demo", "web", true),
        ("demo", "0web-1", true),
        ("demo", limit.as_str(), true),
        ("demo", beyond.as_str(), false),
        (beyond.as_str(), "web", false),
        ("demo", "", false),
        ("", "web", false),
        ("demo", "web.a", false),
        ("demo", "-web", false),
        ("demo", "web-", false),
        ("demo", "Web", false),
        ("demo", "web\" -j ACCEPT", false),
        ("demo", "web\nCOMMIT", false),
        ("de mo", "web", false),
        ("demo", "wéb", false),
    ] {
        let mut raw = raw::Service::default();
        raw.metadata.namespace = namespace.into();
        raw.metadata.name = name.into();
        raw.spec.cluster_ip = "10.0.0.1".into();
        let (service, complaints) = Service::parse(&raw);
        assert_eq!(service.is_some(), is_legal, "{namespace:?} {name:?}");
        assert_eq!(complaints.len(), usize::from(!is_legal), "{namespace:?} {name:?}");
        for complaint in complaints {
            let text = complaint.to_string();
            assert!(!text.contains('\n') && text.contains("is not a DNS label"), "{text}");
        }
    }
}

#[test]
fn long_values_are_cut_in_complaints() {
    let (_, complaints) = with_spec(&format!("externalIPs: [{}]", "ä".repeat(1000)));
    let expected = format!("spec.externalIPs[0]: \"{}...\": is not", "ä".repeat(100));
    assert!(complaints[0].contains(&expected), "{}", complaints[0]);
}

#[test]
fn metadata_and_selectors_have_no_influence() {
    let plain = with_spec("ports: [{port: 80}]");
    let decorated = with_spec(
        "ports: [{port: 80, targetPort: http, appProtocol: h2c}], selector: {app: web}, trafficDistribution: PreferClose, publishNotReadyAddresses: true",
    );
    assert_eq!(plain, decorated);
}

proptest! {
    #[test]
    fn any_text_in_any_field_is_judged(text in ".{0,30}|[0-9a-f.:/ ]{0,20}", number: i64) {
        let field = serde_json::Value::from(text.as_str());
        let document = serde_json::json!({
            "metadata": {"name": "web", "namespace": "demo"},
            "spec": {
                "type": field, "clusterIP": "10.0.0.1", "clusterIPs": [field, field], "ipFamilies": ["IPv4", "IPv6", field],
                "ports": [{"name": field, "protocol": "TCP", "port": number, "nodePort": number}, {"protocol": field, "port": number}],
                "externalIPs": [field], "loadBalancerSourceRanges": [field], "sessionAffinity": field,
                "externalTrafficPolicy": field, "internalTrafficPolicy": field, "healthCheckNodePort": number,
            },
            "status": {"loadBalancer": {"ingress": [{"ip": field}]}},
        });
        let raw: raw::Service = serde_json::from_value(document).unwrap();
        let (service, _) = Service::parse(&raw);
        let ports = service.map(|service| service.ports).unwrap_or_default();
        for port in ports {
            prop_assert!(port.name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-'));
        }
    }

    #[test]
    fn any_ip_is_an_external_ip(address: IpAddr) {
        let (service, complaints) = with_spec(&format!("externalIPs: ['{address}']"));
        prop_assert_eq!(service.external_ips, vec![address.to_canonical()]);
        prop_assert_eq!(complaints, vec![""; 0]);
    }
}
