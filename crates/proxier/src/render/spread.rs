//! `KUBE-SVC-` and `KUBE-SVL-`: traffic spread over endpoints, and marked for masquerading on its way.

use informer::object::SessionAffinity;

use crate::chain::{ChainName, Role};
use crate::option::LocalDetector;
use crate::rule::{Address, Match, Rule, Target};
use crate::ruleset::PortRules;

use super::Subject;

/// Traffic to the cluster IP that does not come from a pod needs this node's address as its source.
/// Stands first in the chain, before the rules of [`write()`].
pub(super) fn masquerade_internal(subject: &Subject, rules: &mut PortRules) {
    if !subject.reachability().internal {
        return;
    }
    let mut matches = vec![subject.comment("cluster IP")];
    matches.extend(subject.to(subject.port.cluster_ip));
    let options = subject.context.options;
    match &options.local_detector {
        _ if options.masquerade_all => {}
        // Nothing lies outside of everything, and iptables (nf_tables) refuses to say so.
        Some(LocalDetector::Source(cidr)) if cidr.prefix_len() == 0 => return,
        Some(detector) => matches.push(not_from_pods(detector)),
        None => return,
    }
    let masquerade = Target::Jump(ChainName::KUBE_MARK_MASQ);
    rules.nat(&subject.internal_chain(), Rule::new(matches, masquerade));
}

pub(super) fn write(subject: &Subject, rules: &mut PortRules) {
    for (role, endpoints) in
        [(Role::Cluster, &subject.topology.cluster), (Role::Local, &subject.topology.local)]
    {
        if !endpoints.is_empty() {
            spread(subject, &subject.chain(role), endpoints, rules);
        }
    }
}

fn spread(subject: &Subject, chain: &ChainName, endpoints: &[usize], rules: &mut PortRules) {
    rules.declare(chain);
    if let SessionAffinity::ClientIp { timeout_seconds } = subject.port.session_affinity {
        for &index in endpoints {
            let list = subject.endpoint_chain(index);
            let check = Match::RecentCheck { list: list.clone(), seconds: timeout_seconds };
            rules.nat(chain, to_endpoint(subject, index, Some(check), list));
        }
    }
    for (position, &index) in endpoints.iter().enumerate() {
        let choices = u32::try_from(endpoints.len() - position).expect("endpoints are counted in thousands");
        let chance = (choices > 1).then_some(Match::OneIn(choices));
        rules.nat(chain, to_endpoint(subject, index, chance, subject.endpoint_chain(index)));
    }
}

fn to_endpoint(subject: &Subject, index: usize, condition: Option<Match>, chain: ChainName) -> Rule {
    let comment = || subject.comment(&format!("-> {}", subject.endpoints[index].text));
    let mut matches = Vec::with_capacity(2);
    matches.extend((!subject.context.large).then(comment));
    matches.extend(condition);
    Rule::new(matches, Target::Jump(chain))
}

fn not_from_pods(detector: &LocalDetector) -> Match {
    match detector {
        LocalDetector::Source(cidr) => Match::Source(Address::outside(*cidr)),
        LocalDetector::Interface(name) => Match::InInterface { name: name.clone(), inverted: true },
    }
}
