//! Which ports of a Service count.

use super::*;
use crate::object::Protocol;

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
