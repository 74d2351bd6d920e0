//! Makes the packet counters (nfacct) that rules name, as whoever wrote the rules must have made them.
//!
//! Does not know which rules name them.

use anyhow::{Context, Result};
use netlink_packet_core::{NLM_F_ACK, NLM_F_CREATE};

use crate::flow::netlink::{Conversation, Request, attribute};
use crate::netns::Netns;

/// `NFNL_SUBSYS_ACCT`, `NFNL_MSG_ACCT_NEW`
const NEW: u16 = 7 << 8;
/// `NFACCT_NAME`
const NAME: u16 = 1;

/// Makes a counter in the namespace; there must be none of that name.
///
/// # Errors
/// The kernel has no such counters.
pub fn create(netns: &Netns, name: &str) -> Result<()> {
    let kernel = Conversation::open(netns)?;
    let request = Request { kind: NEW, flags: NLM_F_CREATE | NLM_F_ACK, sequence: 1, family: 0, resource: 0 };
    let name_of_it = attribute(NAME, &[name.as_bytes(), b"\0"].concat());
    kernel.send(&request.bytes(&[name_of_it]))?;
    kernel.acknowledged(1).with_context(|| format!("make the packet counter {name}"))
}
