//! Laws of what is refused: it alone is left out, and it comes back.

use informer::object::{NamespacedName, Protocol};
use proptest::collection::btree_map;

use super::*;
use crate::plan::Suspect;
use crate::service::ServicePortName;
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

#[test]
fn old_rules_stay_while_new_ones_are_refused() {
    for refused_by in BY_ALL {
        for layout in [Layout::Single, Layout::Blocks] {
            let mut stage = poisoned(refused_by, layout);
            stage.apply(&service_with("1"));
            stage.sync().unwrap();
            let before = stage.tables.tables.clone();
            stage.apply(&service_with("9"));
            let report = stage.sync().unwrap();
            assert_eq!(stage.tables.tables, before, "{refused_by:?}");
            assert_eq!((report.refused.len(), report.quarantined), (1, 1));
            let refusal = &report.refused[0];
            assert!(matches!(&refusal.suspect, Suspect::Port(name) if name.to_string() == "ns/svc0:p0"));
            assert!(refusal.rule.contains("KUBE-"), "{refused_by:?}: {}", refusal.rule);

            // A flush of what is known, or a restart: the old rules are found again.
            stage.proxier.suspect();
            stage.sync().unwrap();
            assert_eq!(stage.tables.tables, before, "{refused_by:?}");
        }
    }
}

#[test]
fn old_rules_go_when_they_take_what_is_not_theirs_any_more() {
    let mut stage = poisoned(RefusedBy::Tool, Layout::Single);
    stage.apply(&service_with("1"));
    stage.sync().unwrap();
    stage.apply(&service_with("9"));
    stage.apply(&history::moved(0));
    stage.sync().unwrap();
    let services = &stage.tables.tables[&Table::Nat][&ChainName::KUBE_SERVICES].rules;
    assert!(services.iter().all(|rule| !format!("{rule:?}").contains("172.30.0.0")), "{services:?}");
}

#[test]
fn a_try_follows_a_change_or_a_longer_and_longer_wait() {
    let mut stage = poisoned(RefusedBy::Kernel, Layout::Blocks);
    stage.apply(&service_with("9"));
    stage.sync().unwrap();
    let mut waits = Vec::new();
    for _ in 0..9 {
        let next = stage.proxier.next_try().unwrap();
        assert!(!stage.proxier.is_due(stage.now));
        waits.push((next - stage.now).as_secs());
        stage.now = next - Duration::from_secs(1);
        assert_eq!(stage.sync().unwrap().refused.len(), 1);
    }
    assert_eq!(waits, [30, 60, 120, 240, 480, 960, 1800, 1800, 1800]);

    stage.apply(&service_with("1"));
    let report = stage.sync().unwrap();
    assert_eq!((report.refused.len(), report.quarantined, report.accepted.len()), (0, 0, 1));
}

/// To find many culprits takes longer than the first wait.
#[test]
fn a_wait_begins_with_the_end_of_a_sync() {
    let mut stage = poisoned(RefusedBy::Kernel, Layout::Blocks);
    stage.apply(&service_with("9"));
    stage.sync().unwrap();
    let (begin, elapsed) = (stage.now, Duration::from_secs(170));
    stage.proxier.took(begin, elapsed);
    assert_eq!(stage.proxier.next_try(), Some(begin + elapsed + Duration::from_secs(30)));
    // The next one finds nothing new.
    stage.sync().unwrap();
    stage.proxier.took(stage.now, elapsed);
    assert_eq!(stage.proxier.next_try(), Some(begin + elapsed + Duration::from_secs(30)));
}

/// A change is there before anybody looks for culprits again.
#[test]
fn all_else_does_not_wait_for_a_retry() {
    for refused_by in BY_ALL {
        for layout in [Layout::Single, Layout::Blocks] {
            let mut stage = poisoned(refused_by, layout);
            stage.apply(&service_with("9"));
            stage.sync().unwrap();
            stage.now = stage.proxier.next_try().unwrap();
            stage.apply(&history::Op::simple(1, 1).iter().flat_map(changes).collect::<Vec<_>>());
            stage.tables.fails_after_refusals = Some(stage.tables.refusals + 1);
            drop(stage.sync());
            assert!(stage.tables.save().contains("ns/svc1:p0 -> "), "{refused_by:?} {layout:?}");
        }
    }
}

/// A retry of one alone is no reason to blame it for a tool that refuses whatever it is fed.
#[test]
fn a_retry_by_a_broken_tool_proves_nothing() {
    let mut stage = poisoned(RefusedBy::Kernel, Layout::Blocks);
    stage.apply(&service_with("9"));
    stage.sync().unwrap();
    stage.now = stage.proxier.next_try().unwrap();
    stage.tables.is_broken = true;
    assert!(matches!(stage.sync(), Err(TablesError::Refused { .. })));
    stage.tables.is_broken = false;
    stage.tables.poisons.clear();
    let report = stage.sync().unwrap();
    assert_eq!((report.refused.len(), report.quarantined, report.accepted.len()), (0, 0, 1));
}

#[test]
fn what_belongs_to_no_service_port_fails_as_a_whole() {
    for refused_by in BY_ALL {
        let mut stage = Stage::with_layout(Family::V4, Layout::Blocks);
        stage.tables.poisons = vec![Poison { text: "kubernetes forwarding rules".to_owned(), refused_by }];
        stage.apply(&service_with("1"));
        assert!(matches!(stage.sync(), Err(TablesError::Refused { .. })), "{refused_by:?}");
        assert_eq!(stage.proxier.quarantine.len(), 0);
        assert!(stage.proxier.installed().is_none());
    }
}

/// A tool that refuses whatever it is fed says nothing about the one Service that changed.
#[test]
fn a_broken_tool_is_nobodys_fault() {
    for layout in [Layout::Single, Layout::Blocks] {
        let mut stage = Stage::with_layout(Family::V4, layout);
        stage.apply(&service_with("1"));
        stage.sync().unwrap();
        let before = stage.tables.tables.clone();
        stage.tables.is_broken = true;
        stage.apply(&service_with("2"));
        assert!(matches!(stage.sync(), Err(TablesError::Refused { .. })));
        assert_eq!((stage.proxier.quarantine.len(), &stage.tables.tables), (0, &before));
        stage.tables.is_broken = false;
        let report = stage.sync().unwrap();
        assert_eq!((report.refused.len(), report.quarantined), (0, 0));
        assert_ne!(stage.tables.tables, before);
    }
}

/// Where our chains are gone, a change is refused, but not for its own sake.
#[test]
fn a_flush_that_nobody_noticed_is_nobodys_fault() {
    for layout in [Layout::Single, Layout::Blocks] {
        let mut stage = Stage::with_layout(Family::V4, layout);
        stage.apply(&service_with("1"));
        stage.sync().unwrap();
        stage.tables.flush();
        stage.apply(&service_with("2"));
        let report = stage.sync().unwrap();
        assert_eq!((report.refused.len(), report.quarantined), (0, 0));
        let loss = report.loss.unwrap();
        assert!(loss.rules > 0 && !loss.chains.is_empty() && !loss.jumps.is_empty(), "{loss}");
        let mut fresh = Stage::with_layout(Family::V4, layout);
        fresh.apply(&service_with("2"));
        fresh.sync().unwrap();
        assert_eq!(stage.tables.tables, fresh.tables.tables);
    }
}

/// What a transaction has done itself before it is refused, nobody else has taken away.
#[test]
fn what_was_done_until_a_refusal_is_nobodys_loss() {
    let more = |endpoint| {
        let [_, slice] = history::Op::simple(0, endpoint);
        let history::Op::SetSlice(service, _, endpoints) = slice else { unreachable!("simple sets a slice") };
        changes(&history::Op::SetSlice(service, endpoint, endpoints))
    };
    for refused_by in BY_ALL {
        for layout in [Layout::Single, Layout::Blocks] {
            let mut stage = Stage::with_layout(Family::V4, layout);
            stage.apply(&service_with("2"));
            stage.apply(&history::Op::simple(1, 1).iter().flat_map(changes).collect::<Vec<_>>());
            stage.apply(&[more(3), more(4)].concat());
            stage.sync().unwrap();
            // In blocks, the chain of the one loses rules before the other is refused.
            stage.tables.poisons = vec![Poison { text: "172.30.9.1".to_owned(), refused_by }];
            stage.apply(&history::moved(1));
            stage.apply(&[3, 4].map(|slice| changes(&history::Op::DeleteSlice(0, slice))).concat());
            let report = stage.sync().unwrap();
            let found = (report.refused.len(), report.loss);
            assert_eq!(found, (1, Some(Loss::default())), "{refused_by:?} {layout:?}");
        }
    }
}

/// Who is refused because others emptied the tables meanwhile is not to blame, however many were refused before.
#[test]
fn a_flush_between_two_refusals_is_nobodys_fault() {
    let changes = &history::thousand()[..2 * 60];
    let text = |number: u16| format!("ns/many{:03}:p ", number * 9 + 4);
    let poisons = |refused_by| (0..6).map(|number| Poison { text: text(number), refused_by }).collect();
    for (refused_by, layout) in [
        (RefusedBy::SpeechlessKernel, Layout::Single),
        (RefusedBy::Tool, Layout::Single),
        (RefusedBy::Kernel, Layout::Blocks),
    ] {
        let mut fresh = Stage::with_layout(Family::V4, layout);
        fresh.apply(&service_with("1"));
        fresh.tables.poisons = poisons(refused_by);
        fresh.apply(changes);
        fresh.sync().unwrap();
        for number in [1, 2, 3, 5, 8, 13, 21] {
            for (refusals, looks) in [(Some(number), None), (None, Some(number))] {
                let mut stage = Stage::with_layout(Family::V4, layout);
                stage.apply(&service_with("1"));
                stage.sync().unwrap();
                stage.apply(changes);
                stage.tables.poisons = poisons(refused_by);
                stage.tables.flushed_after_refusals = refusals;
                stage.tables.flushed_after_looks = looks;
                // With what it reads, and with what it knows.
                if number % 2 == 1 {
                    stage.proxier.suspect();
                }
                let report = stage.sync().unwrap();
                let when = format!("{refused_by:?}, flushed after {refusals:?} refusals or {looks:?} looks");
                assert_eq!((report.refused.len(), report.quarantined), (6, 6), "{when}");
                // Of a flush before what is accepted all the same nobody knows yet.
                stage.tables.flushed_after_looks = None;
                stage.proxier.suspect();
                stage.sync().unwrap();
                assert!(stage.tables.tables == fresh.tables.tables, "{when}");
            }
        }
    }
}

/// What works on other tables refuses changes of what is not there.
#[test]
fn a_tool_that_is_astray_is_nobodys_fault() {
    for refused_by in BY_ALL {
        let mut stage = poisoned(refused_by, Layout::Blocks);
        stage.apply(&service_with("1"));
        stage.sync().unwrap();
        let before = stage.tables.tables.clone();
        stage.tables.is_astray = true;
        stage.apply(&service_with("9"));
        assert!(matches!(stage.sync(), Err(TablesError::Astray { .. })), "{refused_by:?}");
        assert_eq!((stage.proxier.quarantine.len(), &stage.tables.tables), (0, &before));
    }
}

/// A held lock or a kill is nobody's fault.
#[test]
fn only_refusals_are_blamed() {
    let mut stage = Stage::new(Family::V4);
    stage.apply(&service_with("1"));
    stage.tables.failures = 1;
    assert!(matches!(stage.sync(), Err(TablesError::Busy { .. })));
    assert_eq!(stage.proxier.quarantine.len(), 0);
    assert_eq!(stage.tables.failures, 0);
}

#[test]
fn fifty_of_a_thousand_are_found_in_one_sync() {
    for (refused_by, layout) in
        [(RefusedBy::SpeechlessKernel, Layout::Single), (RefusedBy::Kernel, Layout::Blocks)]
    {
        let mut stage = Stage::with_layout(Family::V4, layout);
        stage.apply(&history::thousand());
        let text = |number: u16| format!("ns/many{:03}:p ", number * 20 + 7);
        stage.tables.poisons = (0..50).map(|number| Poison { text: text(number), refused_by }).collect();
        let report = stage.sync().unwrap();
        assert_eq!((report.refused.len(), report.quarantined), (50, 50), "{refused_by:?}");
        let services = stage.tables.tables[&Table::Nat][&ChainName::KUBE_SERVICES].rules.len();
        assert_eq!(services, 950 + 1);
        assert!(stage.tables.refusals <= 400, "{refused_by:?}: {}", stage.tables.refusals);
    }
}

/// Who is left out is told, however the sync ends that found out.
#[test]
fn a_refusal_is_told_by_the_sync_that_succeeds_at_last() {
    for layout in [Layout::Single, Layout::Blocks] {
        let mut stage = poisoned(RefusedBy::Kernel, layout);
        stage.apply(&service_with("9"));
        stage.tables.fails_after_refusals = Some(1);
        assert!(matches!(stage.sync(), Err(TablesError::Busy { .. })));
        assert_eq!(stage.proxier.quarantine.len(), 1);
        let report = stage.sync().unwrap();
        assert_eq!((report.refused.len(), report.quarantined), (1, 1));
        assert!(report.refused[0].words.contains("RULE_APPEND failed"), "{:?}", report.refused);
        stage.proxier.suspect();
        assert_eq!(stage.sync().unwrap().refused, [], "it is told once");
    }
}

/// One is accepted, and another one refused, before or after the tool fails.
#[test]
fn an_acceptance_is_told_by_the_sync_that_succeeds_at_last() {
    let mut failed = 0;
    for refusals in 1..=6 {
        let mut stage = poisoned(RefusedBy::Kernel, Layout::Single);
        stage.apply(&service_with("9"));
        stage.sync().unwrap();
        stage.apply(&service_with("1"));
        stage.apply(&history::Op::simple(1, 9).iter().flat_map(changes).collect::<Vec<_>>());
        let refused_by = RefusedBy::SpeechlessKernel;
        stage.tables.poisons = vec![Poison { text: "ns/svc1:p0 -> ".to_owned(), refused_by }];
        stage.tables.fails_after_refusals = Some(stage.tables.refusals + refusals);
        let mut report = stage.sync();
        if report.is_err() {
            failed += 1;
            report = stage.sync();
        }
        let report = report.unwrap();
        assert_eq!(report.accepted, [port_of("svc0")], "after {refusals} refusals");
        let suspects: Vec<_> = report.refused.into_iter().map(|refusal| refusal.suspect).collect();
        assert_eq!((suspects, report.quarantined), (vec![Suspect::Port(port_of("svc1"))], 1));
    }
    assert!(failed > 1, "the tool failed at {failed} places");
}

/// The only port of a Service.
fn port_of(service: &str) -> ServicePortName {
    ServicePortName {
        service: NamespacedName::new("ns", service),
        port: "p0".into(),
        protocol: Protocol::Tcp,
    }
}

/// More culprits than one sync looks for.
#[test]
fn three_hundred_are_all_told() {
    let mut stage = Stage::with_layout(Family::V4, Layout::Blocks);
    stage.apply(&history::thousand()[..2 * 400]);
    let text = |hundred| format!("ns/many{hundred}");
    stage.tables.poisons =
        (0..3).map(|hundred| Poison { text: text(hundred), refused_by: RefusedBy::Kernel }).collect();
    assert!(matches!(stage.sync(), Err(TablesError::Refused { .. })));
    let report = stage.sync().unwrap();
    assert_eq!((report.refused.len(), report.quarantined), (300, 300));
}

/// Chains of a Service that is gone cannot be deleted while rules of others lead to them.
#[test]
fn a_chain_that_others_use_is_emptied() {
    let mut stage = Stage::new(Family::V4);
    stage.apply(&service_with("1"));
    stage.sync().unwrap();
    let used =
        stage.tables.chains(Table::Nat).keys().find(|chain| chain.is_of_service_port()).unwrap().clone();
    stage.tables.in_use.insert(used.clone());
    stage.apply(&changes(&history::Op::DeleteService(0)));
    let report = stage.sync().unwrap();
    assert!(matches!(&report.refused[..], [refusal] if refusal.suspect == Suspect::Chain(used.clone())));
    assert_eq!(report.quarantined, 0);
    let left: Vec<_> =
        stage.tables.chains(Table::Nat).into_iter().filter(|(chain, _)| chain.is_of_service_port()).collect();
    assert!(
        matches!(&left[..], [(chain, content)] if *chain == used && content.rules.is_empty()),
        "{left:?}"
    );

    stage.tables.in_use.clear();
    stage.now = stage.proxier.next_try().unwrap();
    stage.sync().unwrap();
    assert!(!stage.tables.chains(Table::Nat).contains_key(&used));
}
