//! Laws of the decision, over generated rules and tables.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::num::NonZeroU16;
use std::sync::Arc;

use proptest::prelude::*;

use crate::dirty::{Dirty, Former, Look};
use crate::flow::{Entry, Family, Flow, Protocol, Status, Tuple, Zone};
use crate::generation::{Delivery, FrontEnd, Generation, ServicePort};
use crate::snapshot::Snapshot;
use crate::stale::{Verdict, judge};

/// A small world: everything collides with everything now and then.
fn address(last: u8, port: u16) -> SocketAddr {
    SocketAddr::from(([10, 0, 0, last], port))
}

fn any_address() -> impl Strategy<Value = SocketAddr> {
    (1u8..5, 1u16..4).prop_map(|(last, port)| address(last, port))
}

fn any_backend() -> impl Strategy<Value = SocketAddr> {
    (1u8..7, 1u16..4).prop_map(|(last, port)| address(last, port))
}

fn any_entry() -> impl Strategy<Value = Entry> {
    let protocol = prop_oneof![6 => Just(Protocol::UDP), 1 => Just(Protocol::TCP), 1 => Just(Protocol(132))];
    let zone = prop_oneof![4 => Just(0u16), 1 => Just(5u16)];
    let whole = (any_address(), any_backend(), protocol, 0u16..50, 0u32..4, zone);
    let whole = whole.prop_map(|(destination, backend, protocol, client, status, zone)| {
        let client = address(200, 1000 + client);
        Entry::Complete(Flow {
            orig: Tuple::new(protocol, client, destination).unwrap(),
            reply: Tuple::new(protocol, backend, client).unwrap(),
            status: Status(status),
            id: u32::from(client.port()),
            zone: NonZeroU16::new(zone).map_or(Zone::Default, Zone::Both),
        })
    });
    let partial = Just(Entry::Partial { family: Some(Family::V4), protocol: Some(Protocol::UDP) });
    prop_oneof![20 => whole, 1 => partial]
}

pub(crate) fn any_generation() -> impl Strategy<Value = Generation> {
    let serving = prop::collection::btree_set(any_backend(), 0..4);
    let exact = prop::collection::btree_set(any_address(), 0..3);
    let refuses = prop::bool::weighted(0.2);
    let port = (exact, prop::option::of(1u16..4), serving, refuses).prop_map(
        |(exact, node_port, serving, refuses)| {
            let refuses = refuses || serving.is_empty();
            let delivery = if refuses { Delivery::Refusing } else { Delivery::Delivering };
            Arc::new(ServicePort {
                exact: exact.into_iter().map(|address| (address, delivery)).collect(),
                node_port: node_port.and_then(NonZeroU16::new).map(|port| (port, delivery)),
                serving,
            })
        },
    );
    let ports = prop::collection::btree_map((0u8..5).prop_map(|n| Arc::from(format!("ns/{n}"))), port, 0..4);
    let nodes = prop::collection::btree_set((1u8..5).prop_map(|last| address(last, 0).ip()), 0..3);
    (ports, nodes).prop_map(|(service_ports, node_addresses)| Generation { service_ports, node_addresses })
}

fn any_look() -> impl Strategy<Value = Look> {
    let front_end = prop_oneof![
        3 => any_address().prop_map(FrontEnd::Exact),
        1 => (1u16..4).prop_map(FrontEnd::NodePort),
    ];
    let dirty = prop_oneof![
        3 => prop::collection::btree_set(front_end, 0..6).prop_map(Dirty::These),
        1 => Just(Dirty::Everything),
    ];
    let former = prop::collection::btree_set(any_backend(), 1..4)
        .prop_map(|backends| Former { backends, service_ports: BTreeSet::new() });
    (dirty, prop::collection::btree_map(any_address(), former, 0..4))
        .prop_map(|(dirty, former)| Look { dirty, former })
}

fn any_table() -> impl Strategy<Value = Vec<Entry>> {
    prop::collection::vec(any_entry(), 0..30)
}

fn stale(table: &[Entry], snapshot: &Snapshot, look: &Look) -> BTreeSet<Entry> {
    let stale = table.iter().filter(|entry| matches!(judge(entry, snapshot, look), Verdict::Delete(_)));
    stale.copied().collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(10_000))]

    #[test]
    fn only_udp_entries_of_dirty_or_retired_front_ends_that_nobody_serves(
        table in any_table(), rules in any_generation(), look in any_look(),
    ) {
        let snapshot = Snapshot::new(Family::V4, &rules);
        for entry in stale(&table, &snapshot, &look) {
            let flow = entry.flow().expect("only complete entries are deleted");
            prop_assert_eq!(flow.orig.protocol(), Protocol::UDP);
            prop_assert!(look.covers(&snapshot, flow.orig.destination()));
            if let Some((_, claims)) = snapshot.front_end(flow.orig.destination()) {
                prop_assert!(!claims.serves(flow.backend()));
            }
        }
    }

    #[test]
    fn asking_again_gives_nothing_and_order_is_irrelevant(
        table in any_table(), rules in any_generation(), look in any_look(),
    ) {
        let snapshot = Snapshot::new(Family::V4, &rules);
        let found = stale(&table, &snapshot, &look);
        let rest: Vec<Entry> = table.iter().filter(|entry| !found.contains(entry)).copied().collect();
        prop_assert!(stale(&rest, &snapshot, &look).is_empty());
        let backwards: Vec<Entry> = table.iter().rev().copied().collect();
        prop_assert_eq!(stale(&backwards, &snapshot, &look), found);
    }

    #[test]
    fn another_backend_in_a_non_empty_set_makes_nothing_stale(
        table in any_table(), mut rules in any_generation(), look in any_look(), backend in any_backend(),
    ) {
        let before = stale(&table, &Snapshot::new(Family::V4, &rules), &look);
        for port in rules.service_ports.values_mut().filter(|port| !port.serving.is_empty()) {
            Arc::make_mut(port).serving.insert(backend);
        }
        let after = stale(&table, &Snapshot::new(Family::V4, &rules), &look);
        prop_assert!(after.is_subset(&before), "{after:?} {before:?}");
    }

    #[test]
    fn everything_is_the_union_of_all_front_ends(
        table in any_table(), rules in any_generation(), look in any_look(),
    ) {
        let snapshot = Snapshot::new(Family::V4, &rules);
        let everything = Look { dirty: Dirty::Everything, former: look.former };
        let mut union = BTreeSet::new();
        for (front_end, _) in snapshot.front_ends() {
            let one = Look { dirty: Dirty::These([front_end].into()), ..Look::default() };
            union.extend(stale(&table, &snapshot, &one));
        }
        for (address, former) in &everything.former {
            let one = Look { former: [(*address, former.clone())].into(), ..Look::default() };
            union.extend(stale(&table, &snapshot, &one));
        }
        prop_assert_eq!(stale(&table, &snapshot, &everything), union);
    }
}
