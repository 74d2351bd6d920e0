//! Which Services are proxied, and under which cluster IPs.

use super::*;

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
