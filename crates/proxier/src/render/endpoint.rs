//! `KUBE-SEP-`: one endpoint.

use informer::object::SessionAffinity;

use crate::chain::ChainName;
use crate::rule::{Address, Match, Rule, Target};
use crate::ruleset::PortRules;

use super::Subject;

pub(super) fn write(subject: &Subject, rules: &mut PortRules) {
    for &index in &subject.topology.reachable {
        let chain = subject.endpoint_chain(index);
        rules.declare(&chain);
        rules.nat(&chain, hairpin(subject, index));
        rules.nat(&chain, translate(subject, index, &chain));
    }
}

/// An endpoint that reaches itself through its Service must not see its own address as the source.
fn hairpin(subject: &Subject, index: usize) -> Rule {
    let mut matches = comment(subject);
    matches.push(Match::Source(Address::host(subject.endpoints[index].address.ip())));
    Rule::new(matches, Target::Jump(ChainName::KUBE_MARK_MASQ))
}

fn translate(subject: &Subject, index: usize, chain: &ChainName) -> Rule {
    let mut matches = comment(subject);
    if matches!(subject.port.session_affinity, SessionAffinity::ClientIp { .. }) {
        matches.push(Match::RecentSet { list: chain.clone() });
    }
    matches.push(Match::Protocol(subject.name.protocol));
    Rule::new(matches, Target::Dnat(subject.endpoints[index].address))
}

fn comment(subject: &Subject) -> Vec<Match> {
    if subject.context.large { Vec::new() } else { vec![subject.bare_comment()] }
}
