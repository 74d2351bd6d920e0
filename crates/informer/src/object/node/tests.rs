//! What counts of a Node.

use super::Node;
use crate::object::raw;

fn parse(text: &str) -> (Option<Node>, Vec<String>) {
    let raw: raw::Node = serde_yaml::from_str(text).unwrap();
    let (node, complaints) = Node::parse(&raw);
    (node, complaints.iter().map(ToString::to_string).collect())
}

#[test]
fn internal_addresses_come_before_external_ones() {
    let (node, complaints) = parse(
        "{metadata: {name: node1.example}, status: {addresses: [
           {type: Hostname, address: node1}, {type: ExternalIP, address: 203.0.113.1},
           {type: InternalIP, address: 10.0.0.01}, {type: InternalDNS, address: node1.example},
           {type: InternalIP, address: 'fd00::1'}, {type: InternalIP, address: node1}]}}",
    );
    let addresses: Vec<String> = node.unwrap().addresses.iter().map(ToString::to_string).collect();
    assert_eq!(addresses, ["10.0.0.1", "fd00::1", "203.0.113.1"]);
    assert_eq!(
        complaints,
        ["Node node1.example: status.addresses[5].address: \"node1\": is not an IP address"]
    );
}

#[test]
fn pod_cidrs_are_masked_and_keep_their_order() {
    let (node, complaints) =
        parse("{metadata: {name: node1}, spec: {podCIDRs: ['fd00::1/64', 10.244.0.1/24, 10.244.0.0]}}");
    let pod_cidrs: Vec<String> = node.unwrap().pod_cidrs.iter().map(ToString::to_string).collect();
    assert_eq!(pod_cidrs, ["fd00::/64", "10.244.0.0/24"]);
    assert_eq!(complaints, ["Node node1: spec.podCIDRs[2]: \"10.244.0.0\": is not a CIDR"]);
}

#[test]
fn an_empty_zone_is_not_an_absent_one() {
    for (labels, zone) in [
        ("{}", None),
        ("{topology.kubernetes.io/zone: ''}", Some("")),
        ("{topology.kubernetes.io/zone: a, topology.kubernetes.io/region: r}", Some("a")),
    ] {
        let (node, complaints) = parse(&format!("{{metadata: {{name: node1, labels: {labels}}}}}"));
        assert_eq!(node.unwrap().zone.as_deref(), zone, "{labels}");
        assert_eq!(complaints, [""; 0]);
    }
}

#[test]
fn names() {
    for (name, is_legal) in
        [("node1", true), ("a.b-c", true), ("Node1", false), ("''", false), ("a b", false)]
    {
        let (node, complaints) = parse(&format!("{{metadata: {{name: {name}}}}}"));
        assert_eq!((node.is_some(), complaints.len()), (is_legal, usize::from(!is_legal)), "{name}");
    }
}
