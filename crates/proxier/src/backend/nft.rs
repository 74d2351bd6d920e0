//! EDGE: asks nf_tables for single chains, and whether there is any rule, which is cheap however many rules there are.
//!
//! Knows nothing of what follows from the answers.

use std::io;

use netlink_sys::protocols::NETLINK_NETFILTER;
use rustix::io::Errno;

use crate::family::Family;
use crate::netlink;

/// `NFNL_SUBSYS_NFTABLES`
const NFTABLES: u16 = 10 << 8;
/// `NFT_MSG_GETCHAIN`
const GET_CHAIN: u16 = NFTABLES | 4;
/// `NFT_MSG_NEWRULE`
const RULE: u16 = NFTABLES | 6;
/// `NFT_MSG_GETRULE`
const GET_RULE: u16 = NFTABLES | 7;
/// `NFTA_CHAIN_TABLE`, `NFTA_RULE_TABLE`
const TABLE: u16 = 1;
/// `NFTA_CHAIN_NAME`
const NAME: u16 = 3;

/// The tables that iptables makes in nf_tables.
const TABLES: [&str; 5] = ["raw", "mangle", "nat", "filter", "security"];

/// Whether there is such a chain.
///
/// # Errors
/// The kernel does not tell.
pub(super) fn has_chain(family: Family, table: &str, chain: &str) -> io::Result<bool> {
    let names = [netlink::text_attribute(TABLE, table), netlink::text_attribute(NAME, chain)].concat();
    match netlink::request(NETLINK_NETFILTER, GET_CHAIN, &of(family, &names)) {
        Ok(told) => Ok(!told.is_empty()),
        Err(error) if says_no(&error) => Ok(false),
        Err(error) => Err(error),
    }
}

/// Whether one of the tables of iptables has a rule.
///
/// # Errors
/// The kernel does not tell.
pub(super) fn has_rules(family: Family) -> io::Result<bool> {
    for table in TABLES {
        let rules = of(family, &netlink::text_attribute(TABLE, table));
        match netlink::first_of_all(NETLINK_NETFILTER, GET_RULE, &rules) {
            Ok(RULE) => return Ok(true),
            Ok(_) => {}
            Err(error) if says_no(&error) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(false)
}

/// Whether there is no such thing, or the kernel does not know nf_tables, or no netfilter at all.
fn says_no(error: &io::Error) -> bool {
    let clear = [Errno::NOENT, Errno::INVAL, Errno::PROTONOSUPPORT];
    clear.iter().any(|no| error.raw_os_error() == Some(no.raw_os_error()))
}

/// Attributes behind `struct nfgenmsg`.
fn of(family: Family, attributes: &[u8]) -> Vec<u8> {
    let family = match family {
        Family::V4 => 2,
        Family::V6 => 10,
    };
    [&[family, 0, 0, 0], attributes].concat()
}
