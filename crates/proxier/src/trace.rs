//! Walks a packet through rules and tells what becomes of it, and by which rules.
//!
//! Knows nothing of connections: rules about marks and connection states never hold, lots are always
//! drawn, so that every endpoint that a packet can reach is found.

mod reason;

use std::collections::BTreeMap;
use std::fmt;
use std::net::{IpAddr, SocketAddr};

use informer::object::Protocol;

use crate::chain::{ChainName, Table};
use crate::parse::Save;
use crate::rule::{Match, Rule, Target};
use crate::ruleset::Ruleset;

pub use reason::reasons;

/// The first packet of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Packet {
    /// Where it comes from.
    pub source: IpAddr,
    /// Its protocol.
    pub protocol: Protocol,
    /// Where it is going.
    pub destination: SocketAddr,
}

/// What becomes of a packet.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Verdict<'a> {
    /// In the order in which they are met; several endpoints share the traffic. None if the packet
    /// is neither translated nor refused.
    pub ends: Vec<End>,
    /// Whether it gets an address of this node as its source, at one of its ends at least.
    pub masqueraded: bool,
    /// How many seconds of quiet a client's next connections go to the same endpoint as this one.
    pub affinity: Option<u32>,
    /// The rules that acted on it, in the order in which it met them.
    pub path: Vec<Step<'a>>,
}

/// One of the ends that a packet can come to.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct End {
    /// What becomes of it there.
    pub outcome: Outcome,
    /// Which part of all such packets comes here, of 1; of those that the filter sees, if it is there.
    pub share: f64,
    /// Whether it gets an address of this node as its source.
    pub masqueraded: bool,
}

/// Where a walk ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Sent to an endpoint.
    Dnat(SocketAddr),
    /// Passes.
    Accept,
    /// Vanishes, and its sender is told.
    Reject,
    /// Vanishes.
    Drop,
}

/// A rule that acted on a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Step<'a> {
    /// How many chains led to this one.
    pub depth: usize,
    /// The table.
    pub table: Table,
    /// The chain.
    pub chain: &'a ChainName,
    /// The rule.
    pub rule: &'a Rule,
}

/// As iptables spells it: a target, or an endpoint.
impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Dnat(endpoint) => fmt::Display::fmt(endpoint, f),
            Self::Accept => f.write_str("ACCEPT"),
            Self::Reject => f.write_str("REJECT"),
            Self::Drop => f.write_str("DROP"),
        }
    }
}

/// The outcomes with commas between them; `none` if there are none.
impl fmt::Display for Verdict<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some((first, others)) = self.ends.split_first() else { return f.write_str("none") };
        write!(f, "{}", first.outcome)?;
        others.iter().try_for_each(|end| write!(f, ", {}", end.outcome))
    }
}

/// The chain of nat that a new connection meets.
static DISPATCH: ChainName = ChainName::KUBE_SERVICES;

/// The chains of filter that a new connection meets, besides what the built-in chains hold of others, and the built-in
/// chains that lead to them.
static FILTERS: [(ChainName, &[ChainName]); 4] = [
    (ChainName::KUBE_SERVICES, &[ChainName::FORWARD, ChainName::OUTPUT]),
    (ChainName::KUBE_EXTERNAL_SERVICES, &[ChainName::INPUT, ChainName::FORWARD]),
    (ChainName::KUBE_NODEPORTS, &[ChainName::INPUT]),
    (ChainName::KUBE_PROXY_FIREWALL, &[ChainName::INPUT, ChainName::FORWARD, ChainName::OUTPUT]),
];

/// Rules that packets can be walked through.
#[derive(Clone, Debug)]
pub struct Tracer<'a> {
    chains: BTreeMap<(Table, &'a ChainName), Vec<&'a Rule>>,
    local_addresses: &'a [IpAddr],
}

impl<'a> Tracer<'a> {
    /// Through the rules that are wanted, on a host with these addresses.
    pub fn of_ruleset(ruleset: &'a Ruleset, local_addresses: &'a [IpAddr]) -> Self {
        Self { chains: ruleset.by_chain(), local_addresses }
    }

    /// Through the rules that are installed, on a host with these addresses. Rules of others are passed over.
    pub fn of_save(save: &'a Save, local_addresses: &'a [IpAddr]) -> Self {
        Self { chains: save.by_chain(), local_addresses }
    }

    /// What becomes of a packet.
    ///
    /// It is translated first; the filter sees the destination that it got, if several are
    /// possible the first, but with the port that it was sent to.
    pub fn trace(&self, packet: &Packet) -> Verdict<'a> {
        let mut walk = Walk {
            tracer: self,
            packet: *packet,
            inside: Vec::new(),
            share: 1.0,
            is_marked: false,
            verdict: Verdict::default(),
        };
        walk.chain(Table::Nat, &DISPATCH);
        walk.verdict.masqueraded |= walk.is_marked;
        if let Some(End { outcome: Outcome::Dnat(endpoint), .. }) = walk.verdict.ends.first() {
            walk.packet.destination.set_ip(endpoint.ip());
        }
        (walk.share, walk.is_marked) = (1.0, false);
        let hooks = walk.hooks();
        for (chain, leads) in &FILTERS {
            if leads.iter().any(|lead| hooks.contains(lead)) {
                walk.chain(Table::Filter, chain);
            }
        }
        walk.verdict
    }
}

/// A packet on its way.
struct Walk<'t, 'a> {
    tracer: &'t Tracer<'a>,
    packet: Packet,
    /// The chains it is inside of. The kernel refuses loops, a text may have one.
    inside: Vec<(Table, &'a ChainName)>,
    /// Which part of all such packets gets here, of 1.
    share: f64,
    is_marked: bool,
    verdict: Verdict<'a>,
}

/// How a walk goes on behind a rule.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Next {
    /// With the next rule.
    Rule,
    /// Behind the rule that led into this chain.
    Caller,
    /// Nowhere: the packet's fate is known.
    End,
}

impl<'a> Walk<'_, 'a> {
    /// The built-in chains of filter that the packet passes.
    fn hooks(&self) -> Vec<ChainName> {
        let is_local = |address| self.tracer.local_addresses.contains(&address);
        match (is_local(self.packet.source), is_local(self.packet.destination.ip())) {
            (false, false) => vec![ChainName::FORWARD],
            (false, true) => vec![ChainName::INPUT],
            (true, false) => vec![ChainName::OUTPUT],
            (true, true) => vec![ChainName::OUTPUT, ChainName::INPUT],
        }
    }

    /// Whether the packet's fate is known at the end of the chain.
    fn chain(&mut self, table: Table, chain: &'a ChainName) -> bool {
        let Some(rules) = self.tracer.chains.get(&(table, chain)) else { return false };
        if self.inside.contains(&(table, chain)) {
            return false;
        }
        self.inside.push((table, chain));
        let depth = self.inside.len() - 1;
        let mut behind = rules.iter().map(|rule| self.rule(Step { depth, table, chain, rule }));
        let next = behind.find(|next| *next != Next::Rule);
        self.inside.pop();
        next == Some(Next::End)
    }

    fn rule(&mut self, step: Step<'a>) -> Next {
        let Some(target) = &step.rule.target else { return Next::Rule };
        let refused = step.rule.matches.iter().filter(|condition| !self.holds(condition));
        match refused.collect::<Vec<_>>().as_slice() {
            [] => {}
            [Match::RecentCheck { seconds, .. }] => {
                self.verdict.affinity = Some(*seconds);
                return Next::Rule;
            }
            _ => return Next::Rule,
        }
        self.verdict.path.push(step);
        match target {
            Target::Jump(ChainName::KUBE_MARK_MASQ) => {
                self.is_marked = true;
                Next::Rule
            }
            Target::Jump(chain) => self.jump(&step, chain),
            Target::Return => Next::Caller,
            Target::Accept => self.end(Outcome::Accept),
            Target::Drop => self.end(Outcome::Drop),
            Target::Reject => self.end(Outcome::Reject),
            Target::Dnat(endpoint) => self.end(Outcome::Dnat(*endpoint)),
            Target::Masquerade { .. } | Target::MarkXor(_) | Target::MarkOr(_) => Next::Rule,
        }
    }

    /// Behind a lot, those go on that it did not fall on, as they were.
    fn jump(&mut self, step: &Step<'a>, chain: &'a ChainName) -> Next {
        let Some(lot) = step.rule.matches.iter().find_map(lot) else {
            return if self.chain(step.table, chain) { Next::End } else { Next::Rule };
        };
        let (share, is_marked) = (self.share, self.is_marked);
        self.share = share * lot;
        let has_ended = self.chain(step.table, chain);
        self.share = share;
        if has_ended {
            self.share -= share * lot;
            self.is_marked = is_marked;
        }
        Next::Rule
    }

    fn end(&mut self, outcome: Outcome) -> Next {
        self.verdict.masqueraded |= self.is_marked;
        self.verdict.ends.push(End { outcome, share: self.share, masqueraded: self.is_marked });
        Next::End
    }

    fn holds(&self, condition: &Match) -> bool {
        let is_local = |address| self.tracer.local_addresses.contains(&address);
        match condition {
            Match::Source(address) => address.net.contains(&self.packet.source) != address.inverted,
            Match::Destination(address) => {
                address.net.contains(&self.packet.destination.ip()) != address.inverted
            }
            Match::Protocol(protocol) => *protocol == self.packet.protocol,
            Match::DestinationPort(port) => *port == self.packet.destination.port(),
            Match::SourceLocal => is_local(self.packet.source),
            Match::DestinationLocal => is_local(self.packet.destination.ip()),
            Match::Mark { .. } | Match::ConntrackState { .. } | Match::RecentCheck { .. } => false,
            Match::Comment(_)
            | Match::InInterface { .. }
            | Match::Nfacct(_)
            | Match::RecentSet { .. }
            | Match::OneIn(_) => true,
        }
    }
}

/// Which part of the packets that come to the condition it takes, if it draws lots.
fn lot(condition: &Match) -> Option<f64> {
    if let Match::OneIn(n) = condition { Some(f64::from(*n).recip()) } else { None }
}

#[cfg(test)]
mod tests;
