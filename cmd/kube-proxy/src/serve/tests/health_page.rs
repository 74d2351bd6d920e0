//! The health server on the wire.

use config::Gates;
use prometheus::{Registry, TextEncoder};
use proxier::family::Family;

use super::*;
use crate::built::Build;
use crate::health::Eligibility;
use crate::metrics::Metrics;

#[test]
fn both_families_get_the_same_answers() {
    let (health, registry, port) = start();
    health.lock().updated(Family::V4, now());
    health.lock().set_eligibility(Eligibility::Eligible);
    for ip in [V4, V6] {
        for path in ["/healthz", "/livez", "/healthz?x=y"] {
            let reply = get((ip, port).into(), path);
            assert_eq!(reply.status, "HTTP/1.1 200 OK", "{ip} {path}");
            assert_eq!(reply.header("content-type"), Some("application/json"));
            assert_eq!(reply.header("x-content-type-options"), Some("nosniff"));
            let body: serde_json::Value = serde_json::from_slice(&reply.body).unwrap();
            assert_eq!(body["healthy"], true);
            assert_eq!(body["nodeEligible"].as_bool(), path.starts_with("/healthz").then_some(true));
            assert_eq!(body["status"]["IPv4"]["healthy"], true);
            assert_eq!(body["lastUpdated"], body["currentTime"]);
        }
    }
    assert_eq!(ask((V4, port).into(), "POST", "/livez", &[], "ignored").status, "HTTP/1.1 200 OK");
    let counted = TextEncoder::new().encode_to_string(&registry.gather()).unwrap();
    assert!(counted.contains("kubeproxy_proxy_healthz_total{code=\"200\"} 4\n"), "{counted}");
    assert!(counted.contains("kubeproxy_proxy_livez_total{code=\"200\"} 3\n"), "{counted}");
}

#[test]
fn a_node_that_nobody_saw_gets_no_traffic() {
    let (_health, registry, port) = start();
    let reply = get((V6, port).into(), "/healthz");
    assert_eq!(reply.status, "HTTP/1.1 503 Service Unavailable");
    assert_eq!(get((V6, port).into(), "/livez").status, "HTTP/1.1 200 OK");
    let counted = TextEncoder::new().encode_to_string(&registry.gather()).unwrap();
    assert!(counted.contains("kubeproxy_proxy_healthz_total{code=\"503\"} 1\n"), "{counted}");
}

#[test]
fn other_pages_do_not_exist() {
    let (_health, _registry, port) = start();
    for path in ["/", "/healthz/", "/livez/x", "/metrics", "/readyz"] {
        let reply = get((V4, port).into(), path);
        assert_eq!(reply.status, "HTTP/1.1 404 Not Found", "{path}");
        assert_eq!(reply.header("content-type"), Some("text/plain; charset=utf-8"));
        assert_eq!(reply.header("x-content-type-options"), Some("nosniff"));
        assert_eq!(reply.text(), "404 page not found\n");
    }
}

fn start() -> (SharedHealth, Registry, u16) {
    let health = SharedHealth::new(Health::new(Duration::from_secs(30)));
    let registry = Registry::new();
    let metrics = Metrics::new(&registry, &Build::default(), &Gates::default()).unwrap();
    let port = free_port();
    servers().serve_health(any(port), health.clone(), metrics.health, never);
    (health, registry, port)
}
