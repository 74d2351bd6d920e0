//! Health-check node ports on the wire: they open, move, change hands and close.

use std::io::Error;
use std::num::NonZeroU16;

use informer::object::NamespacedName;
use proxier::family::Family;
use proxier::option::NodePortAddresses;

use super::*;
use crate::health::node_port::{Check, Checks};

#[test]
fn the_two_families_share_a_port_number() {
    let port = free_port();
    let servers = servers();
    let mut v4 = servers.node_ports(addresses(Family::V4, &NodePortAddresses::All, Ok(Vec::new())), None);
    let mut v6 = servers.node_ports(addresses(Family::V6, &NodePortAddresses::All, Ok(Vec::new())), None);
    assert!(v4.set(&one("lb", port, 2)).is_empty());
    assert!(v6.set(&one("lb", port, 0)).is_empty());
    let reply = get((V4, port).into(), "/");
    assert_eq!(reply.status, "HTTP/1.1 200 OK");
    assert_eq!(reply.header("content-type"), Some("application/json"));
    assert_eq!(reply.header("x-content-type-options"), Some("nosniff"));
    assert_eq!(reply.header("x-load-balancing-endpoint-weight"), Some("2"));
    assert_eq!(
        reply.text(),
        "{\n\t\"service\": {\n\t\t\"namespace\": \"default\",\n\t\t\"name\": \"lb\"\n\t},\n\
         \t\"localEndpoints\": 2,\n\t\"serviceProxyHealthy\": true\n}"
    );
    let reply = ask((V6, port).into(), "POST", "/any/path", &[], "");
    assert_eq!(reply.status, "HTTP/1.1 503 Service Unavailable");
    assert_eq!(reply.header("x-load-balancing-endpoint-weight"), Some("0"));
    drop(v4);
    assert_eq!(get((V6, port).into(), "/").status, "HTTP/1.1 503 Service Unavailable");
}

#[test]
fn the_count_changes_without_a_new_connection() {
    let (port, mut node_ports) = (free_port(), loopback(None));
    node_ports.set(&one("lb", port, 0));
    let mut stream = connect((V4, port).into());
    for (count, status) in [(0, "HTTP/1.1 503 Service Unavailable"), (1, "HTTP/1.1 200 OK")] {
        node_ports.set(&one("lb", port, count));
        assert_eq!(ask_again(&mut stream).status, status);
    }
}

#[test]
fn an_unhealthy_proxy_shows_its_weight_all_the_same() {
    let health = SharedHealth::new(Health::new(Duration::ZERO));
    let (port, mut node_ports) = (free_port(), loopback(Some(health.clone())));
    node_ports.set(&one("lb", port, 3));
    assert_eq!(get((V4, port).into(), "/").status, "HTTP/1.1 200 OK");
    health.lock().updated(Family::V6, now());
    health.lock().queued(Family::V6, now().instant);
    let reply = get((V4, port).into(), "/");
    assert_eq!(reply.status, "HTTP/1.1 503 Service Unavailable");
    assert_eq!(reply.header("x-load-balancing-endpoint-weight"), Some("3"));
    assert!(reply.text().contains("\"serviceProxyHealthy\": false"), "{}", reply.text());
}

#[test]
fn a_service_that_goes_is_cut_off_at_once() {
    let (port, mut node_ports) = (free_port(), loopback(None));
    node_ports.set(&one("lb", port, 1));
    let mut stream = connect((V4, port).into());
    assert_eq!(ask_again(&mut stream).status, "HTTP/1.1 200 OK");
    assert!(node_ports.set(&Checks::new()).is_empty());
    assert!(is_refused((V4, port).into()));
    assert_eq!(stream.read(&mut [0; 1024]).unwrap_or_default(), 0);
}

#[test]
fn ports_move_and_change_hands() {
    let (first, second, mut node_ports) = (free_port(), free_port(), loopback(None));
    let both = |a, b| Checks::from_iter(one("a", a, 1).into_iter().chain(one("b", b, 2)));
    assert!(node_ports.set(&both(first, second)).is_empty());
    assert!(node_ports.set(&both(second, first)).is_empty());
    assert!(get((V4, first).into(), "/").text().contains("\"name\": \"b\""));
    assert!(get((V4, second).into(), "/").text().contains("\"name\": \"a\""));
    let third = free_port();
    assert!(node_ports.set(&both(third, first)).is_empty());
    assert!(is_refused((V4, second).into()));
    assert!(get((V4, third).into(), "/").text().contains("\"name\": \"a\""));
}

#[test]
fn a_port_in_use_is_reported_and_tried_again_and_hurts_nobody_else() {
    let (taken, free) = (free_port(), free_port());
    let other = TcpListener::bind((V6, taken)).unwrap();
    // The IPv4 listener is opened first, and must not stay.
    let mut node_ports = servers().node_ports(vec![V4, V6], None);
    let wanted: Checks = one("a", taken, 1).into_iter().chain(one("b", free, 1)).collect();
    let failures = node_ports.set(&wanted);
    assert_eq!(failures.len(), 1);
    assert_eq!(failures[0].service, NamespacedName::new("default", "a"));
    assert_eq!(
        failures[0].to_string(),
        format!(
            "failed to start healthcheck of default/a on port {taken}: \
             listen tcp [::1]:{taken}: bind: address already in use"
        )
    );
    assert!(is_refused((V4, taken).into()));
    assert_eq!(get((V6, free).into(), "/").status, "HTTP/1.1 200 OK");
    drop(other);
    assert!(node_ports.set(&wanted).is_empty());
    assert_eq!(get((V4, taken).into(), "/").status, "HTTP/1.1 200 OK");
}

#[test]
fn listen_addresses_are_those_of_node_ports() {
    let host = || vec![V4, V6, "10.1.2.3".parse().unwrap(), "2001:db8::1".parse().unwrap()];
    let within = |cidr: &str| NodePortAddresses::Within(vec![cidr.parse().unwrap()]);
    let ips = |texts: &[&str]| texts.iter().map(|text| text.parse().unwrap()).collect::<Vec<IpAddr>>();
    for (family, node_port_addresses, expected) in [
        (Family::V4, NodePortAddresses::All, ips(&["0.0.0.0"])),
        (Family::V6, NodePortAddresses::All, ips(&["::"])),
        (Family::V4, within("10.0.0.0/8"), ips(&["10.1.2.3"])),
        (Family::V6, within("2001:db8::/64"), ips(&["2001:db8::1"])),
        (Family::V4, within("192.168.0.0/16"), ips(&[])),
    ] {
        assert_eq!(addresses(family, &node_port_addresses, Ok(host())), expected, "{node_port_addresses:?}");
    }
    let unknown = addresses(Family::V4, &within("10.0.0.0/8"), Err(Error::other("no netlink")));
    assert_eq!(unknown, ips(&["0.0.0.0"]));
}

fn loopback(health: Option<SharedHealth>) -> NodePorts {
    servers().node_ports(vec![V4], health)
}

pub(super) fn one(service: &str, port: u16, local_endpoints: usize) -> Checks {
    let port = NonZeroU16::new(port).unwrap();
    [(NamespacedName::new("default", service), Check { port, local_endpoints })].into()
}
