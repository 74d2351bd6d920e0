//! Laws of the decision and of a pass that follows it, over generated rules and tables.

use std::collections::BTreeSet;
use std::net::{Ipv6Addr, SocketAddr};
use std::num::NonZeroU16;
use std::sync::Arc;
use std::time::{Duration, Instant};

use proptest::prelude::*;

use crate::dirty::{Dirty, Former, Look};
use crate::fake::{Call, Fake};
use crate::filter::Filtering;
use crate::flow::{Entry, Family, Flow, Protocol, Status, Tuple, Zone};
use crate::generation::{Delivery, FrontEnd, Generation, ServicePort};
use crate::pass::{Rules, Surroundings, Task, run};
use crate::rehearsal::Rehearsal;
use crate::snapshot::Snapshot;
use crate::stale::{Verdict, judge};

/// A small world: everything collides with everything now and then.
pub(crate) fn address(family: Family, last: u8, port: u16) -> SocketAddr {
    match family {
        Family::V4 => SocketAddr::from(([10, 0, 0, last], port)),
        Family::V6 => SocketAddr::from((Ipv6Addr::new(0xfd00, 0, 0, 0, 0, 0, 0, last.into()), port)),
    }
}

pub(crate) fn any_family() -> impl Strategy<Value = Family> {
    prop_oneof![Just(Family::V4), Just(Family::V6)]
}

pub(crate) fn any_address() -> impl Strategy<Value = SocketAddr> {
    (any_family(), 1u8..5, 1u16..4).prop_map(|(family, last, port)| address(family, last, port))
}

fn any_backend() -> impl Strategy<Value = SocketAddr> {
    (any_family(), 1u8..7, 1u16..4).prop_map(|(family, last, port)| address(family, last, port))
}

pub(crate) fn any_zone() -> impl Strategy<Value = Zone> {
    let five = NonZeroU16::new(5).unwrap();
    prop_oneof![
        8 => Just(Zone::Default),
        1 => Just(Zone::Both(five)),
        1 => Just(Zone::Orig(five)),
        1 => Just(Zone::Reply(five)),
    ]
}

fn any_entry() -> impl Strategy<Value = Entry> {
    let protocol = prop_oneof![6 => Just(Protocol::UDP), 1 => Just(Protocol::TCP), 1 => Just(Protocol(132))];
    let whole = (any_address(), (1u8..7, 1u16..4), protocol, 0u16..50, 0u32..4, any_zone());
    let whole = whole.prop_map(|(destination, (last, port), protocol, client, status, zone)| {
        let family = Family::of(destination.ip());
        let (client, backend) = (address(family, 200, 1000 + client), address(family, last, port));
        Entry::Complete(Flow {
            orig: Tuple::new(protocol, client, destination).unwrap(),
            reply: Tuple::new(protocol, backend, client).unwrap(),
            status: Status(status),
            id: u32::from(client.port()),
            zone,
        })
    });
    let partial = any_family()
        .prop_map(|family| Entry::Partial { family: Some(family), protocol: Some(Protocol::UDP) });
    prop_oneof![20 => whole, 1 => partial]
}

pub(crate) fn any_generation() -> impl Strategy<Value = Generation> {
    let serving = prop::collection::btree_set(any_backend(), 0..6);
    let exact = prop::collection::btree_set(any_address(), 0..4);
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
    let nodes = prop::collection::btree_set(any_address().prop_map(|address| address.ip()), 0..4);
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
    (dirty, prop::collection::btree_map(any_address(), former, 0..4)).prop_map(|(dirty, former)| Look {
        dirty,
        former,
        ..Look::default()
    })
}

/// As in the kernel, no two entries have the same tuple in the same zone.
fn any_table() -> impl Strategy<Value = Vec<Entry>> {
    prop::collection::vec(any_entry(), 0..60).prop_map(|mut table| {
        let mut seen = BTreeSet::new();
        table.retain(|entry| entry.flow().is_none_or(|flow| seen.insert((flow.orig, flow.zone))));
        table
    })
}

fn stale(table: &[Entry], snapshot: &Snapshot, look: &Look) -> BTreeSet<Entry> {
    let stale = table.iter().filter(|entry| matches!(judge(entry, snapshot, look), Verdict::Delete(_)));
    stale.copied().collect()
}

/// One pass while nothing changes.
fn pass(kernel: &mut Fake, snapshot: &Arc<Snapshot>, look: &Look) {
    let task = Task { snapshot: snapshot.clone(), look: look.clone() };
    let mut calm = Calm { rules: snapshot.clone(), now: Rehearsal::new([]).now };
    run(kernel, &[task], &mut Filtering::default(), &mut calm);
}

struct Calm {
    rules: Arc<Snapshot>,
    now: Instant,
}

impl Surroundings for Calm {
    fn rules(&mut self, _: Family) -> Rules {
        Rules::Committed(self.rules.clone(), Arc::default())
    }

    fn stopping(&self) -> bool {
        false
    }

    fn now(&self) -> Instant {
        self.now
    }

    fn cpu(&self) -> Duration {
        Duration::ZERO
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(10_000))]

    #[test]
    fn only_udp_entries_of_dirty_or_retired_front_ends_that_nobody_serves(
        family in any_family(), table in any_table(), rules in any_generation(), look in any_look(),
    ) {
        let snapshot = Snapshot::new(family, &rules);
        for entry in stale(&table, &snapshot, &look) {
            let flow = entry.flow().expect("only complete entries are deleted");
            prop_assert_eq!((flow.orig.protocol(), flow.orig.family()), (Protocol::UDP, family));
            prop_assert!(flow.zone == Zone::Default || flow.is_dnated(), "a copy in a zone: {flow}");
            prop_assert!(look.covers(&snapshot, flow.orig.destination()));
            if let Some((_, claims)) = snapshot.front_end(flow.orig.destination()) {
                prop_assert!(!claims.serves(flow.backend()));
            }
        }
    }

    #[test]
    fn a_pass_deletes_just_these_whatever_their_order_and_another_one_nothing(
        family in any_family(), table in any_table(), rules in any_generation(), look in any_look(),
    ) {
        let snapshot = Arc::new(Snapshot::new(family, &rules));
        let found = stale(&table, &snapshot, &look);
        let rest: BTreeSet<Entry> = table.iter().copied().filter(|entry| !found.contains(entry)).collect();
        for entries in [table.clone(), table.into_iter().rev().collect()] {
            let mut kernel = Fake::new(entries);
            pass(&mut kernel, &snapshot, &look);
            prop_assert_eq!(kernel.entries.iter().copied().collect::<BTreeSet<_>>(), rest.clone());
            kernel.calls.clear();
            pass(&mut kernel, &snapshot, &look);
            prop_assert!(!kernel.calls.iter().any(|call| matches!(call, Call::Delete(_))), "{:?}", kernel.calls);
        }
    }

    #[test]
    fn another_backend_in_a_non_empty_set_makes_nothing_stale(
        table in any_table(), mut rules in any_generation(), look in any_look(), backend in any_backend(),
    ) {
        let family = Family::of(backend.ip());
        let before = stale(&table, &Snapshot::new(family, &rules), &look);
        for port in rules.service_ports.values_mut().filter(|port| !port.serving.is_empty()) {
            Arc::make_mut(port).serving.insert(backend);
        }
        let after = stale(&table, &Snapshot::new(family, &rules), &look);
        prop_assert!(after.is_subset(&before), "{after:?} {before:?}");
    }

    #[test]
    fn everything_is_the_union_of_all_front_ends(
        family in any_family(), table in any_table(), rules in any_generation(), look in any_look(),
    ) {
        let snapshot = Snapshot::new(family, &rules);
        let everything = Look { dirty: Dirty::Everything, former: look.former, ..Look::default() };
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
