//! Laws of what is refused: it alone is left out, and it comes back.

mod blame;
mod retry;
mod told;

use informer::object::NamespacedName;
use proptest::collection::btree_map;

use super::*;
use crate::plan::Suspect;
use crate::tables::TablesError;
use crate::tables::fake::{Poison, RefusedBy};

/// Whom a poison hits: the number of the Service and that of its port.
type Victim = (u8, u8);

fn refused_by() -> impl Strategy<Value = RefusedBy> {
    prop_oneof![
        Just(RefusedBy::Tool),
        Just(RefusedBy::SpeechlessTool),
        Just(RefusedBy::Kernel),
        Just(RefusedBy::SpeechlessKernel),
    ]
}

fn victims() -> impl Strategy<Value = BTreeMap<Victim, RefusedBy>> {
    btree_map((0..4u8, 0..2u8), refused_by(), 0..5)
}

/// Every rule of the port has its name in the comment, with a blank or the end of the word behind it.
fn poisons(victims: &BTreeMap<Victim, RefusedBy>) -> Vec<Poison> {
    let of = |((service, port), refused_by): (&Victim, &RefusedBy)| {
        let text = format!("ns/svc{service}:p{port} ");
        Poison { text, refused_by: *refused_by }
    };
    victims.iter().map(of).collect()
}

/// The changes without the ports that are hit.
fn without(changes: &[Change], victims: &BTreeMap<Victim, RefusedBy>) -> Vec<Change> {
    let is_hit = |name: &NamespacedName, port: &str| {
        victims
            .keys()
            .any(|(service, index)| *name.name == *format!("svc{service}") && *port == *format!("p{index}"))
    };
    let without = |change: &Change| {
        let Change::SetService(service) = change else { return change.clone() };
        let mut service = (**service).clone();
        service.ports.retain(|port| !is_hit(&service.name, &port.name));
        Change::SetService(service.into())
    };
    changes.iter().map(without).collect()
}

fn is_quarantined(stage: &Stage, victims: &BTreeMap<Victim, RefusedBy>) -> bool {
    let names =
        stage.proxier.world().services().flat_map(|(_, ports)| ports).map(|(name, _)| name.to_string());
    let hit = |name: &str| victims.keys().any(|(service, port)| name == format!("ns/svc{service}:p{port}"));
    stage.proxier.quarantine.len() == names.filter(|name| hit(name)).count()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    /// Whatever is refused by whom, all else is as if the refused had never been there, after one sync.
    #[test]
    fn the_rest_equals_from_scratch(history in histories(), victims in victims(), layout in layouts()) {
        let mut stage = Stage::with_layout(Family::V4, layout);
        stage.tables.poisons = poisons(&victims);
        stage.play(&history);
        prop_assert!(stage.sync().is_ok());
        let mut fresh = Stage::with_layout(Family::V4, layout);
        fresh.apply(&without(&Model::after(&history).changes(), &victims));
        prop_assert!(fresh.sync().is_ok());
        prop_assert_eq!(&stage.tables.tables, &fresh.tables.tables);
        prop_assert!(is_quarantined(&stage, &victims));
    }

    /// No trace is left of what was tried, also where only one of the rules is refused.
    #[test]
    fn nothing_is_left_of_what_was_tried(
        history in histories(),
        victims in victims(),
        words in prop_oneof![Just("cluster IP"), Just("loadbalancer IP"), Just("->"), Just("external IP"), Just("has no")],
        layout in layouts(),
    ) {
        let model = Model::after(&history);
        let mut stage = Stage::with_layout(Family::V4, layout);
        stage.tables.poisons = poisons(&victims);
        stage.tables.poisons.iter_mut().for_each(|poison| poison.text += words);
        stage.apply(&model.changes());
        let report = stage.sync();
        prop_assert!(report.is_ok(), "{report:?}");
        let refused = report.unwrap().refused;
        let is_refused = |(service, port): &Victim| refused.iter().any(|refusal| {
            matches!(&refusal.suspect, Suspect::Port(name) if name.to_string() == format!("ns/svc{service}:p{port}"))
        });
        let refused = victims.into_iter().filter(|(victim, _)| is_refused(victim)).collect();
        let mut fresh = Stage::with_layout(Family::V4, layout);
        fresh.apply(&without(&model.changes(), &refused));
        prop_assert!(fresh.sync().is_ok());
        prop_assert_eq!(&stage.tables.tables, &fresh.tables.tables);
    }

    /// What is accepted at last is written at its next try.
    #[test]
    fn what_was_refused_comes_back(history in histories(), victims in victims(), layout in layouts()) {
        let mut stage = Stage::with_layout(Family::V4, layout);
        stage.tables.poisons = poisons(&victims);
        stage.play(&history);
        prop_assert!(stage.sync().is_ok());
        stage.tables.poisons.clear();
        stage.now += Duration::from_secs(1800);
        prop_assert!(stage.sync().is_ok());
        let fresh = Stage::from_scratch(Family::V4, &Model::after(&history));
        prop_assert_eq!(&stage.tables.tables, &fresh.tables.tables);
        prop_assert_eq!(stage.proxier.quarantine.len(), 0);
        prop_assert_eq!(stage.proxier.next_try(), None);
    }

    /// A restart in the middle of it ends in the same state.
    #[test]
    fn a_restart_finds_the_same(history in histories(), victims in victims(), layout in layouts()) {
        let mut stage = Stage::with_layout(Family::V4, layout);
        stage.tables.poisons = poisons(&victims);
        stage.play(&history);
        prop_assert!(stage.sync().is_ok());
        let mut restarted = Stage::with_layout(Family::V4, layout);
        restarted.apply(&Model::after(&history).changes());
        restarted.tables.tables = stage.tables.tables.clone();
        restarted.tables.poisons = stage.tables.poisons.clone();
        prop_assert!(restarted.sync().is_ok());
        prop_assert_eq!(&restarted.tables.tables, &stage.tables.tables);
    }
}

/// A Service with one endpoint, or with another one that is refused.
fn service_with(endpoint: &str) -> Vec<Change> {
    let op = history::Op::simple(0, endpoint.parse().unwrap());
    op.iter().flat_map(changes).collect()
}

const POISONED: &str = "10.0.0.9:";

fn poisoned(refused_by: RefusedBy, layout: Layout) -> Stage {
    let mut stage = Stage::with_layout(Family::V4, layout);
    stage.tables.poisons = vec![Poison { text: POISONED.to_owned(), refused_by }];
    stage
}

const BY_ALL: [RefusedBy; 4] =
    [RefusedBy::Tool, RefusedBy::SpeechlessTool, RefusedBy::Kernel, RefusedBy::SpeechlessKernel];
