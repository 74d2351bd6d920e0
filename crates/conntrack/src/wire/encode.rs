//! Turns requests into bytes.
//!
//! The only delete there is takes a whole flow: without a tuple the kernel would empty the table.

use netlink_packet_core::{
    DefaultNla, Emitable, NLA_F_NESTED, NLM_F_ACK, NLM_F_DUMP, NLM_F_REQUEST, NetlinkHeader, NetlinkMessage,
    NetlinkPayload,
};
use netlink_packet_netfilter::conntrack::{self, ConntrackAttribute, ConntrackMessage, IPTuple, ProtoTuple};
use netlink_packet_netfilter::{NetfilterHeader, NetfilterMessage, NetfilterProtoFamily};

use super::number::{CTA_FILTER, CTA_ID, CTA_TUPLE_ORIG, CTA_TUPLE_ZONE, CTA_ZONE};
use crate::flow::{Family, Flow, Protocol, Zone};
use crate::kernel::Scope;

const GET: u8 = 1;
const GET_STATISTICS: u8 = 5;
const CTA_FILTER_ORIG_FLAGS: u16 = 1;
const CTA_FILTER_REPLY_FLAGS: u16 = 2;
/// Compare the protocol. Of the other bits some are ignored and some inverted by kernels: never set one.
const FILTER_PROTOCOL: u32 = 1 << 3;

/// Whether the kernel shall answer a request that succeeds; those that fail are always answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Acknowledge {
    /// Silence means success.
    No,
    /// An answer in any case.
    Yes,
}

/// Asks for the number of entries.
pub fn count(sequence: u32) -> Vec<u8> {
    let statistics = ConntrackMessage::Other { message_type: GET_STATISTICS, attributes: Vec::new() };
    message(NetfilterHeader::new(NetfilterProtoFamily::Unspec, 0, 0), NLM_F_REQUEST, sequence, statistics)
}

/// Asks for entries.
pub fn dump(scope: Scope, sequence: u32) -> Vec<u8> {
    let (family, attributes) = match scope {
        Scope::Udp(family) => (proto_family(family), udp_filter()),
        Scope::Everything => (NetfilterProtoFamily::Unspec, Vec::new()),
    };
    // A typed message would lose the nested flag of an attribute that it does not know, and the kernel insists on it.
    let get = ConntrackMessage::Other { message_type: GET, attributes };
    message(NetfilterHeader::new(family, 0, 0), NLM_F_REQUEST | NLM_F_DUMP, sequence, get)
}

/// Adds a request to delete exactly this flow.
pub fn delete(flow: &Flow, sequence: u32, acknowledge: Acknowledge, requests: &mut Vec<u8>) {
    let mut tuple = tuple(flow);
    let mut attributes = Vec::with_capacity(3);
    match flow.zone {
        // A zone of the reply direction does not count where the orig tuple is looked up.
        Zone::Default | Zone::Reply(_) => {}
        Zone::Both(zone) => attributes.push(other(CTA_ZONE, &zone.get().to_be_bytes())),
        Zone::Orig(zone) => {
            let zone = DefaultNla::new(CTA_TUPLE_ZONE, zone.get().to_be_bytes().to_vec());
            tuple.push(conntrack::Tuple::Other(zone));
        }
    }
    attributes.push(ConntrackAttribute::CtaTupleOrig(tuple));
    attributes.push(other(CTA_ID, &flow.id.to_be_bytes()));
    // Some 5.1 and 5.2 kernels look at the family of the tuple only if the version is not 0.
    let header = NetfilterHeader::new(proto_family(flow.orig.family()), 1, 0);
    let flags = match acknowledge {
        Acknowledge::No => NLM_F_REQUEST,
        Acknowledge::Yes => NLM_F_REQUEST | NLM_F_ACK,
    };
    requests.extend(message(header, flags, sequence, ConntrackMessage::Delete(attributes)));
}

fn tuple(flow: &Flow) -> Vec<conntrack::Tuple> {
    let (source, destination) = (flow.orig.source(), flow.orig.destination());
    let addresses = vec![IPTuple::SourceAddress(source.ip()), IPTuple::DestinationAddress(destination.ip())];
    let ports = vec![
        ProtoTuple::Protocol(flow.orig.protocol().0.into()),
        ProtoTuple::SourcePort(source.port()),
        ProtoTuple::DestinationPort(destination.port()),
    ];
    vec![conntrack::Tuple::Ip(addresses), conntrack::Tuple::Proto(ports)]
}

/// A tuple with the value to compare, and which of its fields to compare.
fn udp_filter() -> Vec<DefaultNla> {
    let udp = conntrack::Tuple::Proto(vec![ProtoTuple::Protocol(Protocol::UDP.0.into())]);
    // The flag words are the only numbers in host byte order.
    let orig = DefaultNla::new(CTA_FILTER_ORIG_FLAGS, FILTER_PROTOCOL.to_ne_bytes().to_vec());
    let reply = DefaultNla::new(CTA_FILTER_REPLY_FLAGS, 0u32.to_ne_bytes().to_vec());
    vec![nested(CTA_TUPLE_ORIG, &[udp]), nested(CTA_FILTER, &[orig, reply])]
}

fn nested<T: netlink_packet_core::Nla>(kind: u16, attributes: &[T]) -> DefaultNla {
    let mut value = vec![0; attributes.buffer_len()];
    attributes.emit(&mut value);
    DefaultNla::new(kind | NLA_F_NESTED, value)
}

fn other(kind: u16, value: &[u8]) -> ConntrackAttribute {
    ConntrackAttribute::Other(DefaultNla::new(kind, value.to_vec()))
}

fn proto_family(family: Family) -> NetfilterProtoFamily {
    match family {
        Family::V4 => NetfilterProtoFamily::IPv4,
        Family::V6 => NetfilterProtoFamily::IPv6,
    }
}

fn message(header: NetfilterHeader, flags: u16, sequence: u32, message: ConntrackMessage) -> Vec<u8> {
    let mut netlink = NetlinkHeader::default();
    netlink.flags = flags;
    netlink.sequence_number = sequence;
    let payload = NetlinkPayload::from(NetfilterMessage::new(header, message));
    let mut message = NetlinkMessage::new(netlink, payload);
    message.finalize();
    let mut bytes = vec![0; message.buffer_len()];
    message.serialize(&mut bytes);
    bytes
}
