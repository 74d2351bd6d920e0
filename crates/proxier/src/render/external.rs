//! `KUBE-EXT-` and `KUBE-FW-`: what traffic from outside passes before it is spread over endpoints.

use crate::chain::{ChainName, Role};
use crate::option::LocalDetector;
use crate::rule::{Address, Match, Rule, Target};
use crate::ruleset::PortRules;

use super::Subject;

pub(super) fn write(subject: &Subject, rules: &mut PortRules) {
    if subject.has_external() {
        entry(subject, rules);
    }
    if subject.has_firewall() {
        firewall(subject, rules);
    }
}

fn entry(subject: &Subject, rules: &mut PortRules) {
    let chain = subject.chain(Role::External);
    rules.declare(&chain);
    if subject.port.external_policy_local {
        short_circuit(subject, &chain, rules);
    } else {
        let comment = format!("masquerade traffic for {} external destinations", subject.text);
        let comment = Match::Comment(comment.into());
        rules.nat(&chain, Rule::new([comment], Target::Jump(ChainName::KUBE_MARK_MASQ)));
    }
    if subject.reachability().external {
        rules.nat(&chain, Rule::new([], Target::Jump(subject.external_chain())));
    }
}

/// Policy Local is for clients outside of the cluster. Pods and the node itself may go to any
/// endpoint, and no masquerading is needed to keep a pod's address.
fn short_circuit(subject: &Subject, chain: &ChainName, rules: &mut PortRules) {
    let comment = |what: &str| {
        Match::Comment(format!("{what} traffic for {} external destinations", subject.text).into())
    };
    let cluster = Target::Jump(subject.chain(Role::Cluster));
    if let Some(detector) = &subject.context.options.local_detector {
        rules.nat(chain, Rule::new([comment("pod"), from_pods(detector)], cluster.clone()));
    }
    let masquerade = Target::Jump(ChainName::KUBE_MARK_MASQ);
    rules.nat(chain, Rule::new([comment("masquerade LOCAL"), Match::SourceLocal], masquerade));
    rules.nat(chain, Rule::new([comment("route LOCAL"), Match::SourceLocal], cluster));
}

/// What no range admits returns untranslated, and meets `KUBE-PROXY-FIREWALL`.
fn firewall(subject: &Subject, rules: &mut PortRules) {
    let chain = subject.chain(Role::Firewall);
    rules.declare(&chain);
    let external = Target::Jump(subject.chain(Role::External));
    let mut admit = |source| {
        let matches = [subject.comment("loadbalancer IP"), Match::Source(source)];
        rules.nat(&chain, Rule::new(matches, external.clone()));
    };
    for range in &subject.port.source_ranges {
        admit(Address::within(*range));
    }
    // A node talking to the load balancer IP may carry that address as its source.
    let node_ip = subject.context.options.node_ip;
    if subject.port.source_ranges.iter().any(|range| range.contains(&node_ip)) {
        for address in &subject.port.load_balancer_ips {
            admit(Address::host(*address));
        }
    }
    let comment = format!("other traffic to {} will be dropped by KUBE-PROXY-FIREWALL", subject.text);
    rules.nat(&chain, Rule::without_target([Match::Comment(comment.into())]));
}

fn from_pods(detector: &LocalDetector) -> Match {
    match detector {
        LocalDetector::Source(cidr) => Match::Source(Address::within(*cidr)),
        LocalDetector::Interface(name) => Match::InInterface { name: name.clone(), inverted: false },
    }
}
