//! Turns a namespace's conntrack table into entries with their marks, and makes and marks entries.
//!
//! Does not know why an entry is there. Only a mark tells whether an entry survived: one that is made anew may have the
//! same tuple and even the same id.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use conntrack::flow::{Flow, Protocol, Tuple, Zone};
use conntrack::wire::decode::{self, Reply};
use netlink_packet_core::{DefaultNla, NLM_F_ACK, NLM_F_CREATE, NLM_F_DUMP, NLM_F_EXCL, NlasIterator};

use super::netlink::{self, Conversation, DONE, RESULT, Request, attribute, family_of, nested, octets};
use crate::netns::Netns;

const NEW: u16 = 0x100;
const GET: u16 = 0x101;

const TUPLE_ORIG: u16 = 1;
const TUPLE_REPLY: u16 = 2;
const STATUS: u16 = 3;
const PROTOCOL_STATE: u16 = 4;
const TIMEOUT: u16 = 7;
const MARK: u16 = 8;
const NAT_DESTINATION: u16 = 13;
const ZONE: u16 = 18;

const CONFIRMED: u32 = 1 << 3;
const SEEN_REPLY_AND_ASSURED: u32 = 1 << 1 | 1 << 2;
const TCP_ESTABLISHED: u8 = 3;

/// Entries that are made stay for so many seconds, unless somebody deletes them.
const LIFE: u32 = 600;
/// Requests in one send.
const BATCH: usize = 128;
const PATIENCE: Duration = Duration::from_secs(10);

/// An entry with a mark; 0 is none.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct Entry {
    /// What the entry is about.
    pub flow: Flow,
    /// The mark.
    pub mark: u32,
}

impl Entry {
    /// The client's own address.
    pub fn client(&self) -> SocketAddr {
        self.flow.orig.source()
    }

    /// The address that the client sends to.
    pub fn front_end(&self) -> SocketAddr {
        self.flow.orig.destination()
    }
}

/// All complete entries of the namespace, of both families.
///
/// # Errors
/// If they cannot be read.
pub fn entries(netns: &Netns) -> Result<Vec<Entry>> {
    let conversation = Conversation::open(netns)?;
    let get = Request { kind: GET, flags: NLM_F_DUMP, sequence: 1, family: 0, resource: 0 };
    conversation.send(&get.bytes(&[]))?;
    let mut entries = Vec::new();
    loop {
        let bytes = conversation.receive(PATIENCE)?.context("the kernel does not answer")?;
        for message in netlink::messages(&bytes) {
            match message.kind {
                DONE => return Ok(entries),
                RESULT => bail!("the kernel refused to list the conntrack table"),
                _ => entries.extend(entry(message)),
            }
        }
    }
}

fn entry(message: netlink::Message) -> Option<Entry> {
    let Reply::Entry(entry) = decode::messages(message.bytes).next()?.ok()?.reply else { return None };
    let mark = NlasIterator::new(message.attributes()).flatten().find(|attribute| attribute.kind() == MARK);
    let mark = mark.and_then(|mark| Some(u32::from_be_bytes(mark.value().try_into().ok()?)));
    Some(Entry { flow: *entry.flow()?, mark: mark.unwrap_or_default() })
}

/// Sets the marks of entries that exist.
///
/// # Errors
/// If one of them is gone.
pub fn mark(netns: &Netns, entries: &[Entry]) -> Result<()> {
    let requests = entries.iter().map(|entry| {
        let Flow { orig, zone, .. } = entry.flow;
        let mut attributes = vec![tuple(TUPLE_ORIG, orig), attribute(MARK, &entry.mark.to_be_bytes())];
        if let Zone::Both(zone) = zone {
            attributes.push(attribute(ZONE, &zone.get().to_be_bytes()));
        }
        (orig, 0, attributes)
    });
    send(netns, requests).context("mark conntrack entries")
}

/// An entry to be made.
#[derive(Clone, Copy, Debug)]
pub struct New {
    client: SocketAddr,
    front_end: SocketAddr,
    backend: Option<SocketAddr>,
    protocol: Protocol,
    status: u32,
    mark: u32,
    zone: u16,
}

impl New {
    /// A UDP entry that is not translated and has seen no reply, with a mark.
    pub fn udp(client: SocketAddr, front_end: SocketAddr, mark: u32) -> New {
        New { client, front_end, backend: None, protocol: Protocol::UDP, status: CONFIRMED, mark, zone: 0 }
    }

    /// The same, translated to a backend.
    #[must_use]
    pub fn to(self, backend: SocketAddr) -> New {
        New { backend: Some(backend), ..self }
    }

    /// The same, with replies seen.
    #[must_use]
    pub fn replied(self) -> New {
        New { status: self.status | SEEN_REPLY_AND_ASSURED, ..self }
    }

    /// The same of another protocol.
    #[must_use]
    pub fn of(self, protocol: Protocol) -> New {
        New { protocol, ..self }
    }

    /// The same in a zone.
    #[must_use]
    pub fn in_zone(self, zone: u16) -> New {
        New { zone, ..self }
    }

    fn orig(&self) -> Tuple {
        Tuple::new(self.protocol, self.client, self.front_end).expect("entries have one family")
    }

    fn attributes(&self) -> Vec<DefaultNla> {
        let reply = Tuple::new(self.protocol, self.front_end, self.client).expect("entries have one family");
        let mut attributes = vec![
            tuple(TUPLE_ORIG, self.orig()),
            tuple(TUPLE_REPLY, reply),
            attribute(STATUS, &self.status.to_be_bytes()),
            attribute(TIMEOUT, &LIFE.to_be_bytes()),
            attribute(MARK, &self.mark.to_be_bytes()),
        ];
        attributes.extend(self.backend.map(destination));
        if self.zone != 0 {
            attributes.push(attribute(ZONE, &self.zone.to_be_bytes()));
        }
        if self.protocol == Protocol::TCP {
            let state = nested(1, &[attribute(1, &[TCP_ESTABLISHED])]);
            attributes.push(nested(PROTOCOL_STATE, &[state]));
        }
        attributes
    }
}

/// Makes entries that do not exist yet.
///
/// # Errors
/// If one of them exists.
pub fn make(netns: &Netns, entries: impl IntoIterator<Item = New>) -> Result<()> {
    let requests = entries.into_iter().map(|new| (new.orig(), NLM_F_CREATE | NLM_F_EXCL, new.attributes()));
    send(netns, requests).context("make conntrack entries")
}

/// Sends in batches, of which only the last request asks for an answer.
fn send(netns: &Netns, requests: impl Iterator<Item = (Tuple, u16, Vec<DefaultNla>)>) -> Result<()> {
    let conversation = Conversation::open(netns)?;
    let mut requests = requests.peekable();
    let mut sequence = 0;
    while requests.peek().is_some() {
        let mut bytes = Vec::new();
        for index in 1..=BATCH {
            let Some((orig, flags, attributes)) = requests.next() else { break };
            sequence += 1;
            let last = index == BATCH || requests.peek().is_none();
            let flags = if last { flags | NLM_F_ACK } else { flags };
            let family = family_of(orig.source().ip());
            bytes.extend(Request { kind: NEW, flags, sequence, family, resource: 0 }.bytes(&attributes));
        }
        conversation.send(&bytes)?;
        conversation.acknowledged(sequence)?;
    }
    Ok(())
}

fn tuple(kind: u16, tuple: Tuple) -> DefaultNla {
    let (source, destination) = (tuple.source(), tuple.destination());
    let first = if source.is_ipv4() { 1 } else { 3 };
    let addresses = [attribute(first, &octets(source.ip())), attribute(first + 1, &octets(destination.ip()))];
    let ports = [
        attribute(1, &[tuple.protocol().0]),
        attribute(2, &source.port().to_be_bytes()),
        attribute(3, &destination.port().to_be_bytes()),
    ];
    nested(kind, &[nested(1, &addresses), nested(2, &ports)])
}

fn destination(backend: SocketAddr) -> DefaultNla {
    let first = if backend.is_ipv4() { 1 } else { 4 };
    let (address, port) = (octets(backend.ip()), backend.port().to_be_bytes());
    let ports = nested(3, &[attribute(1, &port), attribute(2, &port)]);
    nested(NAT_DESTINATION, &[attribute(first, &address), attribute(first + 1, &address), ports])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_made_is_there_with_its_mark_and_can_be_marked_again() {
        let netns = Netns::new("table").unwrap();
        let [client, vip, backend] =
            ["10.0.0.1:40001", "10.96.0.10:53", "10.1.0.7:5353"].map(|text| text.parse().unwrap());
        let [client6, vip6] = ["[fd00::1]:40001", "[fd00:96::1]:53"].map(|text| text.parse().unwrap());
        let new = [
            New::udp(client, vip, 7).to(backend),
            New::udp(client, vip, 8).to(backend).replied().in_zone(5),
            New::udp(client, vip, 9).of(Protocol::TCP),
            New::udp(client, vip, 10).of(Protocol::SCTP),
            New::udp(client6, vip6, 11),
        ];
        make(&netns, new).unwrap();
        let mut found = entries(&netns).unwrap();
        found.sort_by_key(|entry| entry.mark);
        assert_eq!(found.iter().map(|entry| entry.mark).collect::<Vec<_>>(), [7, 8, 9, 10, 11]);
        assert_eq!(found[0].flow.backend(), backend);
        assert!(found[1].flow.is_replied() && found[1].flow.zone != Zone::Default);
        mark(&netns, &[Entry { mark: 70, ..found[1] }, Entry { mark: 71, ..found[4] }]).unwrap();
        let mut marks: Vec<u32> = entries(&netns).unwrap().iter().map(|entry| entry.mark).collect();
        marks.sort();
        assert_eq!(marks, [7, 9, 10, 70, 71]);
        assert!(make(&netns, new).is_err());
    }
}
