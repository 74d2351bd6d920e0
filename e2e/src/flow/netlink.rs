//! Turns attributes into netfilter netlink messages, and what comes back into messages again.
//!
//! Does not know what the messages mean.

use std::net::IpAddr;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use netlink_packet_core::{DefaultNla, Emitable, NLA_F_NESTED, NLM_F_REQUEST};
use netlink_sys::{Socket, protocols::NETLINK_NETFILTER};
use rustix::event::{PollFd, PollFlags, Timespec, poll};

use crate::netns::Netns;

pub(crate) const IPV4: u8 = 2;
pub(crate) const IPV6: u8 = 10;

/// What the kernel answers a request with: a negative errno, or 0.
pub(crate) const RESULT: u16 = 2;
/// The end of a dump.
pub(crate) const DONE: u16 = 3;

const HEADER: usize = 20;
const READ: usize = 64 * 1024;
const PATIENCE: Duration = Duration::from_secs(10);

/// A socket of a namespace.
#[derive(Debug)]
pub(crate) struct Conversation(Socket);

impl Conversation {
    pub(crate) fn open(netns: &Netns) -> Result<Conversation> {
        let open = || -> std::io::Result<Socket> {
            let mut socket = Socket::new(NETLINK_NETFILTER)?;
            socket.bind_auto()?;
            Ok(socket)
        };
        Ok(Conversation(netns.inside(open).context("open a netlink socket")?))
    }

    pub(crate) fn send(&self, bytes: &[u8]) -> Result<()> {
        self.0.send(bytes, 0).context("send a netlink request")?;
        Ok(())
    }

    /// What one read brings; nothing if nothing comes within `patience`.
    pub(crate) fn receive(&self, patience: Duration) -> Result<Option<Vec<u8>>> {
        let patience = Timespec::try_from(patience).context("a patience beyond all time")?;
        if poll(&mut [PollFd::new(&self.0, PollFlags::IN)], Some(&patience)).context("wait for netlink")? == 0
        {
            return Ok(None);
        }
        let mut buffer = vec![0; READ];
        let length = self.0.recv(&mut &mut buffer[..], 0).context("read a netlink answer")?;
        buffer.truncate(length);
        Ok(Some(buffer))
    }

    /// Waits for the result of the last request, which must have asked for it; any failure before it counts.
    pub(crate) fn acknowledged(&self, sequence: u32) -> Result<()> {
        loop {
            let bytes = self.receive(PATIENCE)?.context("the kernel does not answer")?;
            for message in messages(&bytes) {
                let Some(code) = message.result() else { continue };
                if code != 0 {
                    bail!("the kernel refused: {}", std::io::Error::from_raw_os_error(-code));
                }
                if message.sequence == sequence {
                    return Ok(());
                }
            }
        }
    }
}

/// One message of the kernel.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Message<'a> {
    pub(crate) kind: u16,
    pub(crate) sequence: u32,
    /// With all headers.
    pub(crate) bytes: &'a [u8],
}

impl<'a> Message<'a> {
    /// The attributes of a netfilter message.
    pub(crate) fn attributes(self) -> &'a [u8] {
        self.bytes.get(HEADER..).unwrap_or_default()
    }

    fn result(self) -> Option<i32> {
        let code = self.bytes.get(16..20).filter(|_| self.kind == RESULT)?;
        Some(i32::from_ne_bytes(code.try_into().ok()?))
    }
}

/// The messages of one read.
pub(crate) fn messages(bytes: &[u8]) -> impl Iterator<Item = Message<'_>> {
    let mut rest = bytes;
    std::iter::from_fn(move || {
        let length = u32::from_ne_bytes(*rest.first_chunk()?) as usize;
        let bytes = rest.get(..length).filter(|bytes| bytes.len() >= 16)?;
        rest = rest.get(length.next_multiple_of(4)..).unwrap_or_default();
        let kind = u16::from_ne_bytes([bytes[4], bytes[5]]);
        Some(Message {
            kind,
            sequence: u32::from_ne_bytes([bytes[8], bytes[9], bytes[10], bytes[11]]),
            bytes,
        })
    })
}

/// A request to netfilter. `resource` is a queue's number, and 0 for everything else.
pub(crate) struct Request {
    pub(crate) kind: u16,
    pub(crate) flags: u16,
    pub(crate) sequence: u32,
    pub(crate) family: u8,
    pub(crate) resource: u16,
}

impl Request {
    pub(crate) fn bytes(&self, attributes: &[DefaultNla]) -> Vec<u8> {
        let length = HEADER + attributes.buffer_len();
        let mut bytes = Vec::with_capacity(length);
        bytes.extend(u32::try_from(length).expect("requests are short").to_ne_bytes());
        bytes.extend(self.kind.to_ne_bytes());
        bytes.extend((self.flags | NLM_F_REQUEST).to_ne_bytes());
        bytes.extend(self.sequence.to_ne_bytes());
        bytes.extend([0; 4]);
        bytes.extend([self.family, 0]);
        bytes.extend(self.resource.to_be_bytes());
        bytes.resize(length, 0);
        attributes.emit(&mut bytes[HEADER..]);
        bytes
    }
}

pub(crate) fn attribute(kind: u16, value: &[u8]) -> DefaultNla {
    DefaultNla::new(kind, value.to_vec())
}

pub(crate) fn nested(kind: u16, attributes: &[DefaultNla]) -> DefaultNla {
    let mut value = vec![0; attributes.buffer_len()];
    attributes.emit(&mut value);
    DefaultNla::new(kind | NLA_F_NESTED, value)
}

pub(crate) fn family_of(address: IpAddr) -> u8 {
    if address.is_ipv4() { IPV4 } else { IPV6 }
}

pub(crate) fn octets(address: IpAddr) -> Vec<u8> {
    match address {
        IpAddr::V4(address) => address.octets().to_vec(),
        IpAddr::V6(address) => address.octets().to_vec(),
    }
}
