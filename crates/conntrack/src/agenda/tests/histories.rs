//! Random histories of commits, traffic and failures: in the end nothing contradicts the rules, and nothing that
//! never did was deleted.

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use proptest::prelude::*;

use crate::agenda::Agenda;
use crate::fake::{Fault, FilterSupport};
use crate::flow::{Entry, Family, Flow, Protocol, Status, Tuple, Zone};
use crate::generation::{Cause, Delivery, Generation};
use crate::kernel::{Error, Outcome};
use crate::rehearsal::{HOUR, Rehearsal};
use crate::snapshot::Snapshot;
use crate::stale::tests::laws::{address, any_address, any_family, any_generation, any_zone};

const ENOBUFS: Error = Error::TryAgain { what: "dump", errno: 105 };

#[derive(Clone, Debug)]
enum Event {
    /// Rules begin to be written; without any, such as make no difference here. The next commit ends it.
    Write(Family, Option<Generation>),
    Commit(Family, Generation),
    /// Any part of it is in the kernel from then on.
    FailedCommit(Family, Generation),
    Flush(Family),
    Packet(Packet),
    /// A packet that got its verdict and leaves its entry later.
    InFlight(Packet, Duration),
    Wait(Duration),
    Fault(Fault),
    FailedDelete,
    /// Entries can be deleted or not from here on.
    Deletes(Option<Outcome>),
}

#[derive(Clone, Copy, Debug)]
struct Packet {
    client: u16,
    destination: SocketAddr,
    protocol: Protocol,
    zone: Zone,
    /// Whether a switch makes a copy in its zone before any rule is met.
    is_copy: bool,
    choice: usize,
    replied: bool,
}

/// What the kernel has of one family.
struct Rules {
    committed: Generation,
    flushed: bool,
    /// What is being written: it may be in place, or not yet.
    written: Option<Option<Generation>>,
    /// What failed commits since the last good one may have put in place instead, here and there.
    attempted: Vec<Generation>,
}

impl Rules {
    /// All that a packet may meet, if nobody has flushed it.
    fn candidates(&self, family: Family) -> Vec<Snapshot> {
        let written = self.written.iter().flatten();
        let all = [&self.committed].into_iter().chain(&self.attempted).chain(written);
        all.map(|generation| Snapshot::new(family, generation)).collect()
    }
}

/// A node with traffic, and a note for every entry whether it ever contradicted all rules that it may have met.
struct World {
    node: Rehearsal,
    rules: BTreeMap<Family, Rules>,
    in_flight: VecDeque<(Instant, Entry)>,
    contradicted: BTreeMap<u32, bool>,
    next_id: u32,
}

impl World {
    fn new(filter: FilterSupport) -> World {
        let mut node = Rehearsal::new([]);
        node.agenda = Agenda::new(HOUR * 24);
        node.kernel.filter = filter;
        let mut rules = BTreeMap::new();
        for family in [Family::V4, Family::V6] {
            let committed = Generation::default();
            node.agenda.committed(node.now, family, &committed, Cause::FirstSync);
            rules.insert(family, Rules { committed, flushed: false, written: None, attempted: Vec::new() });
        }
        World { node, rules, in_flight: VecDeque::new(), contradicted: BTreeMap::new(), next_id: 0 }
    }

    fn happen(&mut self, event: Event) {
        match event {
            Event::Write(family, generation) => self.write(family, generation),
            Event::Commit(family, generation) => self.commit(family, generation),
            Event::FailedCommit(family, generation) => self.fail(family, generation),
            Event::Flush(family) => self.rules_of(family).flushed = true,
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
            Event::Deletes(answer) => self.node.kernel.delete_answer = answer,
            Event::FailedDelete => self.node.kernel.delete_errors.push_back(ENOBUFS),
        }
    }

    fn rules_of(&mut self, family: Family) -> &mut Rules {
        self.rules.get_mut(&family).unwrap()
    }

    /// Only one at a time.
    fn write(&mut self, family: Family, generation: Option<Generation>) {
        let rules = self.rules_of(family);
        if rules.written.is_none() {
            rules.written = Some(generation);
            self.node.agenda.writing(family);
        }
    }

    /// What is being written comes first.
    fn commit(&mut self, family: Family, generation: Generation) {
        let rules = self.rules_of(family);
        let cause = match (rules.flushed, rules.attempted.is_empty()) {
            (true, _) => Cause::AfterFlush,
            (false, false) => Cause::AfterFailure,
            (false, true) => Cause::Incremental,
        };
        let written = rules.written.take();
        if written == Some(None) && cause == Cause::Incremental {
            return self.node.agenda.unchanged(family);
        }
        rules.committed = written.flatten().unwrap_or(generation);
        (rules.flushed, rules.attempted) = (false, Vec::new());
        let rules = &self.rules[&family];
        self.node.agenda.committed(self.node.now, family, &rules.committed, cause);
        self.note();
    }

    fn fail(&mut self, family: Family, generation: Generation) {
        let rules = self.rules_of(family);
        let attempted = rules.written.take().map_or(generation, |it| it.unwrap_or(rules.committed.clone()));
        rules.attempted.push(attempted.clone());
        self.node.agenda.failed(family, &attempted);
    }

    /// What the rules make of the first packet of a flow: nothing if they refuse it.
    fn entry_of(&mut self, packet: Packet) -> Option<Entry> {
        let family = Family::of(packet.destination.ip());
        let rules = &self.rules[&family];
        let candidates = rules.candidates(family);
        let met = &candidates[packet.choice % candidates.len()];
        let front_end = met.front_end(packet.destination).filter(|_| !rules.flushed);
        let is_copy = packet.is_copy && packet.zone != Zone::Default;
        let ours = packet.protocol == Protocol::UDP && !is_copy;
        let backend = match front_end.filter(|_| ours) {
            Some((_, claims)) if claims.delivery() == Delivery::Refusing => return None,
            Some((_, claims)) => {
                let backends: Vec<_> = claims.backends().filter(|it| Family::of(it.ip()) == family).collect();
                *backends.get(packet.choice % backends.len().max(1))?
            }
            None => packet.destination,
        };
        self.next_id += 1;
        let client = address(family, 99, packet.client);
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

    /// Which entries contradict all rules that the kernel may have.
    fn note(&mut self) {
        for (family, rules) in &self.rules {
            let candidates = rules.candidates(*family);
            let flows = self.node.kernel.entries.iter().filter_map(Entry::flow);
            for flow in flows.filter(|flow| flow.orig.family() == *family) {
                if candidates.iter().all(|rules| contradicts(flow, rules)) {
                    self.contradicted.insert(flow.id, true);
                }
            }
        }
    }

    fn quiesce(&mut self, last: &Generation) {
        self.node.kernel.delete_answer = None;
        for family in [Family::V4, Family::V6] {
            self.commit(family, last.clone());
            self.commit(family, last.clone());
        }
        self.wait(Duration::from_secs(1200));
    }

    fn check(&self) -> Result<(), TestCaseError> {
        let mut left = BTreeMap::new();
        for flow in self.node.kernel.entries.iter().filter_map(Entry::flow) {
            let family = flow.orig.family();
            let rules = Snapshot::new(family, &self.rules[&family].committed);
            prop_assert!(!contradicts(flow, &rules), "left: {flow}\n{rules:#?}");
            left.insert(flow.id, ());
        }
        for (id, contradicted) in &self.contradicted {
            prop_assert!(*contradicted || left.contains_key(id), "entry {id} was right and is gone");
        }
        let pending = [Family::V4, Family::V6].map(|family| self.node.agenda.pending(family));
        prop_assert_eq!(pending, [0, 0]);
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
    let flags = (any::<bool>(), any::<bool>());
    (1u16..4, any_address(), protocol, any_zone(), any::<usize>(), flags).prop_map(
        |(client, destination, protocol, zone, choice, (is_copy, replied))| Packet {
            client,
            destination,
            protocol,
            zone,
            is_copy,
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
        3 => (any_family(), prop::option::weighted(0.8, any_generation()))
            .prop_map(|(family, generation)| Event::Write(family, generation)),
        6 => (any_family(), any_generation()).prop_map(|(family, it)| Event::Commit(family, it)),
        2 => (any_family(), any_generation()).prop_map(|(family, it)| Event::FailedCommit(family, it)),
        1 => any_family().prop_map(Event::Flush),
        10 => any_packet().prop_map(Event::Packet),
        2 => (any_packet(), 0u64..1500).prop_map(|(p, ms)| Event::InFlight(p, Duration::from_millis(ms))),
        6 => (0u64..4000).prop_map(|ms| Event::Wait(Duration::from_millis(ms))),
        2 => fault.prop_map(Event::Fault),
        1 => Just(Event::FailedDelete),
        1 => Just(Event::Deletes(Some(Outcome::Busy))),
        1 => Just(Event::Deletes(None)),
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
        events in prop::collection::vec(any_event(), 1..40),
        last in any_generation(),
    ) {
        let mut world = World::new(filter);
        events.into_iter().for_each(|event| world.happen(event));
        world.quiesce(&last);
        world.check()?;
    }
}
