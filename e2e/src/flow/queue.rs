//! Turns a netfilter queue of a namespace into packets that wait until they are let go.
//!
//! Does not know which packets a rule sends there.

use std::time::Duration;

use anyhow::{Context, Result};
use netlink_packet_core::{NLM_F_ACK, NlasIterator};

use super::netlink::{self, Conversation, Request, attribute};
use crate::netns::Netns;

const PACKET: u16 = 0x300;
const VERDICT: u16 = 0x301;
const CONFIG: u16 = 0x302;

const PACKET_HEADER: u16 = 1;
const VERDICT_HEADER: u16 = 2;
const CONFIG_COMMAND: u16 = 1;
const CONFIG_COPY: u16 = 2;

const BIND: u8 = 1;
const COPY_HEADERS_ONLY: u8 = 1;
const ACCEPT: u32 = 1;

/// A queue whose packets wait. When its value goes, what still waits is dropped.
#[derive(Debug)]
pub struct Queue {
    conversation: Conversation,
    number: u16,
}

/// A packet that waits.
#[derive(Clone, Copy, Debug)]
pub struct Waiting(u32);

impl Queue {
    /// Takes the queue of that number.
    ///
    /// # Errors
    /// If the kernel has no queues, or somebody else has taken this one.
    pub fn take(netns: &Netns, number: u16) -> Result<Queue> {
        let queue = Queue { conversation: Conversation::open(netns)?, number };
        let bind = attribute(CONFIG_COMMAND, &[BIND, 0, 0, 0]);
        queue.configure(1, bind).context("take a netfilter queue")?;
        let [a, b, c, d] = u32::MAX.to_be_bytes();
        queue.configure(2, attribute(CONFIG_COPY, &[a, b, c, d, COPY_HEADERS_ONLY]))?;
        Ok(queue)
    }

    fn configure(&self, sequence: u32, attribute: netlink_packet_core::DefaultNla) -> Result<()> {
        self.conversation.send(&self.request(CONFIG, NLM_F_ACK, sequence).bytes(&[attribute]))?;
        self.conversation.acknowledged(sequence)
    }

    /// The next packet, if one comes within `patience`.
    ///
    /// # Errors
    /// If the queue cannot be read.
    pub fn next(&self, patience: Duration) -> Result<Option<Waiting>> {
        let Some(bytes) = self.conversation.receive(patience)? else { return Ok(None) };
        let packet = netlink::messages(&bytes).find(|message| message.kind == PACKET);
        let packet = packet.context("the queue holds no packet")?;
        let header = NlasIterator::new(packet.attributes()).flatten().find(|nla| nla.kind() == PACKET_HEADER);
        let header = header.context("a packet without header")?;
        let id = header.value().first_chunk().context("a packet without id")?;
        Ok(Some(Waiting(u32::from_be_bytes(*id))))
    }

    /// Lets a packet go its way.
    ///
    /// # Errors
    /// If the kernel cannot be told.
    pub fn release(&self, Waiting(id): Waiting) -> Result<()> {
        let verdict = [ACCEPT.to_be_bytes(), id.to_be_bytes()].concat();
        let request = self.request(VERDICT, 0, 3);
        self.conversation.send(&request.bytes(&[attribute(VERDICT_HEADER, &verdict)]))
    }

    fn request(&self, kind: u16, flags: u16, sequence: u32) -> Request {
        Request { kind, flags, sequence, family: 0, resource: self.number }
    }
}
