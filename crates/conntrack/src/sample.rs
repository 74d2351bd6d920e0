//! Entries and generations written as short text, for tests.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::num::NonZeroU16;
use std::sync::Arc;

use crate::dirty::{Dirty, Look};
use crate::flow::{Entry, Family, Flow, Protocol, Status, Tuple, Zone};
use crate::generation::{Delivery, FrontEnd, Generation, ServicePort};
use crate::snapshot::Snapshot;

/// `client > destination > backend`, then `replied` and `zone N`. The last may be left out: untranslated.
pub(crate) fn flow(text: &str) -> Flow {
    let mut words = text.split_whitespace();
    let hops: Vec<SocketAddr> = words.next().unwrap().split('>').map(|hop| hop.parse().unwrap()).collect();
    let (client, destination, backend) = (hops[0], hops[1], *hops.last().unwrap());
    let mut flow = untranslated(client, destination);
    if backend != destination {
        flow.reply = Tuple::new(Protocol::UDP, backend, client).unwrap();
        flow.status = flow.status.with(Status::DST_NAT);
    }
    while let Some(word) = words.next() {
        match word {
            "replied" => flow.status = flow.status.with(Status::SEEN_REPLY),
            "zone" => flow.zone = Zone::Both(words.next().unwrap().parse().unwrap()),
            other => panic!("what is {other}?"),
        }
    }
    flow
}

fn untranslated(client: SocketAddr, destination: SocketAddr) -> Flow {
    Flow {
        orig: Tuple::new(Protocol::UDP, client, destination).unwrap(),
        reply: Tuple::new(Protocol::UDP, destination, client).unwrap(),
        status: Status::CONFIRMED,
        id: u32::from(client.port()) << 16 | u32::from(destination.port()),
        zone: Zone::Default,
    }
}

pub(crate) fn entry(text: &str) -> Entry {
    Entry::Complete(flow(text))
}

/// The same entry with another protocol.
pub(crate) fn with_protocol(entry: &Entry, protocol: Protocol) -> Entry {
    let Some(mut flow) = entry.flow().copied() else { return *entry };
    for tuple in [&mut flow.orig, &mut flow.reply] {
        *tuple = Tuple::new(protocol, tuple.source(), tuple.destination()).unwrap();
    }
    Entry::Complete(flow)
}

/// Service ports separated by `;`, each `name address... nodeport = backend...`; a `!` after an address or node
/// port: its rules refuse although there are backends. `nodes address...` gives the node-port addresses.
pub(crate) fn generation(text: &str) -> Generation {
    let mut generation = Generation::default();
    for part in text.split(';').map(str::trim).filter(|part| !part.is_empty()) {
        let (left, right) = part.split_once('=').unwrap_or((part, ""));
        let mut words = left.split_whitespace();
        let name = words.next().unwrap();
        if name == "nodes" {
            generation.node_addresses = words.map(|word| word.parse().unwrap()).collect();
            continue;
        }
        let serving: BTreeSet<SocketAddr> =
            right.split_whitespace().map(|word| word.parse().unwrap()).collect();
        let port = service_port(words, serving);
        generation.service_ports.insert(name.into(), Arc::new(port));
    }
    generation
}

fn service_port<'a>(words: impl Iterator<Item = &'a str>, serving: BTreeSet<SocketAddr>) -> ServicePort {
    let mut port = ServicePort { serving, ..ServicePort::default() };
    for word in words {
        let refuses = port.serving.is_empty() || word.ends_with('!');
        let delivery = if refuses { Delivery::Refusing } else { Delivery::Delivering };
        let word = word.trim_end_matches('!');
        match word.parse::<NonZeroU16>() {
            Ok(node_port) => port.node_port = Some((node_port, delivery)),
            Err(_) => {
                port.exact.insert(word.parse().unwrap(), delivery);
            }
        }
    }
    port
}

pub(crate) fn snapshot(text: &str) -> Snapshot {
    Snapshot::new(Family::V4, &generation(text))
}

/// A look at these front ends: addresses, or port numbers for node ports.
pub(crate) fn look(text: &str) -> Look {
    let dirty = text.split_whitespace().map(front_end).collect();
    Look { dirty: Dirty::These(dirty), ..Look::default() }
}

pub(crate) fn front_end(word: &str) -> FrontEnd {
    match word.parse() {
        Ok(port) => FrontEnd::NodePort(port),
        Err(_) => FrontEnd::Exact(word.parse().unwrap()),
    }
}
