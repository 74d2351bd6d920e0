//! Who is not at fault when something is refused.

use super::*;

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
