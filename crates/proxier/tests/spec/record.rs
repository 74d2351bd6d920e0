//! Turns changes of Services and EndpointSlices into what a world knows, and counts it.
//!
//! Knows nothing of rules.

use informer::change::Change;
use informer::object::{NamespacedName, Protocol};
use proxier::family::Family;
use serde_json::{Value, json};

use crate::cluster::Cluster;

/// How many service ports there are, and the health-check ports of Services.
fn records(cluster: &Cluster) -> (usize, Vec<u16>) {
    let ports = || cluster.world.services().flat_map(|(_, ports)| ports);
    let mut health_checks: Vec<_> =
        ports().filter_map(|(_, port)| port.health_check_node_port).map(u16::from).collect();
    health_checks.dedup();
    (ports().count(), health_checks)
}

fn service(name: &str, kind: &str, ports: u16) -> Value {
    let ports: Vec<_> = (1..=ports)
        .map(|port| json!({"name": format!("p{port}"), "port": port, "protocol": "UDP"}))
        .collect();
    json!({
        "metadata": {"namespace": "ns", "name": name},
        "spec": {"type": kind, "clusterIP": "172.16.55.4", "ports": ports},
    })
}

fn with(mut service: Value, field: &str, value: impl Into<Value>) -> Value {
    service["spec"][field] = value.into();
    service
}

fn local_load_balancer(name: &str) -> Value {
    let service = with(service(name, "LoadBalancer", 2), "externalTrafficPolicy", "Local");
    with(service, "healthCheckNodePort", 345)
}

#[test]
fn services_come_and_go() {
    let mut cluster = Cluster::new(Family::V4);
    cluster.set_services(&json!([
        service("cluster-ip", "ClusterIP", 3),
        service("node-port", "NodePort", 3),
        service("lb", "LoadBalancer", 2),
        local_load_balancer("lb-local"),
    ]));
    assert_eq!(records(&cluster), (10, vec![345]));
    cluster.set_services(&json!([service("cluster-ip", "ClusterIP", 1)]));
    assert_eq!(records(&cluster), (1, vec![]));
}

#[test]
fn services_without_a_cluster_ip_of_their_own_are_not_proxied() {
    for (kind, cluster_ip, ports) in
        [("ClusterIP", "None", 0), ("ClusterIP", "None", 1), ("ExternalName", "172.16.55.4", 1)]
    {
        let mut cluster = Cluster::new(Family::V4);
        cluster.set_services(&json!([with(service("web", kind, ports), "clusterIP", cluster_ip)]));
        assert_eq!(records(&cluster), (0, vec![]), "{kind} {cluster_ip:?} {ports}");
    }
}

#[test]
fn a_service_changes_its_type() {
    let mut cluster = Cluster::new(Family::V4);
    let cluster_ip = service("web", "ClusterIP", 2);
    let local = local_load_balancer("web");
    for (service, health_checks) in
        [(&cluster_ip, vec![]), (&local, vec![345]), (&local, vec![345]), (&cluster_ip, vec![])]
    {
        cluster.set_services(&json!([service]));
        assert_eq!(records(&cluster), (2, health_checks));
    }
}

/// The endpoints of a Service, by port, and those on this node among them.
fn check(slices: &Value, expected: &str) {
    let mut cluster = Cluster::new(Family::V4);
    cluster.set_endpoints(slices);
    assert_eq!(endpoints(&cluster, "ns", "svc"), expected, "{slices}");
}

fn endpoints(cluster: &Cluster, namespace: &str, service: &str) -> String {
    let service = NamespacedName::new(namespace, service);
    let by_port = cluster.world.endpoints(&service);
    let text = |((port, protocol), endpoints): ((&str, Protocol), Vec<_>)| {
        let endpoint = |endpoint: &proxier::endpoint::Endpoint| {
            format!(" {}{}", endpoint.text, if endpoint.local { "!" } else { "" })
        };
        format!("{port}/{}{}", protocol.name(), endpoints.iter().map(endpoint).collect::<String>())
    };
    by_port.into_iter().map(text).collect::<Vec<_>>().join("; ")
}

#[test]
fn slices_are_put_together() {
    let slice = |ports: Value, at: Value| json!({"service": "ns/svc", "ports": ports, "at": at});
    check(&json!([]), "");
    check(&json!([slice(json!({"p11": "11/UDP"}), json!(["10.1.1.1 this"]))]), "p11/udp 10.1.1.1:11!");
    check(
        &json!([
            slice(json!({"p11": 11}), json!(["10.1.1.1"])),
            slice(json!({"p12": 12}), json!(["10.1.1.2"])),
        ]),
        "p11/tcp 10.1.1.1:11; p12/tcp 10.1.1.2:12",
    );
    check(
        &json!([
            slice(json!({"p11": 11, "p12": 12}), json!(["10.1.1.1 this"])),
            slice(json!({"p13": 13}), json!(["10.1.1.3"])),
        ]),
        "p11/tcp 10.1.1.1:11!; p12/tcp 10.1.1.1:12!; p13/tcp 10.1.1.3:13",
    );
    check(
        &json!([
            slice(json!({"p": 80, "q": 443}), json!(["10.1.1.1", "10.1.1.2", "10.1.1.3"])),
            slice(json!({"p": 80}), json!(["10.1.1.2", "10.1.1.4"])),
            slice(json!({"p": 81}), json!(["10.1.1.1"])),
        ]),
        "p/tcp 10.1.1.1:80 10.1.1.1:81 10.1.1.2:80 10.1.1.3:80 10.1.1.4:80; q/tcp 10.1.1.1:443 10.1.1.2:443 10.1.1.3:443",
    );
    check(
        &json!([slice(json!({"p": 22}), json!(["10.2.2.2", "10.2.2.22"]))]),
        "p/tcp 10.2.2.22:22 10.2.2.2:22",
    );
}

#[test]
fn endpoints_follow_their_slices() {
    let mut cluster = Cluster::new(Family::V4);
    let slice =
        |service: &str, ports: Value, at: Value| json!({"service": service, "ports": ports, "at": at});
    let p11 = || json!({"p11": 11});
    let one = || json!(["10.1.1.1 this"]);
    for (slices, expected) in [
        (json!([slice("ns/svc", p11(), json!([]))]), ""),
        (json!([slice("ns/svc", p11(), one())]), "p11/tcp 10.1.1.1:11!"),
        (
            json!([slice("ns/svc", json!({"p11": 11, "p12": 12}), json!(["10.1.1.1", "10.1.1.2 this"]))]),
            "p11/tcp 10.1.1.1:11 10.1.1.2:11!; p12/tcp 10.1.1.1:12 10.1.1.2:12!",
        ),
        (json!([slice("ns/svc", p11(), one())]), "p11/tcp 10.1.1.1:11!"),
        (
            json!([
                slice("ns/svc", p11(), one()),
                slice("ns/svc", json!({"p12": 12}), json!(["10.1.1.2 this"]))
            ]),
            "p11/tcp 10.1.1.1:11!; p12/tcp 10.1.1.2:12!",
        ),
        (json!([slice("ns/svc", json!({"p11-2": 11}), one())]), "p11-2/tcp 10.1.1.1:11!"),
        (json!([slice("ns/svc", json!({"p11-2": 22}), one())]), "p11-2/tcp 10.1.1.1:22!"),
        (json!([slice("ns/other", p11(), one())]), ""),
        (json!([]), ""),
    ] {
        cluster.set_endpoints(&slices);
        assert_eq!(endpoints(&cluster, "ns", "svc"), expected, "{slices}");
    }
}

#[test]
fn one_that_ends_replaces_nothing() {
    check(
        &json!([{
            "service": "ns/svc",
            "ports": {"p": 80},
            "at": ["10.1.1.1 a T", "10.1.1.1 this", "10.1.1.1 b D"],
        }]),
        "p/tcp 10.1.1.1:80!",
    );
}

#[test]
fn only_what_is_different_is_a_change() {
    let slice = |at: Value| json!([{"service": "ns/svc", "ports": {"p": 80, "q": 443}, "at": at}]);
    let mut cluster = Cluster::new(Family::V4);
    cluster.set_endpoints(&slice(json!(["10.1.1.1", "10.1.1.2"])));
    cluster.world.take_dirty();
    for (slices, is_change) in [
        (slice(json!(["10.1.1.1", "10.1.1.2"])), false),
        (slice(json!(["10.1.1.2", "10.1.1.1"])), true),
        (slice(json!(["10.1.1.2", "10.1.1.1", "10.1.1.3"])), true),
        (slice(json!(["10.1.1.2", "10.1.1.1", "10.1.1.3 this"])), true),
        (slice(json!(["10.1.1.2", "10.1.1.1", "10.1.1.3 this D"])), true),
        (json!([]), true),
        (json!([]), false),
    ] {
        cluster.set_endpoints(&slices);
        assert_eq!(cluster.world.is_dirty(), is_change, "{slices}");
        cluster.world.take_dirty();
    }
    cluster.world.apply(&Change::DeleteEndpointSlice(NamespacedName::new("ns", "unknown")));
    assert!(!cluster.world.is_dirty());
}
