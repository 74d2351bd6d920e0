//! Names, policies and affinity, and whatever else may stand in a field.

use proptest::prelude::*;

use super::*;
use crate::object::service::{ServiceType, SessionAffinity, TrafficPolicy};

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
}
