//! When rules are written, and what comes after a failure.

use proxier::tables::fake::{Poison, RefusedBy};

use super::*;

#[test]
fn a_first_sync_that_fails_is_tried_again_without_any_change() {
    let mut stage = Stage::idle(Layout::Blocks);
    stage.tables().failures = 3;
    stage.put(SERVICE);
    stage.live(SOON);
    assert_eq!(stage.tables().failures, 0);
    assert!(stage.tables().save().contains("--to-destination 10.244.0.1:8080"));
}

/// Also in a sync that finds out what is refused, and succeeds without it.
#[test]
fn each_run_that_fails_is_counted() {
    let mut stage = Stage::idle(Layout::Blocks);
    let failures = |stage: &Stage| {
        let families = stage.registry.gather();
        let name = "kubeproxy_sync_proxy_rules_iptables_restore_failures_total";
        let family =
            families.iter().find(|family| family.name() == name).expect("it is there from the start");
        family.get_metric()[0].get_counter().get_value()
    };
    stage.tables().failures = 2;
    stage.put(SERVICE);
    stage.live(SOON);
    assert_eq!(failures(&stage), 2.0);
    let poison = Poison { text: "10.244.0.2:8080".to_owned(), refused_by: RefusedBy::Kernel };
    stage.tables().poisons.push(poison);
    stage.put(&SERVICE.replace("10.244.0.1", "10.244.0.2"));
    assert!(stage.family.proxier.next_try().is_some(), "the Service is refused");
    assert!(failures(&stage) > 2.0);
}

/// What was refused is due again while the pace does not allow a sync yet.
#[test]
fn a_retry_waits_for_its_turn_without_turning() {
    let mut stage = Stage::idle(Layout::Blocks);
    stage.family.pace = Pace::new(Duration::from_secs(1));
    let poison = Poison { text: "10.244.0.1:8080".to_owned(), refused_by: RefusedBy::Kernel };
    stage.tables().poisons.push(poison);
    stage.put(SERVICE);
    let retry = stage.family.proxier.next_try().expect("the Service is refused");
    stage.live(retry - now() - Duration::from_millis(500));
    let other = SERVICE
        .replace("web", "other")
        .replace("10.96.0.10", "10.96.0.11")
        .replace("10.244.0.1", "10.244.0.2");
    stage.put(&format!("{SERVICE}---{other}"));
    assert!(stage.tables().save().contains("10.244.0.2:8080"), "a sync ran just before the retry");
    stage.tables().poisons.clear();
    stage.turns = 0;
    stage.live(SOON);
    assert!(stage.tables().save().contains("10.244.0.1:8080"), "it is accepted in the end");
    assert!(stage.turns < 10, "{} turns", stage.turns);
}

#[test]
fn rules_are_counted_before_they_are_written() {
    let mut first = Stage::idle(Layout::Blocks);
    assert_eq!(first.counted(), [None; 4]);
    first.tables().failures = 1;
    first.put(SERVICE);
    assert_eq!(first.tables().failures, 0, "the first try has failed");
    let tried = first.counted();
    assert!(tried.iter().all(|count| *count > Some(0.0)), "{tried:?}");
    assert_eq!(tried[..2], tried[2..], "all was to be written");
    first.live(SOON);
    assert_eq!(first.counted(), tried, "the second try was the same, and succeeded");

    let mut stage = Stage::new(Layout::Blocks);
    stage.tables().failures = 1;
    stage.put(
        &SERVICE
            .replace("endpoints: [", "endpoints: [{addresses: ['10.244.0.2'], conditions: {ready: true}}, "),
    );
    let failed = stage.counted();
    assert!(failed[0] > tried[0] && failed[1] == tried[1] && failed[2] < failed[0], "{failed:?}");
    stage.live(SOON);
    assert_eq!(stage.counted()[..2], failed[..2], "what was tried is there in the end");
}

#[test]
fn nothing_is_written_before_everything_was_told() {
    let mut stage = Stage::idle(Layout::Blocks);
    stage.live(SYNC_PERIOD);
    assert!(stage.tables().restored.is_empty());
}
