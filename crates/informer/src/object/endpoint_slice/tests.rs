//! Which EndpointSlices are of interest, and what counts of their fields.

use super::{AddressType, EndpointSlice};
use crate::object::{Fingerprint, Protocol, raw};

/// The slice `demo/web-1` of the Service `web` with these fields besides, and the complaints about it.
fn parse(fields: &str) -> (EndpointSlice, Vec<String>) {
    let (slice, complaints) = parse_labelled("kubernetes.io/service-name: web", fields);
    (slice.unwrap(), complaints)
}

fn parse_labelled(labels: &str, fields: &str) -> (Option<EndpointSlice>, Vec<String>) {
    let text = format!("{{metadata: {{name: web-1, namespace: demo, labels: {{{labels}}}}}, {fields}}}");
    let raw: raw::EndpointSlice = serde_yaml::from_str(&text).unwrap();
    let (slice, complaints) = EndpointSlice::parse(&raw, Fingerprint::of(text.as_bytes()));
    (slice, complaints.iter().map(ToString::to_string).collect())
}

/// The one endpoint with these fields.
fn endpoint(fields: &str) -> super::Endpoint {
    let (slice, complaints) =
        parse(&format!("addressType: IPv4, endpoints: [{{addresses: [10.1.0.1], {fields}}}]"));
    assert_eq!(complaints, [""; 0], "{fields}");
    slice.endpoints.into_iter().next().unwrap()
}

#[test]
fn of_interest_or_not() {
    let names_none = "metadata.labels[kubernetes.io/service-name]: \"\": names no Service";
    let bad_name = "metadata.labels[kubernetes.io/service-name]: \"We_b\": is not the name of a Service";
    for (labels, service, complaint) in [
        ("kubernetes.io/service-name: web", Some("web"), None),
        ("kubernetes.io/service-name: web, app: 3", Some("web"), None),
        ("kubernetes.io/service-name: web, service.kubernetes.io/headless: ''", None, None),
        ("service.kubernetes.io/headless: 'true'", None, None),
        ("", None, Some(names_none)),
        ("kubernetes.io/service-name: ''", None, Some(names_none)),
        ("kubernetes.io/service-name: null", None, Some(names_none)),
        ("kubernetes.io/service-name: We_b", None, Some(bad_name)),
    ] {
        let (slice, complaints) = parse_labelled(labels, "addressType: IPv4");
        assert_eq!(slice.map(|slice| slice.service.to_string()).as_deref(), service, "{labels}");
        let expected: Vec<String> =
            complaint.iter().map(|complaint| format!("EndpointSlice demo/web-1: {complaint}")).collect();
        assert_eq!(complaints, expected, "{labels}");
    }
}

#[test]
fn names() {
    for (name, is_legal) in [
        ("web-abcde", true),
        ("web.v1.example", true),
        ("a".repeat(253).as_str(), true),
        ("a".repeat(254).as_str(), false),
        ("web..v1", false),
        ("web_1", false),
        ("", false),
    ] {
        let mut raw = raw::EndpointSlice::default();
        raw.metadata.namespace = "demo".into();
        raw.metadata.name = name.into();
        raw.metadata.labels.service_name = Some("web".into());
        raw.address_type = "IPv4".into();
        let (slice, complaints) = EndpointSlice::parse(&raw, Fingerprint::default());
        assert_eq!((slice.is_some(), complaints.len()), (is_legal, usize::from(!is_legal)), "{name:?}");
    }
}

#[test]
fn ports() {
    let (slice, complaints) = parse(
        "addressType: IPv4, ports: [{name: '', port: 80}, {name: dns, port: 53, protocol: UDP}, {name: s, port: 1, protocol: SCTP}]",
    );
    assert_eq!(complaints, [""; 0]);
    let ports: Vec<_> =
        slice.ports.iter().map(|port| (port.name.as_str(), port.port.get(), port.protocol)).collect();
    assert_eq!(ports, [("", 80, Protocol::Tcp), ("dns", 53, Protocol::Udp), ("s", 1, Protocol::Sctp)]);
}

#[test]
fn an_unusable_port_costs_itself_only() {
    for (port, complaint) in [
        ("{port: 1}", "name: \"\": is missing"),
        ("{name: null, port: 1}", "name: \"\": is missing"),
        ("{name: a}", "port: \"0\": is not a port number from 1 to 65535"),
        ("{name: a, port: null}", "port: \"0\": is not a port number from 1 to 65535"),
        ("{name: a, port: 65536}", "port: \"65536\": is not a port number from 1 to 65535"),
        ("{name: a, port: 1, protocol: Tcp}", "protocol: \"Tcp\": is not TCP, UDP or SCTP"),
        (
            "{name: a b, port: 1}",
            "name: \"a b\": is not a port name: lower-case letters, digits and inner dashes, at most 63",
        ),
    ] {
        let (slice, complaints) =
            parse(&format!("addressType: IPv4, ports: [{port}, {{name: good, port: 80}}]"));
        assert_eq!(slice.ports.len(), 1, "{port}");
        assert_eq!(slice.ports[0].name, "good", "{port}");
        assert_eq!(complaints, [format!("EndpointSlice demo/web-1: ports[0].{complaint}")], "{port}");
    }
}

#[test]
fn address_types() {
    let endpoints = "endpoints: [{addresses: [10.1.0.1]}, {addresses: ['fd00::1']}]";
    let other_family = "is not of the slice's addressType";
    for (address_type, expected, address, complaint) in [
        (
            "IPv4",
            AddressType::Ipv4,
            Some("10.1.0.1"),
            Some(format!("endpoints[1].addresses[0]: \"fd00::1\": {other_family}")),
        ),
        (
            "IPv6",
            AddressType::Ipv6,
            Some("fd00::1"),
            Some(format!("endpoints[0].addresses[0]: \"10.1.0.1\": {other_family}")),
        ),
        ("FQDN", AddressType::Other, None, None),
        (
            "Morse",
            AddressType::Other,
            None,
            Some("addressType: \"Morse\": is not IPv4, IPv6 or FQDN".to_owned()),
        ),
        ("''", AddressType::Other, None, Some("addressType: \"\": is not IPv4, IPv6 or FQDN".to_owned())),
    ] {
        let (slice, complaints) = parse(&format!("addressType: {address_type}, {endpoints}"));
        assert_eq!(slice.address_type, expected, "{address_type}");
        let addresses: Vec<String> =
            slice.endpoints.iter().map(|endpoint| endpoint.address.to_string()).collect();
        assert_eq!(addresses.first().map(String::as_str), address, "{address_type}");
        let expected: Vec<String> =
            complaint.iter().map(|complaint| format!("EndpointSlice demo/web-1: {complaint}")).collect();
        assert_eq!(complaints, expected, "{address_type}");
    }
}

#[test]
fn the_first_address_counts() {
    for (addresses, expected, complaint) in [
        ("[10.180.00.001, 10.1.0.9]", Some("10.180.0.1"), None),
        ("['::ffff:10.1.0.1']", Some("10.1.0.1"), None),
        ("[]", None, Some("endpoints[0].addresses: \"\": is empty")),
        ("null", None, Some("endpoints[0].addresses: \"\": is empty")),
        (
            "[pod.example, 10.1.0.1]",
            None,
            Some("endpoints[0].addresses[0]: \"pod.example\": is not an IP address"),
        ),
    ] {
        let (slice, complaints) =
            parse(&format!("addressType: IPv4, endpoints: [{{addresses: {addresses}}}]"));
        let address = slice.endpoints.first().map(|endpoint| endpoint.address.to_string());
        assert_eq!(address.as_deref(), expected, "{addresses}");
        let expected: Vec<String> =
            complaint.iter().map(|complaint| format!("EndpointSlice demo/web-1: {complaint}")).collect();
        assert_eq!(complaints, expected, "{addresses}");
    }
}

#[test]
fn conditions() {
    for (conditions, expected) in [
        ("{}", (true, true, false)),
        ("{conditions: null}", (true, true, false)),
        ("{conditions: {}}", (true, true, false)),
        ("{conditions: {ready: null, serving: null, terminating: null}}", (true, true, false)),
        ("{conditions: {ready: false}}", (false, true, false)),
        ("{conditions: {ready: false, terminating: true}}", (false, true, true)),
        ("{conditions: {ready: false, serving: false}}", (false, false, false)),
        ("{conditions: {ready: true, serving: false, terminating: true}}", (true, false, true)),
    ] {
        let fields = conditions.trim_start_matches('{').strip_suffix('}').unwrap();
        let endpoint = endpoint(fields);
        assert_eq!((endpoint.ready, endpoint.serving, endpoint.terminating), expected, "{conditions}");
    }
}

#[test]
fn node_names_and_hints() {
    let plain = endpoint("nodeName: ''");
    assert_eq!((plain.node_name, plain.zone_hints.len(), plain.node_hints.len()), (None, 0, 0));
    let hinted = endpoint(
        "nodeName: node1, zone: c, hints: {forZones: [{name: b}, {name: a}, {name: b}], forNodes: [{name: n2}, {name: n1}]}",
    );
    assert_eq!(hinted.node_name.as_deref(), Some("node1"));
    assert_eq!(hinted.zone_hints, ["a", "b"]);
    assert_eq!(hinted.node_hints, ["n1", "n2"]);
    let empty = endpoint("hints: {forZones: [], forNodes: null}");
    assert_eq!((empty.zone_hints.len(), empty.node_hints.len()), (0, 0));
}

#[test]
fn the_trigger_time_is_kept_as_it_stands() {
    let text = "{metadata: {name: web-1, namespace: demo, labels: {kubernetes.io/service-name: web}, annotations: {endpoints.kubernetes.io/last-change-trigger-time: '2026-11-23T08:00:00.5Z'}}, addressType: IPv4}";
    let (slice, _) = EndpointSlice::parse(&serde_yaml::from_str(text).unwrap(), Fingerprint::default());
    assert_eq!(slice.unwrap().last_change_trigger_time.as_deref(), Some("2026-11-23T08:00:00.5Z"));
    assert_eq!(parse("addressType: IPv4").0.last_change_trigger_time, None);
}
