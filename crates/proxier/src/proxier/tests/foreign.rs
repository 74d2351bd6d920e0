//! Turns tables into what others make of them, and into what does not depend on the order of rules.
//!
//! Knows nothing of what was meant to be in them.

use std::collections::BTreeMap;

use crate::chain::{ChainName, Table};
use crate::parse::SavedRule;
use crate::rule::Match;
use crate::tables::fake::Chains;

/// Deletes, empties and fills some of our chains, and removes a jump.
pub(super) fn vandalise(tables: &mut BTreeMap<Table, Chains>, seed: u64) {
    let nat = tables.get_mut(&Table::Nat).expect("a sync makes the nat table");
    let foreign = || SavedRule::Foreign("-j LOG".into());
    let ours: Vec<_> = nat.keys().filter(|name| name.to_string().starts_with("KUBE-S")).cloned().collect();
    for (index, name) in ours.iter().enumerate() {
        let chain = nat.get_mut(name).expect("it was listed");
        match seed.rotate_right(index as u32 * 2) & 3 {
            0 => chain.rules.clear(),
            1 => chain.rules.push(foreign()),
            2 => chain.rules.truncate(1),
            _ => {}
        }
    }
    if seed & 1 == 0 {
        nat.get_mut(&ChainName::PREROUTING).expect("a sync makes the jumps").rules.clear();
    }
}

/// Turns the order of service ports in shared chains around, as another run of upstream's kube-proxy might have it.
pub(super) fn reorder(tables: &mut BTreeMap<Table, Chains>) {
    for chain in tables.values_mut().flat_map(|chains| chains.values_mut()) {
        let is_of_port = |rule: &SavedRule| service_port(rule).is_some_and(|name| name.contains('/'));
        let Some(first) = chain.rules.iter().position(is_of_port) else { continue };
        let count = chain.rules[first..].iter().take_while(|rule| is_of_port(rule)).count();
        let ports = &mut chain.rules[first..first + count];
        let of_ports: Vec<_> = ports.chunk_by(|a, b| service_port(a) == service_port(b)).rev().collect();
        let reordered = of_ports.concat();
        ports.clone_from_slice(&reordered);
    }
}

/// The first word of the comment.
pub(super) fn service_port(rule: &SavedRule) -> Option<String> {
    let comment = rule
        .known()?
        .matches
        .iter()
        .find_map(|condition| if let Match::Comment(text) = condition { Some(text) } else { None })?;
    comment.split(' ').next().map(str::to_owned)
}

/// The rules of each chain in an order that depends on the rules alone.
pub(super) fn sorted(tables: &BTreeMap<Table, Chains>) -> BTreeMap<(Table, ChainName), Vec<String>> {
    let all = tables.iter().flat_map(|(table, chains)| chains.iter().map(move |chain| (*table, chain)));
    let texts = |rules: &[SavedRule]| {
        let mut texts: Vec<_> = rules.iter().map(|rule| format!("{rule:?}")).collect();
        texts.sort_unstable();
        texts
    };
    all.map(|(table, (name, chain))| ((table, name.clone()), texts(&chain.rules))).collect()
}
