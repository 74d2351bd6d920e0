//! The old rules of a service port whose new ones are refused: whether they may stay, and where they are.
//!
//! Knows nothing of who refuses rules and why.

use std::collections::{BTreeSet, VecDeque};

use informer::object::Protocol;
use ipnet::IpNet;

use crate::chain::{ChainName, Table};
use crate::parse::{self, SavedRule};
use crate::render::{Reachability, RenderedPort};
use crate::rule::{Match, Rule};
use crate::service::ServicePortName;
use crate::text;

use super::found::jump_to_own;
use super::installed::InstalledPort;
use super::{Applied, Found, SharedChain, lines};

/// Rules of a service port that stay.
#[derive(Debug)]
pub(super) struct OldRules {
    pub(super) installed: InstalledPort,
    /// Those in shared chains, in their normal form.
    pub(super) shared: Vec<(SharedChain, SavedRule)>,
}

/// What a rule of a shared chain takes for its service port: an address, if it names one, and a port.
type Claim = (Option<IpNet>, Protocol, u16);

impl Applied {
    /// Whether the rules of a service port take nothing that the port does not want any more: such an address or
    /// node port may belong to another Service by now.
    pub(super) fn may_stay(&self, wanted: &RenderedPort) -> bool {
        let rules = wanted.rules.rules.iter().map(|placed| &placed.rule);
        let claims: BTreeSet<_> = rules.filter_map(claim).collect();
        let shared = self.shared_rules_of(&wanted.name);
        shared.iter().filter_map(|(_, rule)| claim(rule.known()?)).all(|claim| claims.contains(&claim))
    }

    /// The rules of a service port in shared chains.
    fn shared_rules_of(&self, name: &ServicePortName) -> Vec<(SharedChain, SavedRule)> {
        match self {
            Self::Known(installed) => {
                let shared = installed.ports.get(name).into_iter().flat_map(|old| &old.shared);
                let rules = shared.flat_map(|(chain, text)| lines(text).map(move |rule| (chain, rule)));
                let parse = |rule: &[u8]| parse::rule(&String::from_utf8_lossy(rule));
                rules.map(|(chain, rule)| (chain.clone(), parse(rule))).collect()
            }
            Self::Found(found) => found.rules_of(name),
        }
    }
}

impl Found {
    /// The rules of a service port that it had in shared chains at `before`, if what they lead to is there.
    pub(super) fn old_rules(&self, name: &ServicePortName, before: &Applied) -> Option<OldRules> {
        let shared = before.shared_rules_of(name);
        let own = self.led_to(shared.iter().filter(|((table, _), _)| *table == Table::Nat));
        let own: Option<Box<[_]>> =
            own.into_iter().map(|chain| self.own(&chain).map(|own| (chain, own))).collect();
        let own = own?;
        let delivers = !own.is_empty();
        let installed = InstalledPort {
            shared: texts(&shared),
            own_rules: own.iter().map(|(_, own)| own.rules).sum(),
            own: own.iter().map(|(chain, own)| (chain.clone(), own.content)).collect(),
            reachability: Reachability { any: delivers, internal: delivers, external: delivers },
        };
        (!shared.is_empty()).then_some(OldRules { installed, shared })
    }

    /// Comments of rules in shared chains begin with the name of their service port.
    fn rules_of(&self, name: &ServicePortName) -> Vec<(SharedChain, SavedRule)> {
        let name_text = name.to_string();
        let is_named = |condition: &Match| matches!(condition, Match::Comment(text) if text.split(' ').next() == Some(&name_text));
        let is_of = |rule: &Rule| {
            rule.matches.iter().any(is_named) && rule.matches.contains(&Match::Protocol(name.protocol))
        };
        let all = self.others().flat_map(|(chain, rules)| rules.iter().map(move |rule| (chain, rule)));
        let named = all.filter(|(_, rule)| rule.known().is_some_and(is_of));
        named.map(|(chain, rule)| (chain.clone(), rule.clone())).collect()
    }

    /// The chains of service ports that rules lead to, directly or not.
    fn led_to<'a>(&self, rules: impl Iterator<Item = &'a (SharedChain, SavedRule)>) -> BTreeSet<ChainName> {
        let first = rules.filter_map(|(_, rule)| rule.known().and_then(jump_to_own));
        let mut next: VecDeque<_> = first.cloned().collect();
        let mut seen = BTreeSet::new();
        while let Some(chain) = next.pop_front() {
            let jumps = self.own(&chain).map(|own| own.jumps.as_slice()).unwrap_or_default();
            if seen.insert(chain) {
                next.extend(jumps.iter().cloned());
            }
        }
        seen
    }
}

fn texts(rules: &[(SharedChain, SavedRule)]) -> Box<[(SharedChain, Box<[u8]>)]> {
    let chains: BTreeSet<_> = rules.iter().map(|(chain, _)| chain).collect();
    let text = |chain: &SharedChain| {
        let mut out = Vec::new();
        let of_chain = rules.iter().filter(|(of, _)| of == chain).filter_map(|(_, rule)| rule.known());
        of_chain.for_each(|rule| text::rule(rule, &mut out));
        out.into()
    };
    chains.into_iter().map(|chain| (chain.clone(), text(chain))).collect()
}

fn claim(rule: &Rule) -> Option<Claim> {
    let (mut address, mut protocol, mut port) = (None, None, None);
    for condition in &rule.matches {
        if let Match::Destination(to) = condition {
            address = Some(to.net);
        } else if let Match::Protocol(of) = condition {
            protocol = Some(*of);
        } else if let Match::DestinationPort(number) = condition {
            port = Some(*number);
        }
    }
    Some((address, protocol?, port?))
}
