//! Whether a shared chain that was read back holds the wanted rules, perhaps those of service ports in another order.
//!
//! Upstream's kube-proxy writes service ports in an order that changes with every run. Its rules are right as they are.

use std::collections::{HashMap, HashSet};

use crate::parse::SavedRule;
use crate::rule::Match;

/// The rules that a shared chain should hold.
#[derive(Debug, Default)]
pub(super) struct WantedChain<'a> {
    pub(super) head: Vec<SavedRule>,
    /// Those of each service port, in our order.
    pub(super) ports: Vec<Vec<&'a SavedRule>>,
    pub(super) tail: Vec<SavedRule>,
}

/// How the rules that were found stand to the wanted ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Order {
    /// They are the same.
    Ours,
    /// They are the same, but service ports stand in another order, which makes no difference to any packet.
    Another,
    /// Something is missing, too much, or different.
    Differs,
}

impl WantedChain<'_> {
    pub(super) fn order_of(&self, found: &[SavedRule]) -> Order {
        let of_ports: usize = self.ports.iter().map(Vec::len).sum();
        if found.len() != self.head.len() + of_ports + self.tail.len() {
            return Order::Differs;
        }
        let (head, rest) = found.split_at(self.head.len());
        let (middle, tail) = rest.split_at(of_ports);
        if head != self.head || tail != self.tail {
            Order::Differs
        } else if middle.iter().eq(self.ports.iter().flatten().copied()) {
            Order::Ours
        } else if self.is_permuted(middle) && !self.has_rivals() {
            Order::Another
        } else {
            Order::Differs
        }
    }

    /// Whether the rules are those of all service ports, each port's together and in their order.
    fn is_permuted(&self, mut found: &[SavedRule]) -> bool {
        let mut by_first: HashMap<&SavedRule, &[&SavedRule]> = HashMap::new();
        self.ports.iter().filter_map(|rules| Some((*rules.first()?, rules))).for_each(|(first, rules)| {
            by_first.insert(first, rules);
        });
        while let Some(wanted) = found.first().and_then(|first| by_first.remove(first)) {
            let Some((rules, rest)) = found.split_at_checked(wanted.len()) else { return false };
            if !rules.iter().eq(wanted.iter().copied()) {
                return false;
            }
            found = rest;
        }
        found.is_empty() && by_first.is_empty()
    }

    /// Whether rules of two service ports are for the same packets, so that the first one wins.
    fn has_rivals(&self) -> bool {
        let mut taken = HashSet::new();
        self.ports.iter().any(|rules| {
            let conditions: HashSet<_> = rules.iter().filter_map(|rule| conditions(rule)).collect();
            !conditions.into_iter().all(|condition| taken.insert(condition))
        })
    }
}

/// What a rule asks of a packet; its comment asks nothing.
fn conditions(rule: &SavedRule) -> Option<Vec<&Match>> {
    let asks = |condition: &&Match| !matches!(condition, Match::Comment(_));
    rule.known().map(|rule| rule.matches.iter().filter(asks).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parse::{Command, commands};

    fn rules(lines: &[&str]) -> Vec<SavedRule> {
        let text: String = lines.iter().map(|line| format!("-A KUBE-SERVICES {line}\n")).collect();
        let text = format!("*nat\n:KUBE-SERVICES - [0:0]\n{text}COMMIT\n");
        let appended = |command| match command {
            Ok(Command::Append { rule, .. }) => Some(rule),
            _ => None,
        };
        commands(&text).filter_map(appended).collect()
    }

    /// The chain with one service port for each list, between a head and a tail.
    fn order(ports: &[&[&str]], found: &[&str]) -> Order {
        let (head, tail) = (rules(&["-j KUBE-MARK-MASQ"]), rules(&["-j KUBE-NODEPORTS"]));
        let ports: Vec<_> = ports.iter().map(|lines| rules(lines)).collect();
        let found = [head.clone(), rules(found), tail.clone()].concat();
        WantedChain { head, ports: ports.iter().map(|rules| rules.iter().collect()).collect(), tail }
            .order_of(&found)
    }

    const A: &str = "-d 10.96.0.1/32 -m comment --comment a -j KUBE-SVC-A";
    const A_TOO: &str = "-d 10.96.0.2/32 -m comment --comment a -j KUBE-SVC-A";
    const B: &str = "-d 10.96.0.3/32 -m comment --comment b -j KUBE-SVC-B";
    const RIVAL: &str = "-d 10.96.0.1/32 -m comment --comment c -j KUBE-SVC-C";

    #[test]
    fn ports_may_change_places_as_wholes() {
        for (ports, found, expected) in [
            (&[&[A, A_TOO][..], &[B]][..], &[A, A_TOO, B][..], Order::Ours),
            (&[&[A, A_TOO], &[B]], &[B, A, A_TOO], Order::Another),
            (&[&[A, A_TOO], &[B]], &[B, A_TOO, A], Order::Differs),
            (&[&[A, A_TOO], &[B]], &[A, B, A_TOO], Order::Differs),
            (&[&[A, A_TOO], &[B]], &[B, A], Order::Differs),
            (&[&[A], &[B]], &[B, B], Order::Differs),
            (&[&[A], &[B]], &[A, RIVAL], Order::Differs),
        ] {
            assert_eq!(order(ports, found), expected, "{ports:?} {found:?}");
        }
    }

    #[test]
    fn between_rivals_the_order_counts() {
        assert_eq!(order(&[&[A], &[RIVAL]], &[A, RIVAL]), Order::Ours);
        assert_eq!(order(&[&[A], &[RIVAL]], &[RIVAL, A]), Order::Differs);
    }
}
