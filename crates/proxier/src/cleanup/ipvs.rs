//! The chains of kube-proxy in IPVS mode, and the jumps to them.
//!
//! Knows nothing of what IPVS mode makes outside the iptables tables: that is `ip_vs`.

use crate::chain::{ChainName, Table};
use crate::jump::Jump;
use crate::rule::{Match, Rule, Target};

const NAT: [&str; 5] =
    ["KUBE-SERVICES", "KUBE-POSTROUTING", "KUBE-NODE-PORT", "KUBE-LOAD-BALANCER", "KUBE-MARK-MASQ"];

const FILTER: [&str; 6] = [
    "KUBE-FORWARD",
    "KUBE-NODE-PORT",
    "KUBE-PROXY-FIREWALL",
    "KUBE-SOURCE-RANGES-FIREWALL",
    "KUBE-IPVS-FILTER",
    "KUBE-IPVS-OUT-FILTER",
];

/// Table, built-in chain, comment, our chain.
const JUMPS: [(Table, ChainName, &str, &str); 9] = [
    (Table::Nat, ChainName::OUTPUT, "kubernetes service portals", "KUBE-SERVICES"),
    (Table::Nat, ChainName::PREROUTING, "kubernetes service portals", "KUBE-SERVICES"),
    (Table::Nat, ChainName::POSTROUTING, "kubernetes postrouting rules", "KUBE-POSTROUTING"),
    (Table::Filter, ChainName::FORWARD, "kubernetes forwarding rules", "KUBE-FORWARD"),
    (Table::Filter, ChainName::INPUT, "kubernetes health check rules", "KUBE-NODE-PORT"),
    (Table::Filter, ChainName::INPUT, "kube-proxy firewall rules", "KUBE-PROXY-FIREWALL"),
    (Table::Filter, ChainName::FORWARD, "kube-proxy firewall rules", "KUBE-PROXY-FIREWALL"),
    (Table::Filter, ChainName::INPUT, "kubernetes ipvs access filter", "KUBE-IPVS-FILTER"),
    (Table::Filter, ChainName::OUTPUT, "kubernetes ipvs access filter", "KUBE-IPVS-OUT-FILTER"),
];

pub(super) fn jumps() -> Vec<Jump> {
    JUMPS.into_iter().map(|(table, from, comment, to)| jump(table, from, comment, to)).collect()
}

fn jump(table: Table, from: ChainName, comment: &str, to: &str) -> Jump {
    let to = ChainName::parse(to);
    let rule = Rule::new(vec![Match::Comment(comment.into())], Target::Jump(to.clone()));
    Jump { table, from, to, rule }
}

pub(super) fn owns(table: Table, chain: &ChainName) -> bool {
    let names = match table {
        Table::Nat => NAT.as_slice(),
        Table::Filter => FILTER.as_slice(),
        Table::Mangle => &[],
    };
    names.contains(&chain.to_string().as_str())
}
