//! What others take away or exchange is noticed and mended.

use proxier::chain::ChainName;

use super::*;

#[test]
fn a_flush_is_mended_without_waiting_for_the_canary() {
    let mut stage = Stage::new(Layout::Blocks);
    let before = stage.tables().tables.clone();
    stage.tables().flush();
    stage.suspect();
    stage.live(Duration::from_secs(1));
    assert_eq!(stage.tables().tables, before);
}

/// Where nobody has looked yet, it is the change that is refused first.
#[test]
fn a_flush_that_a_change_runs_into_is_told() {
    for layout in [Layout::Single, Layout::Blocks] {
        let mut stage = Stage::new(layout);
        assert_eq!(stage.events.notes(), [""; 0]);
        stage.tables().flush();
        stage.put(&SERVICE.replace("10.244.0.1", "10.244.0.2"));
        let notes = stage.events.notes();
        assert!(matches!(&notes[..], [note] if note.contains("to KUBE-SERVICES")), "{notes:?}");
        assert!(stage.tables().has_canary().unwrap());
    }
}

#[test]
fn the_canary_is_back_with_the_rules_when_mending_failed_at_first() {
    let mut stage = Stage::new(Layout::Blocks);
    let before = stage.tables().tables.clone();
    stage.tables().flush();
    stage.tables().failures = 2;
    stage.suspect();
    stage.live(SOON);
    assert_eq!((stage.tables().failures, &stage.tables().tables), (0, &before));
}

#[test]
fn the_canary_is_back_with_the_rules_after_a_flush_between_two_failures() {
    let mut stage = Stage::new(Layout::Blocks);
    stage.tables().failures = 2;
    stage.put(&SERVICE.replace("10.244.0.1", "10.244.0.2"));
    assert_eq!(stage.tables().failures, 1, "what is installed is not known any more");
    stage.tables().flush();
    stage.suspect();
    stage.live(SOON);
    assert_eq!(stage.tables().failures, 0);
    assert!(stage.tables().has_canary().unwrap());
    assert!(stage.tables().save().contains("--to-destination 10.244.0.2:8080"));
}

#[test]
fn a_look_that_finds_nothing_writes_nothing() {
    let mut stage = Stage::new(Layout::Blocks);
    let restores = stage.tables().restored.len();
    for _ in 0..100 {
        stage.suspect();
        stage.live(Duration::from_millis(100));
    }
    assert_eq!(stage.tables().restored.len(), restores);
    assert!(
        stage.family.guard.next().is_some_and(|next| next > now() + SOON),
        "it is not in a hurry any more"
    );
}

#[test]
fn the_other_family_is_none_of_its_business() {
    let mut stage = Stage::new(Layout::Blocks);
    stage.family.heard(Heard::Suspicious(Suspicion { family: Family::V6, writer: 1 }), now());
    assert_eq!(stage.family.guard.next(), None);
}

/// Where nobody tells, chains, jumps and rules are compared, not only counted: before and after the first look.
#[test]
fn a_rule_that_was_replaced_by_another_one_is_noticed_by_looks() {
    for looks in [0, 1, 2] {
        let mut stage = Stage::new(Layout::Single);
        stage.live(SYNC_PERIOD * looks);
        let before = stage.tables().tables.clone();
        stage.swap_rule();
        assert_ne!(stage.tables().tables, before);
        stage.live(SYNC_PERIOD + SOON);
        assert_eq!(stage.tables().tables, before, "after {looks} looks");
    }
}

/// The tools may be exchanged under us: where the kernel tells of nothing the rules are looked at, and where it does it is
/// heard.
#[test]
fn the_guard_follows_the_tools() {
    let mut stage = Stage::new(Layout::Blocks);
    stage.tables().layout = Layout::Single;
    stage.live(SYNC_PERIOD + SOON);
    let before = stage.tables().tables.clone();
    stage.swap_rule();
    stage.live(SYNC_PERIOD + SOON);
    assert_eq!(stage.tables().tables, before, "it is looked for");
    stage.suspect();
    assert_eq!(stage.family.guard.next(), None, "what is told is of other tables");

    let mut stage = Stage::new(Layout::Single);
    stage.tables().layout = Layout::Blocks;
    stage.tables().flush();
    stage.suspect();
    stage.live(Duration::from_secs(1));
    assert_eq!(stage.tables().tables, before, "it is heard");
}

/// Other tools may not know what those before them knew.
#[test]
fn rules_follow_the_tools() {
    let mut stage = Stage::new(Layout::Blocks);
    assert!(stage.tables().save().contains("--random-fully"));
    stage.tables().random_fully = Some(false);
    stage.suspect();
    stage.live(SOON);
    assert!(!stage.tables().save().contains("--random-fully"));
}

#[test]
fn who_hears_nothing_more_looks() {
    let mut stage = Stage::new(Layout::Blocks);
    stage.family.heard(Heard::Deaf, now());
    stage.live(SOON);
    let before = stage.tables().tables.clone();
    stage.tables().tables.get_mut(&Table::Nat).unwrap().remove(&ChainName::PREROUTING);
    stage.live(SYNC_PERIOD);
    assert_eq!(stage.tables().tables, before);
}
