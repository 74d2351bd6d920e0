//! What the API server would have filled in.

use crate::object::raw;

/// The fields of a Service that have defaults, after these in its `spec`.
fn service(spec: &str) -> raw::ServiceSpec {
    let mut raw: raw::Service = serde_yaml::from_str(&format!("{{spec: {{{spec}}}}}")).unwrap();
    super::service(&mut raw);
    assert_eq!(raw.metadata.namespace, "default");
    raw.spec
}

#[test]
fn plain_fields_of_a_service() {
    let spec = service("ports: [{port: 80}, {port: 53, protocol: UDP}]");
    assert_eq!(spec.service_type, "ClusterIP");
    assert_eq!(spec.session_affinity, "None");
    assert_eq!(spec.session_affinity_config.client_ip.timeout_seconds, None);
    assert_eq!(spec.internal_traffic_policy, "Cluster");
    assert_eq!(spec.external_traffic_policy, "Cluster");
    assert_eq!(spec.ports[0].protocol, "TCP");
    assert_eq!(spec.ports[1].protocol, "UDP");
}

#[test]
fn what_is_given_stays() {
    let spec = service(
        "type: NodePort, sessionAffinity: ClientIP, sessionAffinityConfig: {clientIP: {timeoutSeconds: 5}}, internalTrafficPolicy: Local, externalTrafficPolicy: Local",
    );
    assert_eq!(spec.service_type, "NodePort");
    assert_eq!(spec.session_affinity_config.client_ip.timeout_seconds, Some(5));
    assert_eq!(spec.internal_traffic_policy, "Local");
    assert_eq!(spec.external_traffic_policy, "Local");
}

#[test]
fn affinity_has_a_timeout() {
    let spec = service("sessionAffinity: ClientIP");
    assert_eq!(spec.session_affinity_config.client_ip.timeout_seconds, Some(10800));
}

#[test]
fn cluster_ips_and_families_follow_from_each_other() {
    for (given, cluster_ip, cluster_ips, families) in [
        ("clusterIP: 10.0.0.1", "10.0.0.1", "10.0.0.1", "IPv4"),
        ("clusterIP: 'fd00::1'", "fd00::1", "fd00::1", "IPv6"),
        ("clusterIPs: ['fd00::1', 10.0.0.1]", "fd00::1", "fd00::1 10.0.0.1", "IPv6 IPv4"),
        (
            "clusterIP: 10.0.0.1, clusterIPs: [10.0.0.1, 'fd00::1']",
            "10.0.0.1",
            "10.0.0.1 fd00::1",
            "IPv4 IPv6",
        ),
        ("clusterIP: 10.0.0.1, clusterIPs: [10.0.0.1], ipFamilies: [IPv6]", "10.0.0.1", "10.0.0.1", "IPv6"),
        ("clusterIP: None", "None", "None", ""),
        ("clusterIP: nonsense", "nonsense", "nonsense", "IPv4"),
        ("type: ExternalName", "", "", ""),
        ("", "", "", ""),
    ] {
        let spec = service(given);
        assert_eq!(spec.cluster_ip, cluster_ip, "{given}");
        assert_eq!(spec.cluster_ips.join(" "), cluster_ips, "{given}");
        assert_eq!(spec.ip_families.join(" "), families, "{given}");
    }
}

#[test]
fn ports_of_slices_and_endpoints_have_a_name_and_a_protocol() {
    let mut slice: raw::EndpointSlice = serde_yaml::from_str(
        "{metadata: {namespace: demo}, ports: [{port: 80}, {name: a, protocol: UDP}], endpoints: [{}]}",
    )
    .unwrap();
    super::endpoint_slice(&mut slice);
    assert_eq!(slice.metadata.namespace, "demo");
    let ports: Vec<_> =
        slice.ports.iter().map(|port| (port.name.as_deref().unwrap(), port.protocol.as_str())).collect();
    assert_eq!(ports, [("", "TCP"), ("a", "UDP")]);
    let conditions = &slice.endpoints[0].conditions;
    assert_eq!((conditions.ready, conditions.serving, conditions.terminating), (None, None, None));

    let mut endpoints: raw::Endpoints = serde_yaml::from_str("{subsets: [{ports: [{port: 80}]}]}").unwrap();
    super::endpoints(&mut endpoints);
    assert_eq!(endpoints.metadata.namespace, "default");
    let port = &endpoints.subsets[0].ports[0];
    assert_eq!((port.name.as_deref(), port.protocol.as_str()), (Some(""), "TCP"));
}

#[test]
fn the_one_pod_cidr_is_a_list_of_one() {
    for (spec, expected) in [
        ("{podCIDR: 10.0.0.0/24}", "10.0.0.0/24"),
        ("{podCIDR: 10.0.0.0/24, podCIDRs: [10.0.0.0/24, 'fd00::/64']}", "10.0.0.0/24 fd00::/64"),
        ("{}", ""),
    ] {
        let mut node: raw::Node = serde_yaml::from_str(&format!("{{spec: {spec}}}")).unwrap();
        super::node(&mut node);
        assert_eq!(node.spec.pod_cidrs.join(" "), expected, "{spec}");
    }
}
