//! Endpoints become slices, one per subset and family.

use std::fmt::Write;

use expect_test::{Expect, expect};

use super::mirror;
use crate::default;
use crate::object::{Fingerprint, raw};

/// The slices and complaints that these Endpoints `demo/web` come to.
fn check(metadata: &str, subsets: &str, expected: Expect) {
    let text = format!("{{metadata: {{name: web, namespace: demo, {metadata}}}, subsets: [{subsets}]}}");
    let mut raw: raw::Endpoints = serde_yaml::from_str(&text).unwrap();
    default::endpoints(&mut raw);
    let (slices, complaints) = mirror(&raw, Fingerprint::default());
    let mut found = String::new();
    for slice in slices {
        writeln!(found, "{} of {}, {:?}", slice.name, slice.service, slice.address_type).unwrap();
        for port in slice.ports {
            writeln!(found, "  port {:?} {}/{}", port.name, port.port, port.protocol.name()).unwrap();
        }
        for endpoint in slice.endpoints {
            let (ready, serving, terminating) = (endpoint.ready, endpoint.serving, endpoint.terminating);
            let node = endpoint.node_name.as_deref().unwrap_or("-");
            writeln!(found, "  {} {ready} {serving} {terminating} on {node}", endpoint.address).unwrap();
        }
    }
    complaints.iter().for_each(|complaint| writeln!(found, "{complaint}").unwrap());
    expected.assert_eq(&found);
}

#[test]
fn subsets_of_both_families_and_readiness() {
    check(
        "",
        "{addresses: [{ip: 10.1.0.1, nodeName: n1}, {ip: 'fd00::1'}], notReadyAddresses: [{ip: 10.1.0.2}], ports: [{port: 80}]},
         {addresses: [{ip: 10.1.0.3}], ports: [{name: dns, port: 53, protocol: UDP}, {name: s, port: 9, protocol: SCTP}]}",
        expect![[r#"
            demo/web-mirrored-ipv4-0 of web, Ipv4
              port "" 80/tcp
              10.1.0.1 true true false on n1
              10.1.0.2 false true false on -
            demo/web-mirrored-ipv6-0 of web, Ipv6
              port "" 80/tcp
              fd00::1 true true false on -
            demo/web-mirrored-ipv4-1 of web, Ipv4
              port "dns" 53/udp
              port "s" 9/sctp
              10.1.0.3 true true false on -
        "#]],
    );
}

#[test]
fn bad_fields_cost_themselves_only() {
    check(
        "",
        "{addresses: [{ip: x}, {ip: 10.1.0.1}], notReadyAddresses: [{}], ports: [{port: 0}, {port: 80}]}",
        expect![[r#"
            demo/web-mirrored-ipv4-0 of web, Ipv4
              port "" 80/tcp
              10.1.0.1 true true false on -
            Endpoints demo/web: subsets[0].ports[0].port: "0": is not a port number from 1 to 65535
            Endpoints demo/web: subsets[0].addresses[0].ip: "x": is not an IP address
            Endpoints demo/web: subsets[0].notReadyAddresses[0].ip: "": is not an IP address
        "#]],
    );
}

#[test]
fn some_are_not_mirrored() {
    let subsets = "{addresses: [{ip: 10.1.0.1}], ports: [{port: 80}]}";
    for metadata in [
        "labels: {endpointslice.kubernetes.io/skip-mirror: 'true'}",
        "labels: {service.kubernetes.io/headless: ''}",
        "annotations: {control-plane.alpha.kubernetes.io/leader: '{}'}",
    ] {
        check(metadata, subsets, expect![[""]]);
    }
    check(
        "labels: {endpointslice.kubernetes.io/skip-mirror: 'false'}",
        subsets,
        expect![[r#"
            demo/web-mirrored-ipv4-0 of web, Ipv4
              port "" 80/tcp
              10.1.0.1 true true false on -
        "#]],
    );
}

#[test]
fn the_name_must_be_one_of_a_service() {
    let mut raw = raw::Endpoints::default();
    raw.metadata.namespace = "demo".into();
    raw.metadata.name = "a.b".into();
    let (slices, complaints) = mirror(&raw, Fingerprint::default());
    assert_eq!((slices.len(), complaints.len()), (0, 1));
}
