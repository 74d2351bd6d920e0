//! Looks that fail, and when they are made again.

use super::*;

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
