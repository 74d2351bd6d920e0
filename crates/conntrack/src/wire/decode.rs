//! Turns replies into values, without copying and whatever the bytes are.
//!
//! Reads only what is needed to judge and to delete an entry; knows nothing of requests.

use std::net::{IpAddr, SocketAddr};
use std::num::NonZeroU16;

use netlink_packet_core::{
    NLA_HEADER_SIZE, NLM_F_DUMP_INTR, NLMSG_DONE, NLMSG_ERROR, NLMSG_OVERRUN, NetlinkBuffer, NlaBuffer,
    NlasIterator, parse_ip,
};

use super::number::{
    AF_INET, AF_INET6, CTA_ID, CTA_STATUS, CTA_TUPLE_IP, CTA_TUPLE_ORIG, CTA_TUPLE_PROTO, CTA_TUPLE_REPLY,
    CTA_TUPLE_ZONE, CTA_ZONE,
};
use crate::flow::{Entry, Family, Flow, Protocol, Status, Tuple, Zone};

const NEW_ENTRY: u16 = 0x100;
const STATISTICS: u16 = 0x105;
const CTA_STATS_GLOBAL_ENTRIES: u16 = 1;
/// Family, version, resource id.
const NETFILTER_HEADER_LEN: usize = 4;

/// One message of the kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Message {
    /// Of the request that it answers.
    pub sequence: u32,
    /// Whether the kernel says that the table changed under the dump.
    pub interrupted: bool,
    /// What it says.
    pub reply: Reply,
}

/// What a message says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reply {
    /// An entry of a dump.
    Entry(Entry),
    /// How many entries there are.
    Count(u32),
    /// The end of a dump: 0, or an errno.
    Done(i32),
    /// The result of a request: 0, or an errno.
    Result(i32),
    /// Messages were lost.
    Overrun,
    /// Something else.
    Other,
}

/// Bytes that are no netlink message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a netlink message")]
pub struct Malformed;

/// The messages in what one read returned. Never panics, whatever the bytes; ends after the first malformed one.
pub fn messages(bytes: &[u8]) -> impl Iterator<Item = Result<Message, Malformed>> {
    let mut rest = bytes;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let Ok(buffer) = NetlinkBuffer::new_checked(rest) else {
            rest = &[];
            return Some(Err(Malformed));
        };
        let length = (buffer.length() as usize).next_multiple_of(4);
        rest = rest.get(length..).unwrap_or_default();
        Some(Ok(message(&buffer)))
    })
}

fn message(buffer: &NetlinkBuffer<&[u8]>) -> Message {
    let payload = buffer.payload();
    let reply = match buffer.message_type() {
        NEW_ENTRY => Reply::Entry(entry(payload)),
        STATISTICS => statistics(payload).map_or(Reply::Other, Reply::Count),
        NLMSG_DONE => Reply::Done(errno(payload)),
        NLMSG_ERROR => Reply::Result(errno(payload)),
        NLMSG_OVERRUN => Reply::Overrun,
        _ => Reply::Other,
    };
    let interrupted = buffer.flags() & NLM_F_DUMP_INTR != 0;
    Message { sequence: buffer.sequence_number(), interrupted, reply }
}

/// The kernel writes a negative errno. An old one may end a dump without any.
fn errno(payload: &[u8]) -> i32 {
    payload.first_chunk().map_or(0, |code| i32::from_ne_bytes(*code).saturating_neg())
}

fn statistics(payload: &[u8]) -> Option<u32> {
    let attributes = payload.get(NETFILTER_HEADER_LEN..)?;
    let entries = attributes_of(attributes).find(|(kind, _)| *kind == CTA_STATS_GLOBAL_ENTRIES)?;
    Some(u32::from_be_bytes(entries.1.try_into().ok()?))
}

fn entry(payload: &[u8]) -> Entry {
    let family = match payload.first() {
        Some(&AF_INET) => Some(Family::V4),
        Some(&AF_INET6) => Some(Family::V6),
        _ => None,
    };
    let parts = Parts::read(payload.get(NETFILTER_HEADER_LEN..).unwrap_or_default());
    match parts.flow().filter(|flow| Some(flow.orig.family()) == family) {
        Some(flow) => Entry::Complete(flow),
        None => Entry::Partial { family, protocol: parts.orig.protocol.map(Protocol) },
    }
}

/// What was found of an entry.
#[derive(Default)]
struct Parts {
    orig: Half,
    reply: Half,
    status: Option<u32>,
    id: Option<u32>,
    zone: Option<u16>,
}

/// What was found of a tuple.
#[derive(Default)]
struct Half {
    source: Option<IpAddr>,
    destination: Option<IpAddr>,
    protocol: Option<u8>,
    source_port: Option<u16>,
    destination_port: Option<u16>,
    zone: Option<u16>,
}

impl Parts {
    fn read(attributes: &[u8]) -> Parts {
        let mut parts = Parts::default();
        for (kind, value) in attributes_of(attributes) {
            match kind {
                CTA_TUPLE_ORIG => parts.orig = Half::read(value),
                CTA_TUPLE_REPLY => parts.reply = Half::read(value),
                CTA_STATUS => parts.status = be_u32(value),
                CTA_ID => parts.id = be_u32(value),
                CTA_ZONE => parts.zone = be_u16(value),
                _ => {}
            }
        }
        parts
    }

    fn flow(&self) -> Option<Flow> {
        let (orig, reply) = (self.orig.tuple()?, self.reply.tuple()?);
        let same = orig.family() == reply.family() && orig.protocol() == reply.protocol();
        let flow = Flow { orig, reply, status: Status(self.status?), id: self.id?, zone: self.zone()? };
        same.then_some(flow)
    }

    /// The kernel gives one of the three at most.
    fn zone(&self) -> Option<Zone> {
        let id = |zone: Option<u16>| zone.and_then(NonZeroU16::new);
        match (id(self.zone), id(self.orig.zone), id(self.reply.zone)) {
            (None, None, None) => Some(Zone::Default),
            (Some(zone), None, None) => Some(Zone::Both(zone)),
            (None, Some(zone), None) => Some(Zone::Orig(zone)),
            (None, None, Some(zone)) => Some(Zone::Reply(zone)),
            _ => None,
        }
    }
}

impl Half {
    fn read(attributes: &[u8]) -> Half {
        let mut half = Half::default();
        for (kind, value) in attributes_of(attributes) {
            match kind {
                CTA_TUPLE_IP => half.read_addresses(value),
                CTA_TUPLE_PROTO => half.read_ports(value),
                CTA_TUPLE_ZONE => half.zone = be_u16(value),
                _ => {}
            }
        }
        half
    }

    fn read_addresses(&mut self, attributes: &[u8]) {
        for (kind, value) in attributes_of(attributes) {
            match (kind, value.len()) {
                (1, 4) | (3, 16) => self.source = parse_ip(value).ok(),
                (2, 4) | (4, 16) => self.destination = parse_ip(value).ok(),
                _ => {}
            }
        }
    }

    fn read_ports(&mut self, attributes: &[u8]) {
        for (kind, value) in attributes_of(attributes) {
            match kind {
                1 => self.protocol = value.first().copied(),
                2 => self.source_port = be_u16(value),
                3 => self.destination_port = be_u16(value),
                _ => {}
            }
        }
    }

    fn tuple(&self) -> Option<Tuple> {
        let source = SocketAddr::new(self.source?, self.source_port?);
        let destination = SocketAddr::new(self.destination?, self.destination_port?);
        Tuple::new(Protocol(self.protocol?), source, destination)
    }
}

/// Number and value of each attribute, up to the first malformed one.
fn attributes_of(bytes: &[u8]) -> impl Iterator<Item = (u16, &[u8])> {
    NlasIterator::new(bytes).map_while(Result::ok).map(|attribute| (attribute.kind(), value(attribute)))
}

fn value(attribute: NlaBuffer<&[u8]>) -> &[u8] {
    let end = usize::from(attribute.length());
    attribute.into_inner().get(NLA_HEADER_SIZE..end).unwrap_or_default()
}

fn be_u16(value: &[u8]) -> Option<u16> {
    Some(u16::from_be_bytes(value.try_into().ok()?))
}

fn be_u32(value: &[u8]) -> Option<u32> {
    Some(u32::from_be_bytes(value.try_into().ok()?))
}
