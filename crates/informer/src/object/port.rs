//! Turns what ports of Services and of slices have in common into values, or into none.
//!
//! Knows nothing of what else a port has, nor of other ports beside it.

use std::num::NonZeroU16;

use super::complaint::Complaints;
use super::name::is_label;

/// `protocol` of a Service port or EndpointSlice port.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Protocol {
    /// TCP.
    Tcp,
    /// UDP.
    Udp,
    /// SCTP.
    Sctp,
}

impl Protocol {
    /// The protocol that a port names so; TCP when it names none.
    fn parse(text: &str) -> Option<Self> {
        match text {
            "" | "TCP" => Some(Self::Tcp),
            "UDP" => Some(Self::Udp),
            "SCTP" => Some(Self::Sctp),
            _ => None,
        }
    }

    /// The name in lower case, as iptables and chain-name hashes spell it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Tcp => "tcp",
            Self::Udp => "udp",
            Self::Sctp => "sctp",
        }
    }
}

/// Protocol and number of the port at `path` that has a name, or is the only one; none if it cannot be used.
pub(super) fn parse_key(
    name: &str,
    protocol: &str,
    number: i64,
    path: &str,
    complaints: &mut Complaints,
) -> Option<(Protocol, NonZeroU16)> {
    if !name.is_empty() && !is_label(name) {
        complaints.add(format_args!("{path}.name"), name, NOT_A_PORT_NAME);
        return None;
    }
    let Some(known) = Protocol::parse(protocol) else {
        complaints.add(format_args!("{path}.protocol"), protocol, NOT_A_PROTOCOL);
        return None;
    };
    let Some(port) = parse_port(number) else {
        complaints.add(format_args!("{path}.port"), number, NOT_A_PORT);
        return None;
    };
    Some((known, port))
}

/// The port with this number, if there is one.
pub(super) fn parse_port(number: i64) -> Option<NonZeroU16> {
    u16::try_from(number).ok().and_then(NonZeroU16::new)
}

/// What [`Protocol::parse`] refuses.
const NOT_A_PROTOCOL: &str = "is not TCP, UDP or SCTP";
/// What [`parse_port`] refuses.
pub(super) const NOT_A_PORT: &str = "is not a port number from 1 to 65535";
/// What is wrong with a port's name.
const NOT_A_PORT_NAME: &str = "is not a port name: lower-case letters, digits and inner dashes, at most 63";
