//! Turns bytes into a verdict: each function is a law that holds for every input, and panics if not.
//!
//! Knows nothing of where the bytes come from.

mod answer;
#[cfg(not(fuzzing))]
pub mod replay;

pub use answer::api_answers;

use std::ffi::OsStr;

use conntrack::flow::{Entry, Flow};
use conntrack::wire::decode::{Reply, messages};
use conntrack::wire::encode::{self, Acknowledge};
use informer::manifest::Manifests;
use netlink_packet_core::{NetlinkMessage, NetlinkPayload};
use netlink_packet_netfilter::conntrack::{ConntrackAttribute, ConntrackMessage, IPTuple, ProtoTuple, Tuple};
use netlink_packet_netfilter::{NetfilterMessage, NetfilterMessageInner};
use proxier::chain::{ChainName, Table};
use proxier::drift::suspicions;
use proxier::parse::{self, Save, SavedRule};
use proxier::plan::Intake;
use proxier::rule::Rule;
use proxier::text;

/// A directory whose only file holds `bytes` is read to the end; reading it again changes nothing,
/// and deleting it deletes exactly what it brought.
pub fn objects(bytes: &[u8]) {
    let file = OsStr::new("fuzz.yaml");
    let mut manifests = Manifests::default();
    manifests.put(file, bytes);
    let first = manifests.changes();
    for complaint in &first.complaints {
        assert!(!complaint.to_string().contains('\n'), "a complaint is one line: {complaint}");
    }
    manifests.put(file, bytes);
    let second = manifests.changes();
    assert!(second.changes.is_empty() && second.complaints.is_empty(), "{second:?}");
    manifests.remove(file);
    let last = manifests.changes();
    assert_eq!(last.changes.len(), first.changes.len(), "{first:?} and then {last:?}");
}

/// Text that is read as an iptables-save is read the same after it was written.
pub fn iptables_save(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let Ok(Save { tables }) = parse::save(text) else { return };
    for (table, chains) in tables {
        for (name, chain) in chains {
            chain.rules.iter().filter_map(SavedRule::known).for_each(|rule| is_read_back(table, &name, rule));
        }
    }
}

/// A save that is taken in while it is printed means what it means as a whole, wherever it is cut: the first byte says
/// into pieces of which length.
pub fn intake(bytes: &[u8]) {
    let Some((length, save)) = bytes.split_first() else { return };
    let whole = taken_in([save]);
    let in_pieces = taken_in(save.chunks(usize::from(*length) + 1));
    assert_eq!(whole, in_pieces);
}

/// All that is kept, or what is wrong with it.
fn taken_in<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> Result<String, String> {
    let mut intake = Intake::default();
    let pushed = pieces.into_iter().try_for_each(|piece| intake.push(piece));
    let found = pushed.and_then(|()| intake.finish());
    found.map(|found| format!("{found:?}")).map_err(|error| error.to_string())
}

/// Whatever the kernel tells of nf_tables gives reason for something or not; told twice, for the same.
pub fn nft_messages(bytes: &[u8]) {
    let Ok(once) = suspicions(bytes) else { return };
    if bytes.len().is_multiple_of(4) {
        assert_eq!(suspicions(&[bytes, bytes].concat()), Ok(once));
    }
}

/// A configuration that can be read is printed, and read again as what it was, without a strict reader's complaints;
/// what is wrong with its values is told, never a reason to stop.
pub fn configuration(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let Ok(read) = config::decode(text) else { return };
    let printed = read.config.to_yaml();
    let again = config::decode(&printed).unwrap_or_else(|error| panic!("{error}:\n{printed}"));
    assert!(again.strict.is_empty(), "{:?}:\n{printed}", again.strict);
    assert_eq!(again.config, read.config, "{printed}");
    if let Err(problems) = read.config.check() {
        assert!(!problems.to_string().is_empty(), "refused without a reason:\n{printed}");
    }
}

/// Whatever a netlink socket returns is read to its end, or up to the first message that is none. An entry that passes
/// for complete can be deleted: by exactly its tuple, of one family and one protocol.
pub fn conntrack_reply(bytes: &[u8]) {
    let messages: Vec<_> = messages(bytes).collect();
    let sound = messages.iter().take_while(|message| message.is_ok()).count();
    assert!(sound + 1 >= messages.len(), "something follows what is malformed: {messages:?}");
    for message in messages.into_iter().flatten() {
        if let Reply::Entry(Entry::Complete(flow)) = message.reply {
            let Flow { orig, reply, .. } = flow;
            assert_eq!((orig.family(), orig.protocol()), (reply.family(), reply.protocol()), "{flow}");
            is_deleted_by_its_tuple(&flow);
        }
    }
}

/// The request is read by a decoder that is not ours.
fn is_deleted_by_its_tuple(flow: &Flow) {
    let mut request = Vec::new();
    encode::delete(flow, 1, Acknowledge::No, &mut request);
    let message = NetlinkMessage::<NetfilterMessage>::deserialize(&request).expect("a request can be read");
    let NetlinkPayload::InnerMessage(NetfilterMessage {
        inner: NetfilterMessageInner::Conntrack(ConntrackMessage::Delete(attributes)),
        ..
    }) = message.payload
    else {
        panic!("not a request to delete: {request:?}");
    };
    let mut tuples = Vec::new();
    for attribute in &attributes {
        if let ConntrackAttribute::CtaTupleOrig(tuple) = attribute {
            tuples.push(tuple);
        }
    }
    let (source, destination) = (flow.orig.source(), flow.orig.destination());
    let addresses = vec![IPTuple::SourceAddress(source.ip()), IPTuple::DestinationAddress(destination.ip())];
    let ports = vec![
        ProtoTuple::Protocol(flow.orig.protocol().0.into()),
        ProtoTuple::SourcePort(source.port()),
        ProtoTuple::DestinationPort(destination.port()),
    ];
    let [tuple] = tuples[..] else { panic!("not one tuple: {attributes:?}") };
    assert_eq!(tuple[..2], [Tuple::Ip(addresses), Tuple::Proto(ports)], "{flow}");
}

fn is_read_back(table: Table, chain: &ChainName, rule: &Rule) {
    let mut written = Vec::new();
    text::begin(table, &mut written);
    text::declare(chain, &mut written);
    text::append(chain, rule, &mut written);
    text::commit(&mut written);
    let written = String::from_utf8(written).expect("rules are text");
    let read = parse::save(&written).expect("what was written can be read");
    let rules = read.chain(table, chain).map(|chain| chain.rules.as_slice());
    assert_eq!(rules, Some([SavedRule::Known(rule.clone())].as_slice()), "{written}");
}
