//! The rules by which packets come from built-in chains to ours.

use std::borrow::Cow;
use std::collections::BTreeSet;

use crate::chain::{ChainName, Table};
use crate::rule::{Match, Rule, Target};
use crate::text;

/// One rule in a built-in chain, and the chain of ours that it leads to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Jump {
    /// The table of both chains.
    pub table: Table,
    /// The built-in chain.
    pub from: ChainName,
    /// Our chain.
    pub to: ChainName,
    /// The rule, jump included.
    pub rule: Rule,
}

/// All jumps in the order in which they are made sure of. A missing one is put first in its chain,
/// so that on an empty host the last one here comes first there.
pub fn jumps() -> Vec<Jump> {
    use ChainName as C;
    let portals = "kubernetes service portals";
    let visible = "kubernetes externally-visible service portals";
    let firewall = "kubernetes load balancer firewall";
    vec![
        of_new(C::INPUT, C::KUBE_EXTERNAL_SERVICES, visible),
        of_new(C::FORWARD, C::KUBE_EXTERNAL_SERVICES, visible),
        of_all(Table::Filter, C::INPUT, C::KUBE_NODEPORTS, "kubernetes health check service ports"),
        of_new(C::FORWARD, C::KUBE_SERVICES, portals),
        of_new(C::OUTPUT, C::KUBE_SERVICES, portals),
        of_all(Table::Filter, C::FORWARD, C::KUBE_FORWARD, "kubernetes forwarding rules"),
        of_new(C::INPUT, C::KUBE_PROXY_FIREWALL, firewall),
        of_new(C::OUTPUT, C::KUBE_PROXY_FIREWALL, firewall),
        of_new(C::FORWARD, C::KUBE_PROXY_FIREWALL, firewall),
        of_all(Table::Nat, C::OUTPUT, C::KUBE_SERVICES, portals),
        of_all(Table::Nat, C::PREROUTING, C::KUBE_SERVICES, portals),
        of_all(Table::Nat, C::POSTROUTING, C::KUBE_POSTROUTING, "kubernetes postrouting rules"),
        jump(Table::Filter, C::INPUT, C::KUBE_FIREWALL, Vec::new()),
        jump(Table::Filter, C::OUTPUT, C::KUBE_FIREWALL, Vec::new()),
    ]
}

/// What makes chains for iptables-restore that are not there, with the jumps to them.
pub fn input(jumps: &[&Jump]) -> Vec<u8> {
    let mut out = Vec::new();
    let tables: BTreeSet<_> = jumps.iter().map(|jump| jump.table).collect();
    for table in tables {
        let of_table = || jumps.iter().filter(|jump| jump.table == table);
        text::begin(table, &mut out);
        of_table()
            .map(|jump| &jump.to)
            .collect::<BTreeSet<_>>()
            .into_iter()
            .for_each(|chain| text::create(chain, &mut out));
        of_table().for_each(|jump| text::insert(&jump.from, &jump.rule, &mut out));
        text::commit(&mut out);
    }
    out
}

/// For the first packet of a connection only, in the filter table.
fn of_new(from: ChainName, to: ChainName, comment: &str) -> Jump {
    let new = Match::ConntrackState { states: Cow::Borrowed("NEW"), inverted: false };
    jump(Table::Filter, from, to, vec![new, Match::Comment(comment.into())])
}

fn of_all(table: Table, from: ChainName, to: ChainName, comment: &str) -> Jump {
    jump(table, from, to, vec![Match::Comment(comment.into())])
}

fn jump(table: Table, from: ChainName, to: ChainName, matches: Vec<Match>) -> Jump {
    let rule = Rule::new(matches, Target::Jump(to.clone()));
    Jump { table, from, to, rule }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_comes_with_its_chains() {
        let all = jumps();
        let some: Vec<_> = all.iter().filter(|jump| jump.to == ChainName::KUBE_SERVICES).collect();
        let text = String::from_utf8(input(&some)).unwrap();
        let nat: Vec<_> = text.lines().skip_while(|line| *line != "*nat").collect();
        let jump = "-m comment --comment \"kubernetes service portals\" -j KUBE-SERVICES";
        let (output, prerouting) = (format!("-I OUTPUT {jump}"), format!("-I PREROUTING {jump}"));
        assert_eq!(nat, ["*nat", "-N KUBE-SERVICES", &output, &prerouting, "COMMIT"]);
        assert_eq!(text.matches("-N ").count(), 2, "once for each table");
    }
}
