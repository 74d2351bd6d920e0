//! What is found is told, once and all of it.

use informer::object::Protocol;

use super::*;
use crate::service::ServicePortName;

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
