//! Random histories of commits, traffic and failures: in the end nothing contradicts the rules, and nothing that
//! never did was deleted.

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::num::NonZeroU16;
use std::time::{Duration, Instant};

use proptest::prelude::*;

use crate::agenda::Agenda;
use crate::fake::{Fault, FilterSupport};
use crate::flow::{Entry, Family, Flow, Protocol, Status, Tuple, Zone};
use crate::generation::{Cause, Delivery, Generation};
use crate::kernel::Error;
use crate::rehearsal::{HOUR, Rehearsal};
use crate::snapshot::Snapshot;
use crate::stale::tests::laws::any_generation;

const ENOBUFS: Error = Error::TryAgain { what: "dump", errno: 105 };

#[derive(Clone, Debug)]
enum Event {
    Commit(Generation),
    /// Any part of it is in the kernel from then on.
    FailedCommit(Generation),
    Flush,
    Packet(Packet),
    /// A packet that got its verdict and leaves its entry later.
    InFlight(Packet, Duration),
    Wait(Duration),
    Fault(Fault),
    FailedDelete,
}

#[derive(Clone, Copy, Debug)]
struct Packet {
    client: u16,
    destination: SocketAddr,
    protocol: Protocol,
    zone: Zone,
    choice: usize,
    replied: bool,
}

/// A node with traffic, and a note for every entry whether it ever contradicted committed rules.
struct World {
    node: Rehearsal,
    committed: Snapshot,
    /// What the kernel has: the committed rules, or none after a flush.
    flushed: bool,
    /// What failed commits since then may have put in place instead, here and there.
    attempted: Vec<Snapshot>,
    in_flight: VecDeque<(Instant, Entry)>,
    contradicted: BTreeMap<u32, bool>,
    next_id: u32,
}

impl World {
    fn new(filter: FilterSupport) -> World {
        let mut node = Rehearsal::new([]);
        node.agenda = Agenda::new(HOUR * 24);
        node.kernel.filter = filter;
        let generation = Generation::default();
        node.agenda.committed(node.now, Family::V4, &generation, Cause::FirstSync);
        World {
            node,
            committed: Snapshot::new(Family::V4, &generation),
            flushed: false,
            attempted: Vec::new(),
            in_flight: VecDeque::new(),
            contradicted: BTreeMap::new(),
            next_id: 0,
        }
    }

    fn happen(&mut self, event: Event) {
        match event {
            Event::Commit(generation) => self.commit(&generation),
            Event::FailedCommit(generation) => self.fail(&generation),
            Event::Flush => self.flushed = true,
            Event::Packet(packet) => {
                let entry = self.entry_of(packet);
                entry.into_iter().for_each(|entry| self.insert(entry));
            }
            Event::InFlight(packet, delay) => {
                let at = self.node.now + delay;
                let entry = self.entry_of(packet);
                self.in_flight.extend(entry.map(|entry| (at, entry)));
            }
            Event::Wait(time) => self.wait(time),
            Event::Fault(fault) => self.node.kernel.faults.push_back(fault),
            Event::FailedDelete => self.node.kernel.delete_errors.push_back(ENOBUFS),
        }
    }

    fn commit(&mut self, generation: &Generation) {
        let cause = match (self.flushed, self.attempted.is_empty()) {
            (true, _) => Cause::AfterFlush,
            (false, false) => Cause::AfterFailure,
            (false, true) => Cause::Incremental,
        };
        self.flushed = false;
        self.attempted.clear();
        self.node.agenda.committed(self.node.now, Family::V4, generation, cause);
        self.committed = Snapshot::new(Family::V4, generation);
        self.note();
    }

    fn fail(&mut self, generation: &Generation) {
        self.node.agenda.failed(Family::V4, generation);
        self.attempted.push(Snapshot::new(Family::V4, generation));
    }

    /// The rules that a packet may meet: after failures, those of any attempt.
    fn rules_for(&self, packet: Packet) -> &Snapshot {
        let among = packet.choice % (self.attempted.len() + 1);
        self.attempted.get(among).unwrap_or(&self.committed)
    }

    /// What the rules make of the first packet of a flow: nothing if they refuse it.
    fn entry_of(&mut self, packet: Packet) -> Option<Entry> {
        let front_end = self.rules_for(packet).front_end(packet.destination).filter(|_| !self.flushed);
        let ours = packet.protocol == Protocol::UDP && packet.zone == Zone::Default;
        let backend = match front_end.filter(|_| ours) {
            Some((_, claims)) if claims.delivery() == Delivery::Refusing => return None,
            Some((_, claims)) => {
                let backends: Vec<_> = claims.backends().collect();
                backends[packet.choice % backends.len()]
            }
            None => packet.destination,
        };
        self.next_id += 1;
        let client = SocketAddr::from(([10, 9, 9, 9], packet.client));
        Some(Entry::Complete(Flow {
            orig: Tuple::new(packet.protocol, client, packet.destination).unwrap(),
            reply: Tuple::new(packet.protocol, backend, client).unwrap(),
            status: if packet.replied { Status::SEEN_REPLY } else { Status::default() },
            id: self.next_id,
            zone: packet.zone,
        }))
    }

    fn insert(&mut self, entry: Entry) {
        let orig = |entry: &Entry| entry.flow().map(|flow| (flow.orig, flow.zone));
        if !self.node.kernel.entries.iter().any(|other| orig(other) == orig(&entry)) {
            self.node.kernel.entries.push(entry);
            self.contradicted.insert(entry.flow().unwrap().id, false);
            self.note();
        }
    }

    fn wait(&mut self, time: Duration) {
        let until = self.node.now + time;
        self.in_flight.make_contiguous().sort_by_key(|(at, _)| *at);
        while let Some((at, entry)) = self.in_flight.pop_front() {
            if at > until {
                self.in_flight.push_front((at, entry));
                break;
            }
            self.node.wait(at.saturating_duration_since(self.node.now));
            self.insert(entry);
        }
        self.node.wait(until.saturating_duration_since(self.node.now));
    }

    fn note(&mut self) {
        for flow in self.node.kernel.entries.iter().filter_map(Entry::flow) {
            if contradicts(flow, &self.committed) {
                self.contradicted.insert(flow.id, true);
            }
        }
    }

    fn quiesce(&mut self, last: &Generation) {
        self.commit(last);
        self.wait(Duration::from_secs(1200));
    }

    fn check(&self) -> Result<(), TestCaseError> {
        let mut left = BTreeMap::new();
        for flow in self.node.kernel.entries.iter().filter_map(Entry::flow) {
            prop_assert!(!contradicts(flow, &self.committed), "left: {flow}\n{:#?}", self.committed);
            left.insert(flow.id, ());
        }
        for (id, contradicted) in &self.contradicted {
            prop_assert!(*contradicted || left.contains_key(id), "entry {id} was right and is gone");
        }
        prop_assert_eq!(self.node.reports.last().map_or(0, |(_, report)| report.pending), 0);
        Ok(())
    }
}

/// Said without the decision table: does this entry lead elsewhere than the rules would?
fn contradicts(flow: &Flow, rules: &Snapshot) -> bool {
    let (client_sees, really) = (flow.orig.destination(), flow.reply.source());
    if flow.orig.protocol() != Protocol::UDP || (flow.zone != Zone::Default && client_sees == really) {
        return false;
    }
    match rules.front_end(client_sees) {
        Some((_, claims)) if claims.backends().any(|backend| backend == really) => false,
        Some((_, claims)) => client_sees != really || claims.has_backends() || !flow.is_replied(),
        // Nobody else translates in this world.
        None => client_sees != really,
    }
}

fn any_packet() -> impl Strategy<Value = Packet> {
    let protocol = prop_oneof![8 => Just(Protocol::UDP), 1 => Just(Protocol::TCP)];
    let zone = prop_oneof![8 => Just(Zone::Default), 1 => Just(Zone::Both(NonZeroU16::MIN))];
    let destination = (1u8..5, 1u16..4).prop_map(|(last, port)| SocketAddr::from(([10, 0, 0, last], port)));
    (1u16..4, destination, protocol, zone, any::<usize>(), any::<bool>()).prop_map(
        |(client, destination, protocol, zone, choice, replied)| Packet {
            client,
            destination,
            protocol,
            zone,
            choice,
            replied,
        },
    )
}

fn any_event() -> impl Strategy<Value = Event> {
    let fault = prop_oneof![
        Just(Fault::Fail(ENOBUFS)),
        Just(Fault::Interrupt),
        (2usize..4).prop_map(|missing_each| Fault::Resize { missing_each }),
    ];
    prop_oneof![
        6 => any_generation().prop_map(Event::Commit),
        2 => any_generation().prop_map(Event::FailedCommit),
        1 => Just(Event::Flush),
        10 => any_packet().prop_map(Event::Packet),
        2 => (any_packet(), 0u64..1500).prop_map(|(p, ms)| Event::InFlight(p, Duration::from_millis(ms))),
        6 => (0u64..4000).prop_map(|ms| Event::Wait(Duration::from_millis(ms))),
        2 => fault.prop_map(Event::Fault),
        1 => Just(Event::FailedDelete),
    ]
}

fn any_filter_support() -> impl Strategy<Value = FilterSupport> {
    prop_oneof![Just(FilterSupport::Works), Just(FilterSupport::Ignored), Just(FilterSupport::Refused)]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(10_000))]

    #[test]
    fn after_quiescence_all_that_is_left_is_right_and_all_that_was_right_is_left(
        filter in any_filter_support(),
        events in prop::collection::vec(any_event(), 1..25),
        last in any_generation(),
    ) {
        let mut world = World::new(filter);
        events.into_iter().for_each(|event| world.happen(event));
        world.quiesce(&last);
        world.check()?;
    }
}
