//! Commits that fail, are under way, or come in the middle of a look.

use super::*;

#[test]
fn a_commit_after_a_failed_one_looks_at_everything() {
    let mut node = quiet(OLD, &["10.0.0.1:40001>10.96.0.10:53"]);
    node.kernel.entries = vec![entry("10.0.0.1:40001>10.96.0.10:53")];
    for cause in [Cause::AfterFailure, Cause::AfterFlush] {
        node.kernel.entries = vec![entry("10.0.0.1:40001>10.96.0.10:53")];
        node.commit_with(OLD, cause);
        node.settle_now();
        assert!(node.left().is_empty());
        assert_eq!(node.last().occasion, Occasion::Commit(cause));
        node.wait(seconds(60));
    }
}

#[test]
fn what_led_to_any_former_backend_is_retired_however_many_passes_failed() {
    let mut node = quiet(OLD, &[STALE]);
    node.kernel.entries.push(entry("10.0.0.2:40002>10.96.0.10:53>10.1.0.8:53"));
    node.kernel.faults = [Fault::Fail(ENOBUFS)].into();
    node.commit(NEW);
    node.settle_now();
    node.commit("");
    node.wait(seconds(2));
    assert!(node.left().is_empty());
}

#[test]
fn what_led_to_a_backend_that_was_never_committed_is_retired_too() {
    let mut node = quiet(OLD, &[STALE]);
    node.kernel.entries.extend([
        entry("10.0.0.2:40002>10.96.0.10:53>10.1.0.8:53"),
        entry("10.0.0.3:40003>10.96.0.10:53>10.1.0.9:53 replied"),
        entry("10.0.0.4:40004>10.96.0.11:53>10.1.0.8:53"),
        entry("10.0.0.5:40005>10.96.0.10:53>198.51.100.1:53"),
    ]);
    node.agenda.failed(Family::V4, &generation("dns 10.96.0.10:53 10.96.0.11:53 = 10.1.0.8:53"));
    node.agenda.failed(Family::V4, &generation("dns 10.96.0.10:53 = 10.1.0.9:53"));
    node.wait(seconds(60));
    assert_eq!(node.times(), []);
    node.commit_with("", Cause::AfterFailure);
    node.wait(seconds(60));
    assert_eq!(node.left(), ["10.0.0.5:40005>198.51.100.1:53"]);
}

#[test]
fn a_first_commit_that_failed_counts_as_well() {
    let mut node = Rehearsal::new([entry(STALE)]);
    node.agenda.failed(Family::V4, &generation(OLD));
    node.commit_with("", Cause::FirstSync);
    node.settle_now();
    assert!(node.left().is_empty());
}

#[test]
fn nothing_is_looked_at_while_rules_are_written_and_nothing_of_it_is_forgotten() {
    let mut node = quiet(OLD, &[]);
    node.commit(NEW);
    node.wait(seconds(1));
    node.kernel.entries = vec![entry(STALE)];
    node.agenda.writing(Family::V4);
    // The second look of the commit before would delete what the rules now being written let in.
    node.wait(HOUR * 3);
    assert_eq!(node.times(), [0.0]);
    node.commit(OLD);
    node.wait(seconds(60));
    assert_eq!((node.left().len(), node.last().pending), (1, 0));
}

#[test]
fn while_commits_fail_only_what_contradicts_all_of_them_is_deleted() {
    let mut node = quiet(OLD, &[]);
    node.commit(NEW);
    node.wait(seconds(1));
    let may_be_right =
        ["10.0.0.2:40002>10.96.0.10:53>10.1.0.9:53", "10.0.0.3:40003>10.96.0.10:53>10.1.0.6:53"];
    node.kernel.entries = [STALE].iter().chain(&may_be_right).map(|text| entry(text)).collect();
    let next = "dns 10.96.0.10:53 = 10.1.0.9:53";
    for attempted in ["dns 10.96.0.10:53 = 10.1.0.6:53", next] {
        node.agenda.writing(Family::V4);
        node.agenda.failed(Family::V4, &generation(attempted));
    }
    node.wait(HOUR * 3);
    let times = node.times();
    assert_eq!(times[..2], [0.0, 2.0]);
    assert!(times.len() > 2, "there is no hourly look: {times:?}");
    assert_eq!(node.left(), ["10.0.0.2:40002>10.1.0.9:53", "10.0.0.3:40003>10.1.0.6:53"]);
    node.commit_with(next, Cause::AfterFailure);
    node.wait(seconds(60));
    assert_eq!(node.left(), ["10.0.0.2:40002>10.1.0.9:53"]);
}

#[test]
fn what_was_spared_while_commits_failed_is_found_later_though_its_service_is_gone() {
    let mut node = quiet(OLD, &[]);
    node.kernel.entries = vec![entry(STALE)];
    node.commit("");
    node.agenda.failed(Family::V4, &generation(OLD));
    node.wait(seconds(60));
    assert_eq!((node.left().len(), node.last().pending), (1, 0));
    node.commit_with("", Cause::AfterFailure);
    node.wait(seconds(60));
    assert!(node.left().is_empty());
}

#[test]
fn where_more_failed_than_can_be_remembered_nothing_is_looked_at_before_a_commit() {
    let mut node = quiet(OLD, &[]);
    node.commit(NEW);
    node.wait(seconds(1));
    node.kernel.entries = vec![entry(STALE)];
    let many: Vec<String> =
        (0..70_000).map(|n| format!("10.{}.{}.{}:53", 2 + n / 65_536, n / 256 % 256, n % 256)).collect();
    node.agenda.failed(Family::V4, &generation(&format!("dns 10.96.0.10:53 = {}", many.join(" "))));
    node.wait(HOUR);
    assert_eq!((node.times(), node.left().len()), (vec![0.0], 1));
    node.commit_with(NEW, Cause::AfterFailure);
    node.wait(seconds(60));
    assert!(node.left().is_empty());
}

#[test]
fn that_no_more_can_be_remembered_is_said_once() {
    let many: Vec<String> =
        (0..70_000).map(|n| format!("10.{}.{}.{}:53", 2 + n / 65_536, n / 256 % 256, n % 256)).collect();
    let mut node = quiet(&format!("dns 10.96.0.10:53 = {}", many.join(" ")), &[]);
    node.kernel.faults = vec![Fault::Fail(ENOBUFS); 3].into();
    node.commit("");
    node.wait(seconds(60));
    let said = node.reports.iter().map(|(_, report)| report.findings.warnings.len());
    assert_eq!(said.collect::<Vec<_>>(), [1, 0, 0, 0, 0]);
    assert_eq!(node.reports[0].1.findings.warnings, [Warning::Forgetting]);
}

#[test]
fn what_was_written_without_a_difference_for_flows_ends_the_wait() {
    let mut node = quiet(OLD, &[]);
    node.commit(NEW);
    node.agenda.writing(Family::V4);
    node.kernel.entries = vec![entry(STALE)];
    node.wait(seconds(1));
    assert_eq!(node.left().len(), 1);
    node.agenda.unchanged(Family::V4);
    node.settle_now();
    assert_eq!(node.left().len(), 0);
}

#[test]
fn a_family_does_not_wait_for_the_rules_of_the_other() {
    let mut node = quiet(OLD, &[STALE]);
    node.agenda.failed(Family::V6, &generation("dns [fd00:96::10]:53 = [fd00:1::7]:53"));
    node.agenda.writing(Family::V6);
    node.commit(NEW);
    node.wait(seconds(60));
    assert_eq!((node.left().len(), node.times()), (0, vec![0.0, 2.0]));
}

#[test]
fn a_pass_that_is_overtaken_deletes_nothing_more_and_is_made_again() {
    let many = (0..130).map(|port| format!("10.0.0.9:{}>10.96.0.10:53>10.1.0.7:53", 1024 + port));
    let many: Vec<String> = many.collect();
    let mut node = quiet(OLD, &many.iter().map(String::as_str).collect::<Vec<_>>());
    node.commit(NEW);
    node.meanwhile = [Meanwhile::Commits(generation(NEW)), Meanwhile::Writes].into();
    node.wait(seconds(1));
    assert_eq!((node.left().len(), node.last().pending), (130 - 64, 1));
    assert_eq!((&node.last().findings.end, node.last().failure), (&End::Overtaken, None));
    node.agenda.unchanged(Family::V4);
    node.wait(seconds(1));
    assert_eq!((node.left().len(), node.last().pending), (0, 0));
}

#[test]
fn a_commit_that_failed_and_then_succeeded_deletes_nothing_right() {
    let mut node = quiet(OLD, &[]);
    node.kernel.entries = vec![entry("10.0.0.2:40002>10.96.0.10:53>10.1.0.8:53")];
    node.agenda.failed(Family::V4, &generation(NEW));
    node.commit_with(NEW, Cause::AfterFailure);
    node.wait(seconds(60));
    assert_eq!(node.left(), ["10.0.0.2:40002>10.1.0.8:53"]);
}

#[test]
fn a_commit_during_a_pass_is_not_cleared_by_it() {
    let mut node = quiet(OLD, &[STALE]);
    node.commit(NEW);
    node.meanwhile = [Meanwhile::Commits(generation("dns 10.96.0.10:53 ="))].into();
    node.kernel.entries.push(entry("10.0.0.2:40002>10.96.0.10:53>10.1.0.8:53"));
    node.settle_now();
    assert_eq!((node.left().len(), node.last().pending), (1, 1));
    node.wait(seconds(1));
    assert!(node.left().is_empty());
}
