//! A rule: the closed set of matches and targets that are ever written, and their text for iptables-restore.
//!
//! Knows nothing of which rules are wanted, nor of how iptables-save spells them (see `parse`).

use std::borrow::Cow;
use std::io::Write;
use std::net::{IpAddr, SocketAddr};

use informer::object::Protocol;
use ipnet::IpNet;

use crate::chain::ChainName;

/// One rule of a chain: all matches must hold for the target to act.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Rule {
    /// In the order in which they are written.
    pub matches: Vec<Match>,
    /// What happens to the packet; nothing if absent.
    pub target: Option<Target>,
}

/// A condition on a packet.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Match {
    /// Always holds; text for humans.
    Comment(Box<str>),
    /// `-m tcp -p tcp`.
    Protocol(Protocol),
    /// `-s`.
    Source(Address),
    /// `-d`.
    Destination(Address),
    /// `--dport`; stands after a [`Match::Protocol`].
    DestinationPort(u16),
    /// `-i`.
    InInterface {
        /// A name, or a prefix followed by `+`.
        name: Box<str>,
        /// `!`: holds for every other interface.
        inverted: bool,
    },
    /// `-m addrtype --src-type LOCAL`.
    SourceLocal,
    /// `-m addrtype --dst-type LOCAL`.
    DestinationLocal,
    /// `-m mark --mark value/mask`.
    Mark {
        /// Compared with the packet's mark.
        value: u32,
        /// Bits that count.
        mask: u32,
        /// `!`: holds for every other mark.
        inverted: bool,
    },
    /// `-m conntrack --ctstate`.
    ConntrackState {
        /// Comma-separated.
        states: Cow<'static, str>,
        /// `!`: holds for every other state.
        inverted: bool,
    },
    /// `-m nfacct --nfacct-name`: always holds, counts the packet.
    Nfacct(Cow<'static, str>),
    /// `-m recent --rcheck --reap`: the source is in the list since at most that long.
    RecentCheck {
        /// The list is named after the endpoint's chain.
        list: ChainName,
        /// Age limit in seconds.
        seconds: u32,
    },
    /// `-m recent --set`: always holds, puts the source into the list.
    RecentSet {
        /// The list is named after the endpoint's chain.
        list: ChainName,
    },
    /// `-m statistic --mode random`: holds for one packet in so many.
    OneIn(u32),
}

/// A single address or a prefix to compare with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Address {
    /// The prefix; of full length for a single address.
    pub net: IpNet,
    /// `!`: holds for every other address.
    pub inverted: bool,
    /// Written without prefix length. Means the same as with the full length.
    pub bare: bool,
}

impl Address {
    /// A single address, written without prefix length.
    pub fn host(address: IpAddr) -> Self {
        Self { net: address.into(), inverted: false, bare: true }
    }

    /// Everything inside a prefix.
    pub fn within(net: IpNet) -> Self {
        Self { net, inverted: false, bare: false }
    }

    /// Everything outside a prefix.
    pub fn outside(net: IpNet) -> Self {
        Self { net, inverted: true, bare: false }
    }
}

/// What happens to a packet.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Target {
    /// Continues in another chain.
    Jump(ChainName),
    /// Passes.
    Accept,
    /// Vanishes.
    Drop,
    /// Vanishes, and its sender is told.
    Reject,
    /// Leaves this chain.
    Return,
    /// Gets another destination.
    Dnat(SocketAddr),
    /// Gets an address of this node as its source.
    Masquerade {
        /// Source ports at random (iptables 1.6.2 and later).
        random_fully: bool,
    },
    /// Bits of the mark are flipped.
    MarkXor(u32),
    /// Bits of the mark are set.
    MarkOr(u32),
}

impl Rule {
    /// A rule with matches in this order.
    pub fn new(matches: impl Into<Vec<Match>>, target: Target) -> Self {
        Self { matches: matches.into(), target: Some(target) }
    }

    /// A rule that matches, counts, and does nothing.
    pub fn without_target(matches: impl Into<Vec<Match>>) -> Self {
        Self { matches: matches.into(), target: None }
    }

    /// Appends the rule's matches and target, each token after a blank, as iptables-restore reads
    /// them behind `-A CHAIN`.
    pub fn write(&self, out: &mut Vec<u8>) {
        for condition in &self.matches {
            condition.write(out);
        }
        if let Some(target) = &self.target {
            target.write(out);
        }
    }
}

/// Writing to memory cannot fail.
macro_rules! put {
    ($out:expr, $($arg:tt)*) => { write!($out, $($arg)*).expect("memory takes all") };
}

impl Match {
    fn write(&self, out: &mut Vec<u8>) {
        match self {
            Self::Comment(text) if text.contains(' ') => put!(out, " -m comment --comment \"{text}\""),
            Self::Comment(text) => put!(out, " -m comment --comment {text}"),
            Self::Protocol(protocol) => put!(out, " -m {0} -p {0}", protocol.name()),
            Self::Source(address) => address.write("-s", out),
            Self::Destination(address) => address.write("-d", out),
            Self::DestinationPort(port) => put!(out, " --dport {port}"),
            Self::InInterface { name, inverted } => put!(out, "{} -i {name}", not(*inverted)),
            Self::SourceLocal => put!(out, " -m addrtype --src-type LOCAL"),
            Self::DestinationLocal => put!(out, " -m addrtype --dst-type LOCAL"),
            Self::Mark { value, mask, inverted } => {
                put!(out, " -m mark{} --mark {value:#010x}/{mask:#010x}", not(*inverted));
            }
            Self::ConntrackState { states, inverted } => {
                put!(out, " -m conntrack{} --ctstate {states}", not(*inverted));
            }
            Self::Nfacct(name) => put!(out, " -m nfacct --nfacct-name {name}"),
            Self::RecentCheck { list, seconds } => {
                put!(out, " -m recent --name {list} --rcheck --seconds {seconds} --reap");
            }
            Self::RecentSet { list } => put!(out, " -m recent --name {list} --set"),
            Self::OneIn(n) => {
                put!(out, " -m statistic --mode random --probability {:.10}", 1.0 / f64::from(*n))
            }
        }
    }
}

impl Address {
    fn write(&self, option: &str, out: &mut Vec<u8>) {
        let not = not(self.inverted);
        if self.bare {
            put!(out, "{not} {option} {}", self.net.addr());
        } else {
            put!(out, "{not} {option} {}", self.net);
        }
    }
}

impl Target {
    fn write(&self, out: &mut Vec<u8>) {
        match self {
            Self::Jump(chain) => {
                out.extend_from_slice(b" -j ");
                chain.write(out);
            }
            Self::Accept => put!(out, " -j ACCEPT"),
            Self::Drop => put!(out, " -j DROP"),
            Self::Reject => put!(out, " -j REJECT"),
            Self::Return => put!(out, " -j RETURN"),
            Self::Dnat(to) => put!(out, " -j DNAT --to-destination {to}"),
            Self::Masquerade { random_fully: true } => put!(out, " -j MASQUERADE --random-fully"),
            Self::Masquerade { random_fully: false } => put!(out, " -j MASQUERADE"),
            Self::MarkXor(bits) => put!(out, " -j MARK --xor-mark {bits:#010x}"),
            Self::MarkOr(bits) => put!(out, " -j MARK --or-mark {bits:#010x}"),
        }
    }
}

fn not(inverted: bool) -> &'static str {
    if inverted { " !" } else { "" }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn probabilities_have_ten_decimals() {
        for (n, text) in [
            (1, "1.0000000000"),
            (2, "0.5000000000"),
            (7, "0.1428571429"),
            (2048, "0.0004882812"),
            (100_000, "0.0000100000"),
            (100_001, "0.0000099999"),
        ] {
            let mut out = Vec::new();
            Match::OneIn(n).write(&mut out);
            assert_eq!(
                String::from_utf8(out).unwrap(),
                format!(" -m statistic --mode random --probability {text}")
            );
        }
    }

    #[test]
    fn probabilities_grow_as_choices_shrink() {
        let text = |n: u32| format!("{:.10}", 1.0 / f64::from(n)).parse::<f64>().unwrap();
        assert!((2..100_000).rev().all(|n| text(n) > text(n + 1)));
    }
}
