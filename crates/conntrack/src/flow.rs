//! The kernel's connection tracking entries as values: tuples, flows, and what a dump may hand over.
//!
//! Knows nothing of Services, nor of how entries are read or deleted.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::num::NonZeroU16;

/// An IP family. Every pass, snapshot and dump belongs to one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Family {
    /// IPv4.
    V4,
    /// IPv6.
    V6,
}

impl Family {
    /// The family of an address. An IPv4-mapped IPv6 address is IPv6, as it is for the kernel.
    pub fn of(address: IpAddr) -> Family {
        match address {
            IpAddr::V4(_) => Family::V4,
            IpAddr::V6(_) => Family::V6,
        }
    }
}

impl fmt::Display for Family {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Family::V4 => "IPv4",
            Family::V6 => "IPv6",
        })
    }
}

/// An IP protocol number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Protocol(pub u8);

impl Protocol {
    /// Transmission Control Protocol.
    pub const TCP: Protocol = Protocol(6);
    /// User Datagram Protocol: the only one whose entries are ever deleted.
    pub const UDP: Protocol = Protocol(17);
    /// Stream Control Transmission Protocol.
    pub const SCTP: Protocol = Protocol(132);
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Protocol::TCP => f.write_str("tcp"),
            Protocol::UDP => f.write_str("udp"),
            Protocol::SCTP => f.write_str("sctp"),
            Protocol(number) => write!(f, "protocol {number}"),
        }
    }
}

/// One direction of an entry. Always complete: two addresses of one family, a protocol, two ports.
///
/// A kernel request to delete with less than this would empty the whole table, so nothing less can be built.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Tuple {
    source: IpAddr,
    destination: IpAddr,
    source_port: u16,
    destination_port: u16,
    protocol: Protocol,
}

impl Tuple {
    /// A tuple, unless the two addresses are of different families.
    pub fn new(protocol: Protocol, source: SocketAddr, destination: SocketAddr) -> Option<Tuple> {
        (source.is_ipv4() == destination.is_ipv4()).then(|| Tuple {
            source: source.ip(),
            destination: destination.ip(),
            source_port: source.port(),
            destination_port: destination.port(),
            protocol,
        })
    }

    /// The family of both addresses.
    pub fn family(&self) -> Family {
        Family::of(self.source)
    }

    /// The IP protocol.
    pub fn protocol(&self) -> Protocol {
        self.protocol
    }

    /// Where a packet of this direction comes from.
    pub fn source(&self) -> SocketAddr {
        SocketAddr::new(self.source, self.source_port)
    }

    /// Where a packet of this direction goes to.
    pub fn destination(&self) -> SocketAddr {
        SocketAddr::new(self.destination, self.destination_port)
    }
}

/// The status word of an entry.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Status(pub u32);

impl Status {
    /// A packet in reply direction was seen; without it the entry is UNREPLIED.
    pub const SEEN_REPLY: Status = Status(1 << 1);
    /// The entry is protected from early removal.
    pub const ASSURED: Status = Status(1 << 2);
    /// The entry is in the table.
    pub const CONFIRMED: Status = Status(1 << 3);
    /// The source is translated.
    pub const SRC_NAT: Status = Status(1 << 4);
    /// The destination is translated.
    pub const DST_NAT: Status = Status(1 << 5);

    /// Whether every bit of `other` is set.
    pub fn has(self, other: Status) -> bool {
        self.0 & other.0 == other.0
    }

    /// The bits of both.
    #[must_use]
    pub const fn with(self, other: Status) -> Status {
        Status(self.0 | other.0)
    }
}

/// The conntrack zone of an entry, and the directions that it separates.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Zone {
    /// Zone 0: none.
    #[default]
    Default,
    /// Both directions belong to this zone.
    Both(NonZeroU16),
    /// Only the orig direction belongs to this zone.
    Orig(NonZeroU16),
    /// Only the reply direction belongs to this zone.
    Reply(NonZeroU16),
}

/// A complete entry: all that is needed to judge it and to delete exactly it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Flow {
    /// What the first packet looked like on arrival.
    pub orig: Tuple,
    /// What an answer must look like; its source is the backend if the destination was translated.
    pub reply: Tuple,
    /// The status bits.
    pub status: Status,
    /// The kernel's id. Opaque; the same 5-tuple made again may carry the same id.
    pub id: u32,
    /// The zone, to be echoed in a delete.
    pub zone: Zone,
}

impl Flow {
    /// Whether the destination was translated. Masquerading alone does not count.
    pub fn is_dnated(&self) -> bool {
        self.backend() != self.orig.destination()
    }

    /// Who really gets the packets.
    pub fn backend(&self) -> SocketAddr {
        self.reply.source()
    }

    /// Whether a packet in reply direction was seen.
    pub fn is_replied(&self) -> bool {
        self.status.has(Status::SEEN_REPLY)
    }
}

impl fmt::Display for Flow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Flow { orig, reply, .. } = self;
        write!(f, "{} {} -> {}", orig.protocol(), orig.source(), orig.destination())?;
        if !self.is_replied() {
            f.write_str(" [UNREPLIED]")?;
        }
        write!(f, " reply {} -> {}", reply.source(), reply.destination())?;
        match self.zone {
            Zone::Default => Ok(()),
            Zone::Both(zone) => write!(f, " zone {zone}"),
            Zone::Orig(zone) => write!(f, " zone {zone} (orig)"),
            Zone::Reply(zone) => write!(f, " zone {zone} (reply)"),
        }
    }
}

/// What a dump hands over: not every entry has all that a [`Flow`] needs (ICMP, GRE and others have no ports).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Entry {
    /// Everything is there.
    Complete(Flow),
    /// Something is missing, malformed or contradictory; such an entry is never touched.
    Partial {
        /// The family, if it is one of ours.
        family: Option<Family>,
        /// The protocol, if it was given.
        protocol: Option<Protocol>,
    },
}

impl Entry {
    /// The protocol, if it was given.
    pub fn protocol(&self) -> Option<Protocol> {
        match self {
            Entry::Complete(flow) => Some(flow.orig.protocol()),
            Entry::Partial { protocol, .. } => *protocol,
        }
    }

    /// The family, if it is one of ours.
    pub fn family(&self) -> Option<Family> {
        match self {
            Entry::Complete(flow) => Some(flow.orig.family()),
            Entry::Partial { family, .. } => *family,
        }
    }

    /// The flow, if it is complete.
    pub fn flow(&self) -> Option<&Flow> {
        match self {
            Entry::Complete(flow) => Some(flow),
            Entry::Partial { .. } => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn udp(source: &str, destination: &str) -> Option<Tuple> {
        Tuple::new(Protocol::UDP, source.parse().unwrap(), destination.parse().unwrap())
    }

    #[test]
    fn a_tuple_has_one_family() {
        assert_eq!(udp("10.0.0.1:1", "[fd00::1]:2"), None);
        assert_eq!(udp("10.0.0.1:1", "[::ffff:10.0.0.2]:2"), None);
        assert_eq!(udp("[fd00::2]:1", "[fd00::1]:2").unwrap().family(), Family::V6);
    }

    #[test]
    fn text_form() {
        let flow = Flow {
            orig: udp("10.0.0.1:40001", "10.96.0.10:53").unwrap(),
            reply: udp("10.1.0.7:5353", "10.0.0.1:40001").unwrap(),
            status: Status::CONFIRMED.with(Status::DST_NAT),
            id: 7,
            zone: Zone::Both(NonZeroU16::new(5).unwrap()),
        };
        assert_eq!(
            flow.to_string(),
            "udp 10.0.0.1:40001 -> 10.96.0.10:53 [UNREPLIED] reply 10.1.0.7:5353 -> 10.0.0.1:40001 zone 5"
        );
    }

    #[test]
    fn masquerading_is_not_dnat() {
        let flow = Flow {
            orig: udp("10.0.0.1:40001", "10.96.0.10:53").unwrap(),
            reply: udp("10.96.0.10:53", "192.168.0.1:6000").unwrap(),
            status: Status::SRC_NAT,
            id: 7,
            zone: Zone::Default,
        };
        assert!(!flow.is_dnated());
    }

    #[test]
    fn an_entry_is_small_enough_to_keep_many() {
        assert!(size_of::<Entry>() <= 96, "{}", size_of::<Entry>());
    }
}
