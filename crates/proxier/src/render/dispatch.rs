//! How a packet finds the chains of its service port, or its refusal: rules in the shared chains.

use std::borrow::Cow;
use std::net::{IpAddr, Ipv4Addr};
use std::num::NonZeroU16;

use informer::object::Protocol;
use ipnet::{IpNet, Ipv4Net};

use crate::chain::{ChainName, Role};
use crate::rule::{Address, Match, Rule, Target};
use crate::ruleset::PortRules;

use super::Subject;
use super::fixed::LOCALHOST_COUNTER;

pub(super) fn write(subject: &Subject, rules: &mut PortRules) {
    cluster_ip(subject, rules);
    external_ips(subject, rules);
    load_balancer_ips(subject, rules);
    if let Some(node_port) = subject.port.node_port {
        self::node_port(subject, node_port, rules);
    }
    if let Some(port) = subject.port.health_check_node_port {
        health_check_node_port(subject, port, rules);
    }
}

fn cluster_ip(subject: &Subject, rules: &mut PortRules) {
    let address = subject.port.cluster_ip;
    if subject.reachability().internal {
        nat_to(subject, "cluster IP", address, subject.internal_chain(), rules);
    } else {
        refuse(subject, &ChainName::KUBE_SERVICES, address, rules);
    }
}

/// With policy Local and no local endpoint both rules exist: pods and the node itself still get
/// through nat, everybody else meets the refusal.
fn external_ips(subject: &Subject, rules: &mut PortRules) {
    for &address in subject.external_ips() {
        if subject.topology.any {
            nat_to(subject, "external IP", address, subject.chain(Role::External), rules);
        }
        if !subject.reachability().external {
            refuse(subject, &ChainName::KUBE_EXTERNAL_SERVICES, address, rules);
        }
    }
}

fn load_balancer_ips(subject: &Subject, rules: &mut PortRules) {
    for &address in &subject.port.load_balancer_ips {
        if subject.topology.any {
            nat_to(subject, "loadbalancer IP", address, subject.load_balancer_chain(), rules);
        }
        if subject.has_firewall() {
            let comment =
                subject.comment(&format!("traffic not accepted by {}", subject.chain(Role::Firewall)));
            let rule = Rule::new(with(comment, subject.to(address)), Target::Drop);
            rules.filter(&ChainName::KUBE_PROXY_FIREWALL, rule);
        }
    }
    if !subject.reachability().external {
        for &address in &subject.port.load_balancer_ips {
            refuse(subject, &ChainName::KUBE_EXTERNAL_SERVICES, address, rules);
        }
    }
}

/// The refusal is not limited by node-port addresses.
fn node_port(subject: &Subject, port: NonZeroU16, rules: &mut PortRules) {
    if subject.topology.any {
        let external = Target::Jump(subject.chain(Role::External));
        if subject.context.options.localhost_node_ports && subject.context.host.counts_localhost {
            rules.nat(&ChainName::KUBE_NODEPORTS, counted_localhost(subject, port, external.clone()));
        }
        let rule = Rule::new(with(subject.bare_comment(), subject.to_port(port)), external);
        rules.nat(&ChainName::KUBE_NODEPORTS, rule);
    }
    if !subject.reachability().external {
        let (comment, target) = subject.refusal();
        let mut matches = vec![comment, Match::DestinationLocal];
        matches.extend(subject.to_port(port));
        rules.filter(&ChainName::KUBE_EXTERNAL_SERVICES, Rule::new(matches, target));
    }
}

fn counted_localhost(subject: &Subject, port: NonZeroU16, target: Target) -> Rule {
    let loopback = IpNet::V4(Ipv4Net::new_assert(Ipv4Addr::new(127, 0, 0, 0), 8));
    let matches = [
        subject.bare_comment(),
        Match::Protocol(subject.name.protocol),
        Match::Destination(Address::within(loopback)),
        Match::DestinationPort(port.get()),
        Match::Nfacct(Cow::Borrowed(LOCALHOST_COUNTER)),
    ];
    Rule::new(matches, target)
}

/// Written for every port of the Service, whatever its protocol and endpoints.
fn health_check_node_port(subject: &Subject, port: NonZeroU16, rules: &mut PortRules) {
    let comment = subject.comment("health check node port");
    let to = [Match::Protocol(Protocol::Tcp), Match::DestinationPort(port.get())];
    rules.filter(&ChainName::KUBE_NODEPORTS, Rule::new(with(comment, to), Target::Accept));
}

fn nat_to(subject: &Subject, what: &str, address: IpAddr, chain: ChainName, rules: &mut PortRules) {
    let matches = with(subject.comment(what), subject.to(address));
    rules.nat(&ChainName::KUBE_SERVICES, Rule::new(matches, Target::Jump(chain)));
}

fn refuse(subject: &Subject, chain: &ChainName, address: IpAddr, rules: &mut PortRules) {
    let (comment, target) = subject.refusal();
    rules.filter(chain, Rule::new(with(comment, subject.to(address)), target));
}

fn with(comment: Match, rest: impl IntoIterator<Item = Match>) -> Vec<Match> {
    let mut matches = vec![comment];
    matches.extend(rest);
    matches
}
