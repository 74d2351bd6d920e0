//! Laws of what packets meet between two COMMITs of a sync.

use super::*;
use crate::parse::SavedRule;
use crate::rule::{Match, Rule, Target};
use crate::tables::fake::Chains;

/// Stands for an empty chain on the way.
const NOTHING: &str = "nothing";

/// For each destination in nat its way.
type Ways = BTreeMap<String, Way>;

/// Where packets to one destination are led.
#[derive(Clone, Debug, PartialEq)]
struct Way {
    /// `namespace/name:port`.
    service_port: Option<String>,
    endpoints: BTreeSet<String>,
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    /// A destination that is served or refused before a sync and after it is so between any two
    /// COMMITs: no packet to it passes untranslated.
    #[test]
    fn no_packet_slips_through_between_commits(history in histories(), layout in layouts()) {
        let mut stage = Stage::with_layout(Family::V4, layout);
        for step in &history {
            let before = destinations(&stage.tables.tables);
            stage.play(std::slice::from_ref(step));
            let after = destinations(&stage.tables.tables);
            for between in stage.tables.commits.drain(..) {
                let between = destinations(&between);
                let lost: Vec<_> = before.intersection(&after).filter(|to| !between.contains(*to)).collect();
                prop_assert!(lost.is_empty(), "{lost:?} in\n{}", stage.tables.restored.last().unwrap());
            }
        }
    }

    /// Between any two COMMITs a destination that leads to endpoints before a sync and after it does so, and to no
    /// others than its service port has before or after; one that comes is there as a whole or not at all.
    #[test]
    fn no_service_is_half_visible_between_commits(history in histories(), layout in layouts()) {
        let mut stage = Stage::with_layout(Family::V4, layout);
        for step in &history {
            let before = ways(&stage.tables.tables);
            stage.play(std::slice::from_ref(step));
            let after = ways(&stage.tables.tables);
            for between in stage.tables.commits.drain(..) {
                let between = ways(&between);
                let lost = lost(&before, &between, &after);
                prop_assert!(lost.is_empty(), "{lost:?} lead nowhere");
                let astray = astray(&before, &between, &after);
                prop_assert!(astray.is_empty(), "{astray:?}\nbefore: {before:?}\nafter: {after:?}");
            }
        }
    }
}

/// What led to endpoints, will do so, and does not meanwhile.
fn lost<'a>(before: &'a Ways, between: &Ways, after: &Ways) -> Vec<&'a String> {
    let leads = |ways: &Ways, to: &String| ways.get(to).is_some_and(|way: &Way| !way.endpoints.is_empty());
    before.keys().filter(|to| leads(before, to) && leads(after, to) && !leads(between, to)).collect()
}

/// What leads to an empty chain, to endpoints that are not its own, or to a part of those it will have.
fn astray<'a>(before: &Ways, between: &'a Ways, after: &Ways) -> Vec<(&'a String, &'a Way)> {
    let is_right = |to: &String, way: &Way| match before.get(to) {
        _ if way.endpoints.is_empty() => true,
        _ if way.endpoints.contains(NOTHING) => false,
        Some(_) => [before, after]
            .into_iter()
            .flat_map(Ways::values)
            .filter(|other| other.service_port == way.service_port)
            .fold(way.endpoints.clone(), |rest, other| &rest - &other.endpoints)
            .is_empty(),
        None => after.get(to) == Some(way),
    };
    between.iter().filter(|(to, way)| !is_right(to, way)).collect()
}

fn ways(tables: &BTreeMap<Table, Chains>) -> Ways {
    let Some(nat) = tables.get(&Table::Nat) else { return Ways::new() };
    let mut ways = Ways::new();
    let dispatch = [ChainName::KUBE_SERVICES, ChainName::KUBE_NODEPORTS];
    for saved in dispatch.iter().filter_map(|chain| nat.get(chain)).flat_map(|chain| &chain.rules) {
        let Some(rule) = saved.known() else { continue };
        let mut endpoints = BTreeSet::new();
        follow(nat, rule, &mut endpoints);
        // Packets meet the first of several.
        let way = || Way { service_port: foreign::service_port(saved), endpoints };
        ways.entry(destination(rule)).or_insert_with(way);
    }
    ways
}

fn follow(nat: &Chains, rule: &Rule, endpoints: &mut BTreeSet<String>) {
    match &rule.target {
        Some(Target::Dnat(to)) => drop(endpoints.insert(to.to_string())),
        Some(Target::Jump(chain)) if chain.is_of_service_port() => {
            let rules = nat.get(chain).map(|chain| chain.rules.as_slice()).unwrap_or_default();
            if rules.is_empty() {
                endpoints.insert(NOTHING.to_owned());
            }
            rules.iter().filter_map(SavedRule::known).for_each(|rule| follow(nat, rule, endpoints));
        }
        _ => {}
    }
}

/// Addresses and ports that nat serves or the filter refuses.
fn destinations(tables: &BTreeMap<Table, Chains>) -> BTreeSet<String> {
    let dispatch = [
        (Table::Nat, ChainName::KUBE_SERVICES),
        (Table::Filter, ChainName::KUBE_SERVICES),
        (Table::Filter, ChainName::KUBE_EXTERNAL_SERVICES),
    ];
    let rules = dispatch.iter().filter_map(|(table, chain)| tables.get(table)?.get(chain));
    let rules = rules.flat_map(|chain| &chain.rules).filter_map(SavedRule::known);
    rules.map(destination).collect()
}

fn destination(rule: &Rule) -> String {
    let header = rule.matches.iter().filter(|condition| {
        matches!(condition, Match::Destination(_) | Match::Protocol(_) | Match::DestinationPort(_))
    });
    format!("{:?}", header.collect::<Vec<_>>())
}
