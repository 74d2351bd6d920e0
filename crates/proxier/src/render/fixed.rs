//! Rules and chains that exist whatever Services there are.

use std::borrow::Cow;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

use crate::chain::{ChainName, Table};
use crate::family::Family;
use crate::option::NodePortAddresses;
use crate::rule::{Address, Match, Rule, Target};
use crate::ruleset::{Placed, Ruleset};

use super::Context;

/// nfacct counter of packets dropped because conntrack calls them invalid.
pub const INVALID_COUNTER: &str = "ct_state_invalid_dropped_pkts";
/// nfacct counter of packets to node ports on loopback.
pub const LOCALHOST_COUNTER: &str = "localhost_nps_accepted_pkts";

const NODE_PORTS_COMMENT: &str =
    "kubernetes service nodeports; NOTE: this must be the last rule in this chain";

pub(super) fn ruleset(context: &Context) -> Ruleset {
    let mut ruleset = Ruleset { fixed_chains: chains(context), ..Ruleset::default() };
    if blocks_martians(context) {
        ruleset.head.push(in_filter(ChainName::KUBE_FIREWALL, anti_martian()));
    }
    ruleset.head.extend(masquerading(context));
    ruleset.tail.extend(node_port_dispatch(context));
    ruleset.tail.extend(forwarding(context));
    ruleset
}

fn chains(context: &Context) -> Vec<(Table, ChainName)> {
    let mut chains = vec![
        (Table::Filter, ChainName::KUBE_SERVICES),
        (Table::Filter, ChainName::KUBE_EXTERNAL_SERVICES),
        (Table::Filter, ChainName::KUBE_FORWARD),
        (Table::Filter, ChainName::KUBE_NODEPORTS),
        (Table::Filter, ChainName::KUBE_PROXY_FIREWALL),
        (Table::Nat, ChainName::KUBE_SERVICES),
        (Table::Nat, ChainName::KUBE_NODEPORTS),
        (Table::Nat, ChainName::KUBE_POSTROUTING),
        (Table::Nat, ChainName::KUBE_MARK_MASQ),
    ];
    // When there is nothing to block, the chain is not mentioned, so that the kubelet's rules in it survive.
    if blocks_martians(context) {
        chains.push((Table::Filter, ChainName::KUBE_FIREWALL));
    }
    chains
}

fn blocks_martians(context: &Context) -> bool {
    context.family == Family::V4 && context.options.localhost_node_ports
}

/// route_localnet lets neighbours address 127.0.0.0/8 of this host (CVE-2020-8558).
fn anti_martian() -> Rule {
    let matches = [
        comment("block incoming localnet connections"),
        Match::Destination(Address::within(loopback(Family::V4))),
        Match::Source(Address::outside(loopback(Family::V4))),
        Match::ConntrackState { states: Cow::Borrowed("RELATED,ESTABLISHED,DNAT"), inverted: true },
    ];
    Rule::new(matches, Target::Drop)
}

fn masquerading(context: &Context) -> [Placed; 4] {
    let mark = context.options.masquerade_mark;
    let unmarked = Match::Mark { value: mark, mask: mark, inverted: true };
    let random_fully = context.options.random_fully;
    let snat = comment("kubernetes service traffic requiring SNAT");
    [
        in_nat(ChainName::KUBE_POSTROUTING, Rule::new([unmarked], Target::Return)),
        // The mark is cleared, lest the packet is masqueraded again on its way through a tunnel.
        in_nat(ChainName::KUBE_POSTROUTING, Rule::new([], Target::MarkXor(mark))),
        in_nat(ChainName::KUBE_POSTROUTING, Rule::new([snat], Target::Masquerade { random_fully })),
        in_nat(ChainName::KUBE_MARK_MASQ, Rule::new([], Target::MarkOr(mark))),
    ]
}

fn node_port_dispatch(context: &Context) -> Vec<Placed> {
    let reaches_loopback = context.options.localhost_node_ports;
    let addresses = &context.options.node_port_addresses;
    if *addresses == NodePortAddresses::All {
        let mut matches = vec![comment(NODE_PORTS_COMMENT), Match::DestinationLocal];
        if !reaches_loopback {
            matches.push(Match::Destination(Address::outside(loopback(context.family))));
        }
        return vec![node_port_rule(matches)];
    }
    let matching = addresses.matching(&context.host.addresses).into_iter();
    let served = matching.filter(|address| reaches_loopback || !address.is_loopback());
    served.map(|address| node_port_rule(vec![comment(NODE_PORTS_COMMENT), destination(address)])).collect()
}

fn node_port_rule(matches: Vec<Match>) -> Placed {
    in_nat(ChainName::KUBE_SERVICES, Rule::new(matches, Target::Jump(ChainName::KUBE_NODEPORTS)))
}

fn forwarding(context: &Context) -> Vec<Placed> {
    let mark = context.options.masquerade_mark;
    let marked = Match::Mark { value: mark, mask: mark, inverted: false };
    let state = |states| Match::ConntrackState { states: Cow::Borrowed(states), inverted: false };
    let mut rules = Vec::with_capacity(3);
    if context.options.drop_invalid {
        let mut matches = vec![state("INVALID")];
        matches.extend(context.host.counts_invalid.then_some(Match::Nfacct(Cow::Borrowed(INVALID_COUNTER))));
        rules.push(Rule::new(matches, Target::Drop));
    }
    rules.push(Rule::new([comment("kubernetes forwarding rules"), marked], Target::Accept));
    let known = [comment("kubernetes forwarding conntrack rule"), state("RELATED,ESTABLISHED")];
    rules.push(Rule::new(known, Target::Accept));
    rules.into_iter().map(|rule| in_filter(ChainName::KUBE_FORWARD, rule)).collect()
}

fn loopback(family: Family) -> IpNet {
    match family {
        Family::V4 => Ipv4Net::new_assert(Ipv4Addr::new(127, 0, 0, 0), 8).into(),
        Family::V6 => Ipv6Net::new_assert(Ipv6Addr::LOCALHOST, 128).into(),
    }
}

fn destination(address: IpAddr) -> Match {
    Match::Destination(Address::host(address))
}

fn comment(text: &str) -> Match {
    Match::Comment(text.into())
}

fn in_filter(chain: ChainName, rule: Rule) -> Placed {
    Placed { table: Table::Filter, chain, rule }
}

fn in_nat(chain: ChainName, rule: Rule) -> Placed {
    Placed { table: Table::Nat, chain, rule }
}
