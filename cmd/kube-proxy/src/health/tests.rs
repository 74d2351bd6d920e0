//! Stories of queued and finished syncs, and what is answered on the way.

use std::num::NonZeroU16;
use std::sync::Arc;

use informer::change::Change;
use informer::object::{
    AddressType, ClusterIps, Endpoint, EndpointPort, EndpointSlice, NamespacedName, Protocol, Service,
    ServicePort, ServiceType, SessionAffinity, TrafficPolicy,
};
use jiff::Timestamp;
use jiff::tz::{Offset, TimeZone};
use proxier::world::World;

use super::node_port::{Check, checks, verdict};
use super::*;

const SYNC_PERIOD: Duration = Duration::from_secs(30);

/// A clock to be moved by hand, in UTC.
struct Clock {
    origin: Instant,
    zone: TimeZone,
}

impl Clock {
    fn new() -> Self {
        #[expect(clippy::disallowed_methods, reason = "a test needs some instant to start from")]
        let origin = Instant::now();
        Self { origin, zone: TimeZone::UTC }
    }

    /// So many milliseconds after 05:56:00 on a day in November.
    fn at(&self, milliseconds: u64) -> Moment {
        let start: Timestamp = "2026-11-23T05:56:00Z".parse().unwrap();
        let elapsed = Duration::from_millis(milliseconds);
        Moment { instant: self.origin + elapsed, wall: (start + elapsed).to_zoned(self.zone.clone()) }
    }
}

fn healthy(clock: &Clock) -> Health {
    let mut health = Health::new(SYNC_PERIOD);
    health.set_eligibility(Eligibility::Eligible);
    health.updated(Family::V4, clock.at(100));
    health.updated(Family::V6, clock.at(250));
    health
}

#[test]
fn the_body_is_as_documented() {
    let clock = Clock::new();
    let health = healthy(&clock);
    let verdict = health.healthz(&clock.at(5254));
    assert_eq!(verdict.code, 200);
    assert_eq!(
        verdict.body,
        r#"{"lastUpdated":"2026-11-23T05:56:05.254Z","currentTime":"2026-11-23T05:56:05.254Z","nodeEligible":true,"healthy":true,"status":{"IPv4":{"lastUpdated":"2026-11-23T05:56:00.1Z","healthy":true},"IPv6":{"lastUpdated":"2026-11-23T05:56:00.25Z","healthy":true}}}"#
    );
    let verdict = health.livez(&clock.at(5254));
    assert_eq!(verdict.code, 200);
    assert!(!verdict.body.contains("nodeEligible"), "{}", verdict.body);
}

#[test]
fn nobody_reported_and_no_node_was_seen() {
    let clock = Clock::new();
    let health = Health::new(SYNC_PERIOD);
    assert_eq!(health.livez(&clock.at(0)).code, 200);
    let verdict = health.healthz(&clock.at(0));
    assert_eq!(verdict.code, 503);
    assert_eq!(
        verdict.body,
        r#"{"lastUpdated":"0001-01-01T00:00:00Z","currentTime":"2026-11-23T05:56:00Z","nodeEligible":false,"healthy":true}"#
    );
}

/// A sync that finds many culprits takes long, and gets on all the time: for as long as that may take.
#[test]
fn long_work_that_gets_on_is_healthy() {
    let clock = Clock::new();
    let mut health = healthy(&clock);
    let at = |second: u64| clock.at(second * 1000).instant;
    health.queued(Family::V4, at(1));
    health.busy(Family::V4, at(1));
    for second in (10..600).step_by(50) {
        assert!(health.is_healthy(at(second)), "at {second} s");
        health.advanced(Family::V4, at(second));
    }
    assert!(health.is_healthy(at(600)));
    assert!(!health.is_healthy(at(601)), "it has an end");
}

#[test]
fn work_that_gets_on_no_more_is_stuck() {
    let clock = Clock::new();
    let mut health = healthy(&clock);
    let at = |second: u64| clock.at(second * 1000).instant;
    health.queued(Family::V4, at(1));
    health.busy(Family::V4, at(1));
    health.advanced(Family::V4, at(31));
    assert!(health.is_healthy(at(90)));
    assert!(!health.is_healthy(at(91)));
}

/// Who fails again and again gets on a little each time.
#[test]
fn only_the_first_try_is_excused() {
    let clock = Clock::new();
    let mut health = healthy(&clock);
    let at = |second: u64| clock.at(second * 1000).instant;
    health.queued(Family::V4, at(1));
    for second in 1..70 {
        health.busy(Family::V4, at(second));
        health.advanced(Family::V4, at(second));
        assert_eq!(health.is_healthy(at(second)), second < 61, "at {second} s");
        health.idle(Family::V4);
    }
    health.updated(Family::V4, clock.at(70_000));
    assert!(health.is_healthy(at(70)));
}

#[test]
fn a_node_that_goes_is_no_reason_to_call_the_proxy_ill() {
    let clock = Clock::new();
    let mut health = healthy(&clock);
    health.set_eligibility(Eligibility::Leaving);
    let verdict = health.healthz(&clock.at(9000));
    assert_eq!(verdict.code, 503);
    let start = r#"{"lastUpdated":"2026-11-23T05:56:00.25Z","currentTime":"2026-11-23T05:56:09Z","#;
    assert!(verdict.body.starts_with(start), "{}", verdict.body);
    assert!(verdict.body.contains(r#""nodeEligible":false,"healthy":true"#), "{}", verdict.body);
    assert_eq!(health.livez(&clock.at(9000)).code, 200);
}

#[test]
fn a_sync_that_does_not_come_is_noticed_after_two_periods() {
    let clock = Clock::new();
    let mut health = healthy(&clock);
    // Idle for an hour: fine.
    assert_eq!(health.livez(&clock.at(3_600_000)).code, 200);
    health.queued(Family::V4, clock.at(3_600_000).instant);
    // A later request does not reset the wait.
    health.queued(Family::V4, clock.at(3_650_000).instant);
    assert_eq!(health.livez(&clock.at(3_659_999)).code, 200);
    let verdict = health.livez(&clock.at(3_660_000));
    assert_eq!(verdict.code, 503);
    assert!(verdict.body.starts_with(r#"{"lastUpdated":"2026-11-23T05:56:00.25Z""#), "{}", verdict.body);
    assert!(
        verdict.body.contains(r#""healthy":false,"status":{"IPv4":{"lastUpdated":"2026-11-23T05:56:00.1Z","healthy":false},"IPv6":{"lastUpdated":"2026-11-23T05:56:00.25Z","healthy":true}}"#),
        "{}",
        verdict.body
    );
    assert_eq!(health.healthz(&clock.at(3_660_000)).code, 503);
    health.updated(Family::V4, clock.at(3_661_000));
    assert_eq!(health.healthz(&clock.at(3_800_000)).code, 200);
}

#[test]
fn a_family_that_never_reported_counts_for_nothing() {
    let clock = Clock::new();
    let mut health = Health::new(SYNC_PERIOD);
    health.queued(Family::V4, clock.at(0).instant);
    let verdict = health.livez(&clock.at(600_000));
    assert_eq!(verdict.code, 200);
    assert!(!verdict.body.contains("status"), "{}", verdict.body);
}

#[test]
fn times_are_local() {
    let clock = Clock { zone: TimeZone::fixed(Offset::constant(5)), ..Clock::new() };
    let body = Health::new(SYNC_PERIOD).livez(&clock.at(120)).body;
    assert!(body.contains(r#""currentTime":"2026-11-23T10:56:00.12+05:00""#), "{body}");
    let clock = Clock { zone: TimeZone::fixed(Offset::constant(0)), ..Clock::new() };
    let body = Health::new(SYNC_PERIOD).livez(&clock.at(120)).body;
    assert!(body.contains(r#""currentTime":"2026-11-23T05:56:00.12Z""#), "{body}");
}

#[test]
fn a_load_balancer_gets_the_count_whatever_the_proxy_does() {
    let service = NamespacedName::new("default", "lb");
    let body = "{\n\t\"service\": {\n\t\t\"namespace\": \"default\",\n\t\t\"name\": \"lb\"\n\t},\n\
        \t\"localEndpoints\": 2,\n\t\"serviceProxyHealthy\": true\n}";
    assert_eq!(body.len(), 113);
    assert_eq!(verdict(&service, 2, true), Verdict { code: 200, body: body.to_owned() });
    assert_eq!(verdict(&service, 2, false).code, 503);
    assert!(verdict(&service, 2, false).body.contains("\"localEndpoints\": 2"));
    assert_eq!(verdict(&service, 0, true).code, 503);
}

#[test]
fn ready_addresses_on_this_node_count_once() {
    let mut world = World::new(Family::V4, "here");
    world.apply(&Change::SetService(Arc::new(service(Some(31_000)))));
    let at = |address: &str, node: &str| Endpoint {
        address: address.parse().unwrap(),
        ready: true,
        serving: true,
        terminating: false,
        node_name: Some(node.into()),
        zone_hints: Vec::new(),
        node_hints: Vec::new(),
    };
    let draining = Endpoint { ready: false, terminating: true, ..at("10.0.0.3", "here") };
    let endpoints = vec![at("10.0.0.1", "here"), at("10.0.0.2", "here"), draining, at("10.0.0.4", "there")];
    world.apply(&Change::SetEndpointSlice(Arc::new(slice(endpoints))));
    let expected = [(NamespacedName::new("demo", "lb"), check(31_000, 2))];
    assert_eq!(checks(&world), expected.into());
}

#[test]
fn only_some_services_have_a_health_check() {
    let local = service(Some(31_000));
    let cluster = Service { external_traffic_policy: TrafficPolicy::Cluster, ..local.clone() };
    let node_port = Service { service_type: ServiceType::NodePort, ..local.clone() };
    let without = service(None);
    let other_family = Service {
        cluster_ips: ClusterIps { v4: None, v6: Some("2001:db8::1".parse().unwrap()) },
        ..local.clone()
    };
    for (service, expected) in [
        (local, Some(check(31_000, 0))),
        (cluster, None),
        (node_port, None),
        (without, None),
        (other_family, None),
    ] {
        let mut world = World::new(Family::V4, "here");
        world.apply(&Change::SetService(Arc::new(service.clone())));
        assert_eq!(checks(&world).into_values().next(), expected, "{service:?}");
    }
}

// === objects ===

fn check(port: u16, local_endpoints: usize) -> Check {
    Check { port: NonZeroU16::new(port).unwrap(), local_endpoints }
}

fn service(health_check_node_port: Option<u16>) -> Service {
    let port = |name: &str, number| ServicePort {
        name: name.into(),
        protocol: Protocol::Tcp,
        port: NonZeroU16::new(number).unwrap(),
        node_port: None,
    };
    Service {
        name: NamespacedName::new("demo", "lb"),
        service_type: ServiceType::LoadBalancer,
        cluster_ips: ClusterIps { v4: Some("10.96.0.1".parse().unwrap()), v6: None },
        ports: vec![port("http", 80), port("https", 443)],
        external_ips: Vec::new(),
        lists_external_ips: false,
        load_balancer_ips: Vec::new(),
        source_ranges: Vec::new(),
        session_affinity: SessionAffinity::None,
        external_traffic_policy: TrafficPolicy::Local,
        internal_traffic_policy: TrafficPolicy::Cluster,
        health_check_node_port: health_check_node_port.and_then(NonZeroU16::new),
    }
}

fn slice(endpoints: Vec<Endpoint>) -> EndpointSlice {
    let port = |name: &str, number| EndpointPort {
        name: name.into(),
        protocol: Protocol::Tcp,
        port: NonZeroU16::new(number).unwrap(),
    };
    EndpointSlice {
        name: NamespacedName::new("demo", "lb-x"),
        service: "lb".into(),
        address_type: AddressType::Ipv4,
        ports: vec![port("http", 8080), port("https", 8443)],
        endpoints,
        fingerprint: 0,
        last_change_trigger_time: None,
    }
}

#[test]
fn a_loop_that_never_pauses_is_noticed() {
    let clock = Clock::new();
    let mut health = healthy(&clock);
    health.busy(Family::V6, clock.at(1000).instant);
    assert!(health.is_healthy(clock.at(60_999).instant));
    // A success in between is not the end of the work.
    health.updated(Family::V6, clock.at(2000));
    assert!(!health.is_healthy(clock.at(61_000).instant));
    health.idle(Family::V6);
    assert!(health.is_healthy(clock.at(61_000).instant));
}
