//! Entries that cannot be deleted, and what does not wait for them.

use super::*;

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
