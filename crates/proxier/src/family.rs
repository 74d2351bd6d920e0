//! The IP families, each of which has rules of its own.

use std::fmt;
use std::net::IpAddr;

/// An IP family. The two are proxied independently of each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Family {
    /// IPv4, programmed by `iptables`.
    V4,
    /// IPv6, programmed by `ip6tables`.
    V6,
}

impl Family {
    /// The families in the order in which they are served.
    pub const ALL: [Self; 2] = [Self::V4, Self::V6];

    /// The family of an address.
    pub fn of(address: IpAddr) -> Self {
        match address {
            IpAddr::V4(_) => Self::V4,
            IpAddr::V6(_) => Self::V6,
        }
    }
}

/// `IPv4` or `IPv6`, as in logs, metrics and `spec.ipFamilies`.
impl fmt::Display for Family {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::V4 => "IPv4",
            Self::V6 => "IPv6",
        })
    }
}
