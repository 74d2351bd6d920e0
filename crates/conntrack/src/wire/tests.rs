//! Bytes as the kernel writes and reads them, by hand, recorded, and against the typed crate as second opinion.

use std::net::SocketAddr;
use std::num::NonZeroU16;

use netlink_packet_core::{Emitable, NetlinkMessage, NetlinkPayload};
use netlink_packet_netfilter::conntrack::{
    ConntrackAttribute, ConntrackMessage, IPTuple, ProtoTuple, Tuple as TypedTuple,
};
use netlink_packet_netfilter::{
    NetfilterHeader, NetfilterMessage, NetfilterMessageInner, NetfilterProtoFamily,
};
use proptest::prelude::*;

use super::decode::{Malformed, Message, Reply, messages};
use super::encode::{self, Acknowledge};
use crate::flow::{Entry, Family, Flow, Protocol, Status, Tuple, Zone};
use crate::kernel::Scope;
use crate::sample::flow;

/// Bytes out of hexadecimal text, white space ignored.
fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<u32> = text.chars().filter_map(|c| c.to_digit(16)).collect();
    digits.chunks(2).map(|pair| u8::try_from(pair[0] * 16 + pair[1]).unwrap()).collect()
}

/// An entry as Linux 6.18 dumped it: UDP, translated, replied, mark 7, zone 5.
const RECORDED: &str = "
    c8000000000122000100000000000000020000003400018014000180080001000a000001080002000a60000a1c00028005000100
    11000000060002009c41000006000300003500003400028014000180080001000a010007080002000a0000011c00028005000100
    110000000600020014e90000060003009c410000060012000005000008000300000001aa080008000000000708000c0040bee5f7
    08000b000000000108000700000002571c001880080001000000000008000200000000000800030000000000";

#[test]
fn a_recorded_entry() {
    let found: Vec<_> = messages(&hex(RECORDED)).collect();
    let expected =
        Flow { id: 0x40be_e5f7, ..flow("10.0.0.1:40001>10.96.0.10:53>10.1.0.7:5353 replied zone 5") };
    let Ok([Ok(Message { interrupted: false, reply: Reply::Entry(Entry::Complete(flow)), .. })]) =
        <[_; 1]>::try_from(found)
    else {
        panic!("one entry expected");
    };
    assert_eq!(Flow { status: expected.status, ..flow }, expected);
    assert!(flow.status.has(Status::SEEN_REPLY.with(Status::DST_NAT)) && flow.is_dnated());
}

#[test]
fn the_filter_keeps_its_nested_flag_and_compares_the_protocol_only() {
    let expected = "
        34000000 0101 0103 07000000 00000000  02 00 0000
        1000 0180  0c00 0280  0500 0100 11 000000
        1400 1980  0800 0100 08000000  0800 0200 00000000";
    let mut expected = hex(expected);
    expected[0] = u8::try_from(expected.len()).unwrap();
    assert_eq!(encode::dump(Scope::Udp(Family::V4), 7), expected);
    expected[16] = 10;
    assert_eq!(encode::dump(Scope::Udp(Family::V6), 7), expected);
}

#[test]
fn requests_without_attributes() {
    let everything = "14000000 0101 0103 08000000 00000000  00 00 0000";
    assert_eq!(encode::dump(Scope::Everything, 8), hex(everything));
    let count = "14000000 0501 0100 09000000 00000000  00 00 0000";
    assert_eq!(encode::count(9), hex(count));
}

#[test]
fn a_delete_has_the_whole_tuple_the_id_and_the_zone() {
    let flow = Flow { id: 0x0102_0304, ..flow("10.0.0.1:40001>10.96.0.10:53 zone 5") };
    let mut bytes = Vec::new();
    encode::delete(&flow, 7, Acknowledge::Yes, &mut bytes);
    let expected = "
        58000000 0201 0500 07000000 00000000  02 01 0000
        0600 1200 0005 0000
        3400 0180
          1400 0180  0800 0100 0a000001  0800 0200 0a60000a
          1c00 0280  0500 0100 11 000000  0600 0200 9c41 0000  0600 0300 0035 0000
        0800 0c00 01020304";
    assert_eq!(bytes, hex(expected));
}

#[test]
fn zones_of_one_direction_are_echoed_where_the_kernel_looks() {
    let zone = NonZeroU16::new(9).unwrap();
    let length = |zone| {
        let mut bytes = Vec::new();
        let flow = Flow { zone, ..flow("10.0.0.1:40001>10.96.0.10:53") };
        encode::delete(&flow, 7, Acknowledge::No, &mut bytes);
        (bytes.len(), u32::from_ne_bytes(bytes[..4].try_into().unwrap()) as usize)
    };
    assert_eq!(length(Zone::Default), (80, 80));
    assert_eq!(length(Zone::Reply(zone)), (80, 80));
    assert_eq!(length(Zone::Both(zone)), (88, 88));
    assert_eq!(length(Zone::Orig(zone)), (88, 88));
}

#[test]
fn results_ends_and_counts() {
    let reply = |text: &str| messages(&hex(text)).map(|message| message.unwrap().reply).collect::<Vec<_>>();
    let header = "0000 07000000 00000000";
    assert_eq!(reply(&format!("14000000 0200 {header} feffffff")), [Reply::Result(2)]);
    assert_eq!(reply(&format!("14000000 0200 {header} 00000000")), [Reply::Result(0)]);
    assert_eq!(reply(&format!("14000000 0300 {header} 00000000")), [Reply::Done(0)]);
    assert_eq!(reply(&format!("10000000 0300 {header}")), [Reply::Done(0)]);
    assert_eq!(reply(&format!("10000000 0400 {header}")), [Reply::Overrun]);
    assert_eq!(
        reply(&format!("1c000000 0501 {header} 00000000 0800 0100 00030d40")),
        [Reply::Count(200_000)]
    );
    assert_eq!(reply(&format!("14000000 0501 {header} 00000000")), [Reply::Other]);
    assert_eq!(reply(&format!("14000000 0200 {header} 00000080")), [Reply::Result(i32::MAX)]);
}

#[test]
fn an_interrupted_dump_is_marked() {
    let bytes = hex("14000000 0300 1200 07000000 00000000 00000000");
    let message = messages(&bytes).next().unwrap().unwrap();
    assert_eq!((message.interrupted, message.sequence), (true, 7));
}

#[test]
fn what_is_cut_or_lies_about_its_length_ends_the_messages() {
    for text in ["14", "ff000000 0300 0000 07000000 00000000", "04000000 0300 0000 07000000 00000000"] {
        assert_eq!(messages(&hex(text)).collect::<Vec<_>>(), [Err(Malformed)]);
    }
}

#[test]
fn entries_without_ports_are_partial() {
    let icmp = typed(&flow("10.0.0.1:1>10.0.0.2:2"), |tuples| {
        for tuple in tuples {
            if let TypedTuple::Proto(parts) = tuple {
                *parts = vec![ProtoTuple::Protocol(1.into())];
            }
        }
    });
    let expected = Entry::Partial { family: Some(Family::V4), protocol: Some(Protocol(1)) };
    assert_eq!(decoded(&icmp), expected);
}

fn decoded(bytes: &[u8]) -> Entry {
    match messages(bytes).next() {
        Some(Ok(Message { reply: Reply::Entry(entry), .. })) => entry,
        other => panic!("{other:?}"),
    }
}

/// An entry as the typed crate writes it.
fn typed(flow: &Flow, change: impl Fn(&mut Vec<TypedTuple>)) -> Vec<u8> {
    let tuple = |tuple: &Tuple| {
        let mut typed = vec![
            TypedTuple::Ip(vec![
                IPTuple::SourceAddress(tuple.source().ip()),
                IPTuple::DestinationAddress(tuple.destination().ip()),
            ]),
            TypedTuple::Proto(vec![
                ProtoTuple::Protocol(tuple.protocol().0.into()),
                ProtoTuple::SourcePort(tuple.source().port()),
                ProtoTuple::DestinationPort(tuple.destination().port()),
            ]),
        ];
        change(&mut typed);
        typed
    };
    let status = flow.status.0.to_be_bytes().to_vec();
    let attribute =
        |kind, value| ConntrackAttribute::Other(netlink_packet_core::DefaultNla::new(kind, value));
    let attributes = vec![
        ConntrackAttribute::CtaTupleOrig(tuple(&flow.orig)),
        ConntrackAttribute::CtaTupleReply(tuple(&flow.reply)),
        attribute(3, status),
        ConntrackAttribute::CtaTimeout(30),
        ConntrackAttribute::CtaMark(7),
        attribute(12, flow.id.to_be_bytes().to_vec()),
    ];
    let family = match flow.orig.family() {
        Family::V4 => NetfilterProtoFamily::IPv4,
        Family::V6 => NetfilterProtoFamily::IPv6,
    };
    let header = NetfilterHeader::new(family, 0, 0);
    let inner = NetfilterMessage::new(header, ConntrackMessage::New(attributes));
    let mut message = NetlinkMessage::from(inner);
    message.finalize();
    let mut bytes = vec![0; Emitable::buffer_len(&message)];
    message.serialize(&mut bytes);
    bytes
}

/// What the typed crate reads out of a delete.
fn typed_delete(bytes: &[u8]) -> Vec<ConntrackAttribute> {
    let message = NetlinkMessage::<NetfilterMessage>::deserialize(bytes).unwrap();
    let NetlinkPayload::InnerMessage(NetfilterMessage {
        inner: NetfilterMessageInner::Conntrack(ConntrackMessage::Delete(attributes)),
        ..
    }) = message.payload
    else {
        panic!("a delete expected");
    };
    attributes
}

fn any_flow() -> impl Strategy<Value = Flow> {
    let v4 = any::<[u8; 4]>().prop_map(std::net::IpAddr::from);
    let v6 = any::<[u8; 16]>().prop_map(std::net::IpAddr::from);
    let ends = prop_oneof![prop::array::uniform4(v4), prop::array::uniform4(v6)];
    (ends, any::<[u16; 4]>(), any::<u8>(), any::<u32>(), any::<u32>()).prop_map(
        |(ends, ports, protocol, status, id)| {
            let end = |n: usize| SocketAddr::new(ends[n], ports[n]);
            Flow {
                orig: Tuple::new(Protocol(protocol), end(0), end(1)).unwrap(),
                reply: Tuple::new(Protocol(protocol), end(2), end(3)).unwrap(),
                status: Status(status),
                id,
                zone: Zone::Default,
            }
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(10_000))]

    #[test]
    fn what_the_typed_crate_writes_is_read(flow in any_flow()) {
        prop_assert_eq!(decoded(&typed(&flow, |_| {})), Entry::Complete(flow));
    }

    #[test]
    fn what_is_written_the_typed_crate_reads(flow in any_flow()) {
        let mut bytes = Vec::new();
        encode::delete(&flow, 7, Acknowledge::No, &mut bytes);
        let attributes = typed_delete(&bytes);
        let expected = vec![
            TypedTuple::Ip(vec![
                IPTuple::SourceAddress(flow.orig.source().ip()),
                IPTuple::DestinationAddress(flow.orig.destination().ip()),
            ]),
            TypedTuple::Proto(vec![
                ProtoTuple::Protocol(flow.orig.protocol().0.into()),
                ProtoTuple::SourcePort(flow.orig.source().port()),
                ProtoTuple::DestinationPort(flow.orig.destination().port()),
            ]),
        ];
        prop_assert_eq!(&attributes[0], &ConntrackAttribute::CtaTupleOrig(expected));
    }

    #[test]
    fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let _ = messages(&bytes).count();
    }

    #[test]
    fn no_damage_to_real_bytes_makes_it_panic(
        flow in any_flow(), damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
        cut in any::<prop::sample::Index>(),
    ) {
        let mut bytes = typed(&flow, |_| {});
        for (at, byte) in damage {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        bytes.truncate(cut.index(bytes.len() + 1));
        let _ = messages(&bytes).count();
    }
}
