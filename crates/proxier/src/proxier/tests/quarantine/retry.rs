//! What is left out keeps the rules it had, and is tried again.

use super::*;

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
