//! When passes are made, what survives a failure, and what is looked at a second time.

mod histories;

use std::time::Duration;

use crate::fake::{Call, Fault};
use crate::flow::Family;
use crate::generation::Cause;
use crate::kernel::{Error, Outcome};
use crate::rehearsal::{HOUR, Meanwhile, Rehearsal};
use crate::report::{End, Occasion, Warning};
use crate::sample::{entry, generation};

const OLD: &str = "dns 10.96.0.10:53 = 10.1.0.7:53";
const NEW: &str = "dns 10.96.0.10:53 = 10.1.0.8:53";
const STALE: &str = "10.0.0.1:40001>10.96.0.10:53>10.1.0.7:53";

const EPERM: Error = Error::Unavailable { what: "dump", errno: 1 };
const ENOBUFS: Error = Error::TryAgain { what: "dump", errno: 105 };

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// A node that is long past its first sync.
fn quiet(rules: &str, entries: &[&str]) -> Rehearsal {
    let mut node = Rehearsal::new(entries.iter().map(|text| entry(text)));
    node.commit_with(rules, Cause::FirstSync);
    node.wait(seconds(60));
    node.start = node.now;
    node.reports.clear();
    node.kernel.calls.clear();
    node
}

#[test]
fn the_first_sync_looks_at_everything_at_once_and_once_more() {
    let mut node = Rehearsal::new([entry(STALE)]);
    node.commit_with(NEW, Cause::FirstSync);
    node.wait(seconds(60));
    assert_eq!(node.times(), [0.0, 2.0]);
    assert_eq!(node.reports[0].1.occasion, Occasion::Commit(Cause::FirstSync));
    assert_eq!(node.reports[1].1.occasion, Occasion::Settle);
    assert!(node.left().is_empty());
}

#[test]
fn a_node_without_udp_services_is_never_looked_at() {
    let mut node = Rehearsal::new([entry(STALE)]);
    node.commit_with("", Cause::FirstSync);
    node.wait(HOUR * 3);
    assert!(node.kernel.calls.is_empty());
}

#[test]
fn changes_that_make_nothing_stale_cost_nothing() {
    let mut node = quiet(OLD, &[STALE]);
    node.commit("dns 10.96.0.10:53 = 10.1.0.7:53 10.1.0.8:53");
    node.commit("dns 10.96.0.10:53 = 10.1.0.7:53 10.1.0.8:53 10.1.0.9:53");
    node.wait(seconds(600));
    assert!(node.kernel.calls.is_empty());
    assert_eq!(node.left().len(), 1);
}

#[test]
fn a_replaced_backend_is_looked_at_without_delay_and_two_seconds_later() {
    let mut node = quiet(OLD, &[STALE]);
    node.commit(NEW);
    node.wait(seconds(600));
    assert_eq!(node.times(), [0.0, 2.0]);
    assert!(node.left().is_empty());
}

#[test]
fn an_entry_in_flight_is_found_by_the_second_look() {
    let mut node = quiet(OLD, &[]);
    node.kernel.faults = [Fault::InFlight(vec![entry(STALE)])].into();
    node.commit(NEW);
    node.wait(seconds(3));
    assert_eq!(node.times(), [0.0, 2.0]);
    assert!(node.left().is_empty());
    node.wait(seconds(60));
    assert_eq!(node.times(), [0.0, 2.0, 12.0]);
    assert_eq!(node.last().findings.warnings, []);
}

#[test]
fn an_entry_in_flight_to_a_deleted_service_is_found_too() {
    let mut node = quiet(OLD, &[]);
    node.kernel.faults = [Fault::InFlight(vec![entry(STALE)])].into();
    node.commit("");
    node.wait(seconds(3));
    assert!(node.left().is_empty());
}

#[test]
fn entries_that_keep_coming_are_a_warning() {
    let mut node = quiet(OLD, &[]);
    let in_flight = || Fault::InFlight(vec![entry(STALE)]);
    node.kernel.faults = [in_flight(), in_flight(), in_flight()].into();
    node.commit(NEW);
    node.wait(seconds(60));
    assert_eq!(node.times(), [0.0, 2.0, 12.0]);
    let front_ends = [crate::sample::front_end("10.96.0.10:53")].into();
    assert_eq!(node.last().findings.warnings, [Warning::Persisting { front_ends }]);
}

#[test]
fn a_commit_between_explains_what_a_repeated_look_finds() {
    let mut node = quiet(OLD, &[]);
    node.commit(NEW);
    node.wait(Duration::from_millis(1800));
    node.kernel.entries = vec![entry("10.0.0.1:40001>10.96.0.10:53>10.1.0.8:53")];
    node.commit("dns 10.96.0.10:53 =");
    node.settle_now();
    node.wait(seconds(60));
    assert_eq!(node.times(), [0.0, 1.8, 2.3, 3.8]);
}

#[test]
fn everything_is_looked_at_once_an_hour_and_not_again() {
    let mut node = quiet(OLD, &[]);
    node.kernel.entries = vec![entry("10.0.0.1:40001>10.96.0.10:53>10.1.0.99:53")];
    node.wait(HOUR * 2);
    let occasions: Vec<_> = node.reports.iter().map(|(_, report)| report.occasion).collect();
    assert_eq!(occasions, [Occasion::Hourly, Occasion::Hourly]);
    assert!(node.left().is_empty());
}

#[test]
fn a_dump_that_fails_twice_delays_by_three_seconds() {
    let mut node = quiet(OLD, &[STALE]);
    node.kernel.faults = [Fault::Fail(ENOBUFS), Fault::Fail(ENOBUFS)].into();
    node.commit(NEW);
    node.wait(seconds(4));
    assert_eq!(node.times(), [0.0, 1.0, 3.0]);
    assert!(node.left().is_empty());
    assert!(node.reports[0].1.pending > 0 && node.reports[1].1.pending > 0);
    assert_eq!(node.last().pending, 0);
    let first: Vec<_> =
        node.reports.iter().map(|(_, report)| report.failure.as_ref().map(|f| f.is_news)).collect();
    assert_eq!(first, [Some(true), Some(false), None]);
}

#[test]
fn another_cause_of_failure_is_news() {
    let mut node = quiet(OLD, &[STALE]);
    let faults = [ENOBUFS, ENOBUFS, EPERM, EPERM, ENOBUFS].map(Fault::Fail);
    node.kernel.faults = faults.into();
    node.commit(NEW);
    node.wait(seconds(300));
    let news = node.reports.iter().map(|(_, report)| report.failure.map(|failure| failure.is_news));
    let expected = [Some(true), Some(false), Some(true), Some(false), Some(true), None, None];
    assert_eq!(news.collect::<Vec<_>>(), expected);
}

#[test]
fn the_same_failure_of_both_families_is_news_once() {
    let mut node = quiet(OLD, &[STALE]);
    node.kernel.faults = vec![Fault::Fail(EPERM); 4].into();
    let v6 = generation("dns [fd00:96::10]:53 = [fd00:1::7]:53");
    node.commit(NEW);
    node.agenda.committed(node.now, Family::V6, &v6, Cause::FirstSync);
    node.wait(seconds(60));
    let news = node.reports.iter().map(|(_, report)| report.failure.map(|failure| failure.is_news));
    assert_eq!(news.collect::<Vec<_>>(), [Some(true), Some(false), Some(false), Some(false)]);
}

#[test]
fn failures_back_off_to_a_minute_and_never_end() {
    let mut node = quiet(OLD, &[STALE]);
    node.kernel.faults = vec![Fault::Fail(ENOBUFS); 9].into();
    node.commit(NEW);
    node.wait(seconds(300));
    assert_eq!(node.times()[..9], [0.0, 1.0, 3.0, 7.0, 15.0, 31.0, 63.0, 123.0, 183.0]);
    assert!(node.left().is_empty());
}

#[test]
fn where_conntrack_is_unavailable_it_is_tried_each_minute() {
    let mut node = quiet(OLD, &[STALE]);
    node.kernel.faults = vec![Fault::Fail(EPERM); 3].into();
    node.commit(NEW);
    node.wait(seconds(181));
    assert_eq!(node.times()[..4], [0.0, 60.0, 120.0, 180.0]);
    assert!(node.left().is_empty());
}

#[test]
fn without_ctnetlink_nothing_but_the_count_is_asked_each_minute_and_all_is_made_up_for_later() {
    let mut node = quiet(OLD, &[STALE]);
    node.kernel.count_errors = vec![Error::Unavailable { what: "count", errno: 22 }; 3].into();
    node.commit(NEW);
    node.wait(seconds(179));
    assert_eq!(node.times(), [0.0, 60.0, 120.0]);
    assert_eq!(node.kernel.calls, [Call::Count; 3]);
    let failures = node.reports.iter().map(|(_, report)| report.failure.map(|failure| failure.is_news));
    assert_eq!(failures.collect::<Vec<_>>(), [Some(true), Some(false), Some(false)]);
    assert_eq!((node.last().pending, node.left().len()), (1, 1));
    node.wait(seconds(1));
    assert_eq!((node.last().pending, node.left().len()), (0, 0));
}

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

#[test]
fn passes_keep_their_distance_whatever_the_churn() {
    let mut node = quiet(OLD, &[]);
    node.cpu_per_pass = Duration::from_millis(150);
    for round in 0..50 {
        node.commit(if round % 2 == 0 { NEW } else { OLD });
        node.wait(Duration::from_millis(200));
    }
    let times = node.times();
    assert!(times.windows(2).all(|pair| pair[1] - pair[0] > 1.199), "{times:?}");
    assert!(times.len() <= 9, "{times:?}");
    node.wait(seconds(3));
    assert_eq!(node.last().pending, 0);
}

#[test]
fn cheap_passes_are_half_a_second_apart() {
    let mut node = quiet(OLD, &[]);
    node.commit(NEW);
    node.wait(Duration::from_millis(1));
    node.commit(OLD);
    node.wait(seconds(1));
    assert_eq!(node.times(), [0.0, 0.5]);
}

#[test]
fn families_do_not_wait_for_each_other() {
    let mut node = quiet(OLD, &[]);
    let v6 = generation("dns [fd00:96::10]:53 = [fd00:1::7]:53");
    node.commit(NEW);
    node.agenda.committed(node.now, Family::V6, &v6, Cause::FirstSync);
    node.settle_now();
    assert_eq!(node.times(), [0.0, 0.0]);
    let families: Vec<_> = node.reports.iter().map(|(_, report)| report.family).collect();
    assert_eq!(families, [Family::V4, Family::V6]);
}

#[test]
fn entries_that_stay_busy_keep_the_front_end_pending() {
    let mut node = quiet(OLD, &[STALE]);
    node.kernel.delete_answer = Some(Outcome::Busy);
    node.commit(NEW);
    node.wait(seconds(30));
    assert_eq!(node.last().pending, 1);
    node.kernel.delete_answer = None;
    node.wait(seconds(60));
    assert_eq!((node.last().pending, node.left().len()), (0, 0));
}

#[test]
fn busy_entries_delay_nothing_but_themselves() {
    let other = "10.0.0.2:40002>10.96.0.11:53>10.1.0.7:53";
    let both = |web: &str| format!("dns 10.96.0.10:53 = 10.1.0.8:53; web 10.96.0.11:53 = {web}:53");
    let mut node = quiet("dns 10.96.0.10:53 = 10.1.0.7:53; web 10.96.0.11:53 = 10.1.0.7:53", &[STALE, other]);
    node.kernel.delete_answer = Some(Outcome::Busy);
    node.commit(&both("10.1.0.7"));
    node.wait(seconds(20));
    assert_eq!(node.times(), [0.0, 1.0, 2.0, 3.0, 7.0, 15.0]);
    assert_eq!(node.last().pending, 1);
    node.kernel.delete_answer = None;
    node.commit(&both("10.1.0.8"));
    node.settle_now();
    assert_eq!((node.times()[6], node.left()), (20.0, vec!["10.0.0.1:40001>10.1.0.7:53".into()]));
    assert_eq!((node.last().pending, node.last().failure), (1, None));
    node.wait(seconds(60));
    assert_eq!(node.times()[7..], [22.0, 31.0]);
    assert_eq!((node.left().len(), node.last().pending), (0, 0));
}

#[test]
fn busy_entries_are_news_once_and_nothing_that_keeps_coming() {
    let mut node = quiet(OLD, &[STALE]);
    node.kernel.delete_answer = Some(Outcome::Busy);
    node.commit(NEW);
    node.wait(seconds(60));
    let news = node.reports.iter().map(|(_, report)| report.failure.map(|failure| failure.is_news));
    let again = news.skip(1).collect::<Vec<_>>();
    assert_eq!(again, vec![Some(false); again.len()]);
    assert!(node.reports[0].1.failure.is_some_and(|failure| failure.is_news));
    assert!(node.reports.iter().all(|(_, report)| report.findings.warnings.is_empty()));
}

#[test]
fn refused_entries_are_nothing_that_keeps_coming() {
    let mut node = quiet(OLD, &[STALE]);
    node.kernel.delete_answer = Some(Outcome::Refused(22));
    node.commit(NEW);
    node.wait(seconds(60));
    assert_eq!(node.times(), [0.0, 2.0]);
}

#[test]
fn busy_entries_of_a_front_end_that_is_gone_are_tried_again() {
    let mut node = quiet(OLD, &[STALE]);
    node.kernel.delete_answer = Some(Outcome::Busy);
    node.commit("");
    node.wait(seconds(5));
    assert_eq!((node.left().len(), node.last().pending), (1, 1));
    node.kernel.delete_answer = None;
    node.wait(seconds(5));
    assert_eq!((node.left().len(), node.last().pending), (0, 0));
}

#[test]
fn a_commit_does_not_wait_for_a_table_that_changed_under_the_dumps_before() {
    let mut node = quiet(OLD, &[STALE]);
    node.kernel.faults = vec![Fault::Resize { missing_each: 1 }; 12].into();
    node.commit(NEW);
    node.wait(seconds(10));
    assert_eq!(node.times(), [0.0, 1.0, 3.0, 7.0]);
    node.commit("dns 10.96.0.10:53 = 10.1.0.9:53");
    node.settle_now();
    assert_eq!((node.times()[4], node.left().len(), node.last().pending), (10.0, 0, 0));
}

#[test]
fn a_commit_waits_for_a_kernel_that_fails() {
    let mut node = quiet(OLD, &[STALE]);
    node.kernel.faults = vec![Fault::Fail(ENOBUFS); 3].into();
    node.commit(NEW);
    node.wait(seconds(4));
    node.commit("dns 10.96.0.10:53 = 10.1.0.9:53");
    node.wait(seconds(4));
    assert_eq!(node.times(), [0.0, 1.0, 3.0, 7.0]);
}

#[test]
fn a_mass_deletion_is_said_once_however_often_it_is_tried() {
    let stale: Vec<String> =
        (0..1001).map(|port| format!("10.0.0.9:{}>10.96.0.10:53>10.1.0.7:53", 1024 + port)).collect();
    let mut node = quiet(OLD, &stale.iter().map(String::as_str).collect::<Vec<_>>());
    node.kernel.delete_errors = vec![ENOBUFS; 3].into();
    node.commit(NEW);
    node.wait(seconds(60));
    let warnings = node.reports.iter().map(|(_, report)| report.findings.warnings.len());
    assert_eq!(warnings.collect::<Vec<_>>()[..4], [1, 0, 0, 0]);
    assert!(node.left().is_empty());
}

#[test]
fn node_ports_follow_addresses_that_leave_the_node_and_come_back() {
    let [both, one] = ["192.168.0.1 192.168.0.100", "192.168.0.1"]
        .map(|text| text.split(' ').map(|address| address.parse().unwrap()).collect());
    let mut node = quiet("dns 30053 = 10.1.0.7:53; nodes 192.168.0.1 192.168.0.100", &[]);
    let untranslated = entry("10.0.0.1:40001>192.168.0.100:30053 replied");
    let translated = entry("10.0.0.2:40002>192.168.0.100:30053>10.1.0.7:53");
    node.kernel.entries = vec![untranslated, translated];
    node.agenda.is_at(node.now, &one);
    node.wait(HOUR * 2);
    assert_eq!(node.kernel.entries, [untranslated], "the address is somebody else's");
    node.agenda.is_at(node.now, &both);
    node.settle_now();
    assert!(node.left().is_empty());
}
