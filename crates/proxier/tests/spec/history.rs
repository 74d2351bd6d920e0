//! Turns histories that nobody thought of into rules, which must be those of the last state.
//!
//! Knows nothing of which rules are right, but that the past must not show in them.

use proptest::prelude::*;
use serde_json::{Value, json};

use crate::story::Story;

/// Something that happens.
#[derive(Clone, Debug)]
enum Event {
    /// A Service is as described.
    Service(usize, Value),
    /// A Service is gone.
    NoService(usize),
    /// Some endpoints of a Service are as described.
    Endpoints(usize, Value),
    /// They are gone.
    NoEndpoints(usize),
    /// The tables follow.
    Sync,
    /// The tables cannot follow, and what is installed is not known any more.
    Forget,
    /// Somebody empties the tables, and that is noticed.
    Flush,
}

fn an_event() -> impl Strategy<Value = Event> {
    let number = 0..3_usize;
    prop_oneof![
        4 => (number.clone(), 0..3_usize).prop_flat_map(|(number, address)| a_service(number, address))
            .prop_map(|(number, service)| Event::Service(number, service)),
        1 => number.clone().prop_map(Event::NoService),
        6 => (number.clone(), 0..2_usize).prop_flat_map(|(number, slice)| some_endpoints(number, slice))
            .prop_map(|(number, slice)| Event::Endpoints(number, slice)),
        2 => (0..6_usize).prop_map(Event::NoEndpoints),
        5 => Just(Event::Sync),
        1 => Just(Event::Forget),
        1 => Just(Event::Flush),
    ]
}

/// Two Services may have the same cluster IP, as they do while one replaces the other.
fn a_service(number: usize, address: usize) -> impl Strategy<Value = (usize, Value)> {
    let policy = || prop_oneof![Just("Cluster"), Just("Local")];
    let kind = prop_oneof![Just("ClusterIP"), Just("NodePort"), Just("LoadBalancer")];
    let flags = (any::<bool>(), any::<bool>(), any::<bool>());
    (kind, policy(), policy(), flags).prop_map(move |(kind, internal, external, (is_sticky, is_closed, is_double))| {
        let mut ports = vec![json!({"name": "a", "port": 80, "nodePort": if kind == "ClusterIP" { 0 } else { 30000 + number }})];
        if is_double {
            ports.push(json!({"name": "b", "port": 53, "protocol": "UDP"}));
        }
        let service = json!({
            "metadata": {"namespace": "ns", "name": format!("svc{number}")},
            "spec": {
                "type": kind,
                "clusterIP": format!("172.30.0.{address}"),
                "ports": ports,
                "internalTrafficPolicy": internal,
                "externalTrafficPolicy": external,
                "externalIPs": if is_double { json!(["1.2.3.4"]) } else { json!([]) },
                "sessionAffinity": if is_sticky { "ClientIP" } else { "None" },
                "healthCheckNodePort": if kind == "LoadBalancer" { 31000 + number } else { 0 },
                "loadBalancerSourceRanges": if is_closed { json!(["192.168.0.0/24"]) } else { json!([]) },
            },
            "status": {"loadBalancer": {"ingress": if kind == "LoadBalancer" { json!([{"ip": "5.6.7.8"}]) } else { json!([]) }}},
        });
        (number, service)
    })
}

/// One of two slices of a Service. Slices overlap.
fn some_endpoints(service: usize, slice: usize) -> impl Strategy<Value = (usize, Value)> {
    let state = prop_oneof![4 => Just(""), 1 => Just(" T"), 1 => Just(" D")];
    let node = prop_oneof![Just("this"), Just("remote")];
    let endpoint =
        (1..6_u8, node, state).prop_map(|(last, node, state)| format!("10.0.1.{last} {node}{state}"));
    (proptest::collection::vec(endpoint, 0..5), any::<bool>()).prop_map(move |(at, is_double)| {
        let ports = if is_double { json!({"a": 8080, "b": "5353/UDP"}) } else { json!({"a": 8080}) };
        (service * 2 + slice, json!({"service": format!("ns/svc{service}"), "ports": ports, "at": at}))
    })
}

fn live(story: &mut Story, event: Event) {
    match event {
        Event::Service(number, service) => drop(story.services.insert(number, service)),
        Event::NoService(number) => drop(story.services.remove(&number)),
        Event::Endpoints(number, slice) => drop(story.endpoints.insert(number, slice)),
        Event::NoEndpoints(number) => drop(story.endpoints.remove(&number)),
        Event::Sync => sync(story),
        Event::Forget => story.proxier.forget_installed(),
        Event::Flush => {
            story.kernel.tables.tables.clear();
            story.proxier.forget_installed();
        }
    }
}

fn sync(story: &mut Story) {
    story.sync();
    story.assert_as_from_scratch();
    story.sync();
    assert_eq!(story.kernel.input, "", "nothing has changed");
}

proptest! {
    #[test]
    fn the_past_does_not_show(events in proptest::collection::vec(an_event(), 1..30)) {
        let mut story = Story::new(|_| {});
        events.into_iter().for_each(|event| live(&mut story, event));
        sync(&mut story);
    }
}
