//! Turns what the kernel tells of changed nf_tables rules into: somebody may have taken rules of ours away.
//!
//! Knows nothing of who the writers are, and of what is missing: that takes a look at the rules themselves.

pub mod watch;

use std::collections::BTreeSet;

use netlink_packet_core::{NLA_HEADER_SIZE, NetlinkBuffer, NlaBuffer, NlasIterator};

use crate::chain::{ChainName, Table};
use crate::family::Family;

/// `NFNL_SUBSYS_NFTABLES`
const NFTABLES: u8 = 10;
const DELTABLE: u8 = 2;
const DELCHAIN: u8 = 5;
const NEWRULE: u8 = 6;
const DELRULE: u8 = 8;
/// Family, version, resource id.
const NETFILTER_HEADER_LEN: usize = 4;
const NFPROTO_IPV4: u8 = 2;
const NFPROTO_IPV6: u8 = 10;

/// The table's name, in messages of all kinds.
const TABLE: u16 = 1;
const NFTA_CHAIN_NAME: u16 = 3;
const NFTA_RULE_CHAIN: u16 = 2;
const NFTA_RULE_EXPRESSIONS: u16 = 4;
const NFTA_EXPR_DATA: u16 = 2;
const NFTA_IMMEDIATE_DATA: u16 = 2;
const NFTA_DATA_VERDICT: u16 = 2;
const NFTA_VERDICT_CHAIN: u16 = 2;

/// Somebody deleted, emptied or changed something of ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Suspicion {
    /// Whose tables.
    pub family: Family,
    /// The netlink port of the writer: of one of the iptables tools, it is the process id.
    pub writer: u32,
}

/// Bytes that are no netlink message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a netlink message")]
pub struct Malformed;

/// What one read from the socket gives reason for. Other tables, other people's chains, and whatever is added
/// to built-in chains, give none.
///
/// # Errors
/// Something of it cannot be read; anything may be missing then.
pub fn suspicions(datagram: &[u8]) -> Result<BTreeSet<Suspicion>, Malformed> {
    let mut suspicions = BTreeSet::new();
    let mut rest = datagram;
    while !rest.is_empty() {
        let message = NetlinkBuffer::new_checked(rest).map_err(|_| Malformed)?;
        if let Some(family) = family(message.payload()) {
            let suspicion = Suspicion { family, writer: message.port_number() };
            // A flush is many messages by one writer.
            if !suspicions.contains(&suspicion) && takes_away(message.message_type(), message.payload()) {
                suspicions.insert(suspicion);
            }
        }
        let length = (message.length() as usize).next_multiple_of(4);
        rest = rest.get(length..).unwrap_or_default();
    }
    Ok(suspicions)
}

fn family(payload: &[u8]) -> Option<Family> {
    match payload.first() {
        Some(&NFPROTO_IPV4) => Some(Family::V4),
        Some(&NFPROTO_IPV6) => Some(Family::V6),
        _ => None,
    }
}

fn takes_away(message_type: u16, payload: &[u8]) -> bool {
    let [message, subsystem] = message_type.to_le_bytes();
    let attributes = payload.get(NETFILTER_HEADER_LEN..).unwrap_or_default();
    if subsystem != NFTABLES || !is_our_table(text(attributes, TABLE)) {
        return false;
    }
    match message {
        DELTABLE => true,
        DELCHAIN => is_our_chain(text(attributes, NFTA_CHAIN_NAME)),
        NEWRULE => is_our_chain(text(attributes, NFTA_RULE_CHAIN)),
        DELRULE => is_our_chain(text(attributes, NFTA_RULE_CHAIN)) || is_our_jump(attributes),
        _ => false,
    }
}

fn is_our_table(name: Option<&str>) -> bool {
    [Table::Mangle, Table::Filter, Table::Nat].iter().any(|table| name == Some(table.name()))
}

fn is_our_chain(name: Option<&str>) -> bool {
    name.is_some_and(|name| ChainName::parse(name).is_ours())
}

/// Whether a rule, of whatever chain, leads to a chain of ours.
fn is_our_jump(attributes: &[u8]) -> bool {
    let expressions = value(attributes, NFTA_RULE_EXPRESSIONS).unwrap_or_default();
    attributes_of(expressions).any(|(_, expression)| {
        let nested = [NFTA_EXPR_DATA, NFTA_IMMEDIATE_DATA, NFTA_DATA_VERDICT];
        let verdict = nested.iter().try_fold(expression, |outer, kind| value(outer, *kind));
        verdict.is_some_and(|verdict| is_our_chain(text(verdict, NFTA_VERDICT_CHAIN)))
    })
}

/// The text of an attribute, without the zero at its end.
fn text(attributes: &[u8], kind: u16) -> Option<&str> {
    let text = value(attributes, kind)?;
    std::str::from_utf8(text.strip_suffix(b"\0").unwrap_or(text)).ok()
}

fn value(attributes: &[u8], kind: u16) -> Option<&[u8]> {
    attributes_of(attributes).find(|(of, _)| *of == kind).map(|(_, value)| value)
}

/// Number and value of each attribute, up to the first malformed one.
fn attributes_of(bytes: &[u8]) -> impl Iterator<Item = (u16, &[u8])> {
    NlasIterator::new(bytes).map_while(Result::ok).map(|attribute| (attribute.kind(), content(attribute)))
}

fn content(attribute: NlaBuffer<&[u8]>) -> &[u8] {
    let end = usize::from(attribute.length());
    attribute.into_inner().get(NLA_HEADER_SIZE..end).unwrap_or_default()
}

#[cfg(test)]
mod tests;
