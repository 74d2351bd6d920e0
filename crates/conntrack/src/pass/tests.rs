//! One pass over a fake kernel: what is asked of it, what is deleted, what is reported.

use std::ops::ControlFlow;
use std::time::Duration;

use crate::fake::{Call, Fault, FilterSupport};
use crate::flow::{Entry, Family, Protocol};
use crate::generation::{Cause, FrontEnd};
use crate::kernel::{Error, Kernel, Outcome, Scope};
use crate::rehearsal::{Meanwhile, Rehearsal};
use crate::report::{End, Warning};
use crate::sample::{entry, generation, with_protocol};
use crate::stale::{Delete, Keep, Verdict};

const DNS: &str = "ns/dns:udp 10.96.0.10:53 = 10.1.0.7:53";
const GOOD: &str = "10.0.0.1:40001>10.96.0.10:53>10.1.0.7:53";
const DEAD: &str = "10.0.0.2:40002>10.96.0.10:53>10.1.0.8:53 replied";
const BYPASS: &str = "10.0.0.3:40003>10.96.0.10:53";
const OTHER: &str = "10.0.0.4:40004>198.51.100.1:53";

const EPERM: Error = Error::Unavailable { what: "dump", errno: 1 };
const ENOBUFS: Error = Error::TryAgain { what: "dump", errno: 105 };

/// A node whose first sync was just committed, with one of each in its table.
fn node() -> Rehearsal {
    let tcp = with_protocol(&entry("10.0.0.5:40005>10.96.0.10:53>10.1.0.8:53"), Protocol::TCP);
    let icmp = Entry::Partial { family: Some(Family::V4), protocol: Some(Protocol(1)) };
    let mut node = Rehearsal::new([entry(GOOD), entry(DEAD), entry(BYPASS), entry(OTHER), tcp, icmp]);
    node.commit_with(DNS, Cause::FirstSync);
    node
}

const LEFT: [&str; 3] =
    ["10.0.0.1:40001>10.1.0.7:53", "10.0.0.4:40004>198.51.100.1:53", "10.0.0.5:40005>10.1.0.8:53"];

#[test]
fn stale_entries_go_and_the_report_says_of_whom_and_why() {
    let mut node = node();
    node.settle_now();
    assert_eq!(node.left(), LEFT);
    let udp = Call::Dump(Scope::Udp(Family::V4));
    assert_eq!(node.kernel.calls, [Call::Count, Call::Count, udp, Call::Count, Call::Delete(2)]);
    let findings = &node.last().findings;
    assert_eq!((findings.seen(), findings.deleted(), findings.gone(), findings.failed()), (4, 2, 0, 0));
    assert_eq!(findings.verdicts[&Verdict::Keep(Keep::Serving)], 1);
    assert_eq!(findings.verdicts[&Verdict::Keep(Keep::NoFrontEnd)], 1);
    assert_eq!(findings.verdicts[&Verdict::Delete(Delete::NotServing)], 1);
    let affected = &findings.affected[&FrontEnd::Exact("10.96.0.10:53".parse().unwrap())];
    assert_eq!(affected.service_ports, ["ns/dns:udp".into()].into());
    assert_eq!(affected.reasons, [(Delete::NotServing, 1), (Delete::Bypassing, 1)].into());
    assert_eq!(findings.cpu, Duration::from_millis(5));
    assert_eq!(findings.end, End::Complete);
}

#[test]
fn the_report_names_the_service_of_a_front_end_that_is_gone() {
    let mut node = node();
    node.settle_now();
    node.wait(Duration::from_secs(1));
    node.commit("");
    node.settle_now();
    let affected = node.last().findings.affected.values().next().expect("the good entry is stale by now");
    assert_eq!(affected.service_ports, ["ns/dns:udp".into()].into());
    assert_eq!(affected.reasons, [(Delete::Retired, 1)].into());
}

#[test]
fn a_kernel_that_ignores_the_filter_gives_the_same_result() {
    let mut node = node();
    node.kernel.filter = FilterSupport::Ignored;
    node.settle_now();
    assert_eq!(node.left(), LEFT);
    assert_eq!(node.last().findings.seen(), 6);
}

#[test]
fn a_kernel_that_refuses_the_filter_is_asked_for_everything_from_then_on() {
    let mut node = node();
    node.kernel.filter = FilterSupport::Refused;
    node.settle_now();
    assert_eq!(node.left(), LEFT);
    assert_eq!(node.last().failure, None);
    node.kernel.calls.clear();
    node.wait(Duration::from_secs(3));
    assert!(node.kernel.calls.contains(&Call::Dump(Scope::Everything)));
    assert!(!node.kernel.calls.contains(&Call::Dump(Scope::Udp(Family::V4))));
}

#[test]
fn one_unfiltered_dump_serves_both_families() {
    let mut node = node();
    node.filtering.learn_refusal();
    let stale_v6 = "[fd00::1]:40001>[fd00:96::10]:53>[fd00:1::8]:53";
    let good_v6 = "[fd00::2]:40002>[fd00:96::10]:53>[fd00:1::7]:53";
    node.kernel.entries.extend([entry(stale_v6), entry(good_v6)]);
    let v6 = generation("ns/dns:udp [fd00:96::10]:53 = [fd00:1::7]:53");
    node.agenda.committed(node.now, Family::V6, &v6, Cause::FirstSync);
    node.settle_now();
    assert_eq!(node.left(), [&LEFT[..], &["[fd00::2]:40002>[fd00:1::7]:53"]].concat());
    assert_eq!(node.kernel.dumps(), 1);
    let deleted: Vec<_> = node.reports.iter().map(|(_, r)| (r.family, r.findings.deleted())).collect();
    assert_eq!(deleted, [(Family::V4, 2), (Family::V6, 1)]);
}

#[test]
fn a_refused_filter_is_not_remembered_if_a_plain_dump_fails_too() {
    let mut node = node();
    node.kernel.filter = FilterSupport::Refused;
    node.kernel.faults = [Fault::Fail(EPERM)].into();
    node.settle_now();
    assert!(node.last().failure.is_some());
    node.kernel.filter = FilterSupport::Works;
    node.wait(Duration::from_secs(61));
    assert_eq!(
        node.kernel.calls.iter().rfind(|call| matches!(call, Call::Dump(_))),
        Some(&Call::Dump(Scope::Udp(Family::V4)))
    );
    assert_eq!(node.left(), LEFT);
}

#[test]
fn a_resize_during_the_dump_is_noticed_and_the_dump_repeated() {
    let mut node = node();
    node.kernel.faults = [Fault::Resize { missing_each: 2 }].into();
    node.settle_now();
    assert_eq!(node.left(), LEFT);
    assert_eq!(node.kernel.dumps(), 2);
    assert_eq!(node.last().failure, None);
}

#[test]
fn an_interrupted_dump_is_acted_on_and_repeated_three_times_at_most() {
    let mut node = node();
    node.kernel.faults = vec![Fault::Interrupt; 3].into();
    node.settle_now();
    assert_eq!(node.left(), LEFT);
    assert_eq!(node.kernel.dumps(), 3);
    let report = node.last();
    assert!(report.failure.is_some());
    assert_eq!(report.findings.end, End::Doubtful);
    assert_eq!(report.findings.deleted(), 2);
    assert!(report.pending > 0);
    node.wait(Duration::from_secs(1));
    assert_eq!(node.kernel.dumps(), 4);
    assert_eq!((node.last().pending, &node.last().failure), (0, &None));
}

#[test]
fn what_newer_rules_make_right_is_spared() {
    let mut node = node();
    let newer = generation("ns/dns:udp 10.96.0.10:53 = 10.1.0.7:53 10.1.0.8:53");
    node.meanwhile = [Meanwhile::Commits(newer)].into();
    node.settle_now();
    assert!(node.left().contains(&"10.0.0.2:40002>10.1.0.8:53".to_owned()));
    let findings = &node.last().findings;
    assert_eq!(findings.deleted(), 1);
    assert_eq!(findings.stale.iter().filter(|stale| stale.outcome.is_none()).count(), 1);
}

#[test]
fn deletes_go_in_batches() {
    let mut node = node();
    let many = (0..150).map(|port| entry(&format!("10.0.0.9:{}>10.96.0.10:53>10.1.0.9:53", 1024 + port)));
    node.kernel.entries = many.collect();
    node.settle_now();
    let deletes = node.kernel.calls.iter().filter(|call| matches!(call, Call::Delete(_)));
    assert_eq!(deletes.copied().collect::<Vec<_>>(), [Call::Delete(64), Call::Delete(64), Call::Delete(22)]);
    assert_eq!(node.kernel.entries.len(), 0);
}

#[test]
fn deleting_most_of_a_big_table_is_a_warning() {
    let mut node = node();
    let stale = (0..1001u16).map(|port| {
        let vip = if port < 700 { "10.96.0.10:53" } else { "10.96.0.11:53" };
        entry(&format!("10.0.0.9:{}>{vip}>10.1.0.9:53", 1024 + port))
    });
    let good = (0..1000u16).map(|port| entry(&format!("10.0.0.8:{}>10.96.0.10:53>10.1.0.7:53", 1024 + port)));
    node.kernel.entries = stale.chain(good).collect();
    node.commit(&format!("{DNS}; ns/b: 10.96.0.11:53 = 10.1.0.7:53"));
    node.settle_now();
    let exact = |text: &str| FrontEnd::Exact(text.parse().unwrap());
    let biggest = vec![(exact("10.96.0.10:53"), 700), (exact("10.96.0.11:53"), 301)];
    assert_eq!(node.last().findings.warnings, [Warning::MassDeletion { stale: 1001, udp: 2001, biggest }]);
    assert_eq!(node.kernel.entries.len(), 1000);
}

#[test]
fn deleting_half_or_little_is_none() {
    let mut node = node();
    let stale =
        (0..1000u16).map(|port| entry(&format!("10.0.0.9:{}>10.96.0.10:53>10.1.0.9:53", 1024 + port)));
    node.kernel.entries = stale.collect();
    node.settle_now();
    assert_eq!(node.last().findings.warnings, []);
}

#[test]
fn deletes_that_are_all_answered_gone_are_one_warning() {
    let mut node = node();
    node.kernel.delete_answer = Some(Outcome::Gone);
    node.settle_now();
    assert_eq!(node.last().findings.warnings, [Warning::AllGone { entries: 2 }]);
    assert_eq!((node.last().findings.deleted(), node.last().findings.gone()), (0, 2));
    node.wait(Duration::from_secs(20));
    assert_eq!(node.reports.len(), 2);
    assert_eq!(node.last().findings.warnings, []);
}

#[test]
fn busy_entries_are_tried_again_and_refused_ones_are_not() {
    let mut node = node();
    node.kernel.delete_answer = Some(Outcome::Busy);
    node.settle_now();
    assert!(node.last().failure.is_some());
    assert_eq!(node.last().findings.end, End::Busy);
    node.kernel.delete_answer = Some(Outcome::Refused(22));
    node.wait(Duration::from_secs(1));
    let report = node.last();
    assert_eq!((&report.failure, report.pending, report.findings.failed()), (&None, 0, 2));
    assert!(matches!(report.findings.warnings[..], [Warning::Refused { errno: 22, .. }]));
}

#[test]
fn a_delete_that_fails_keeps_everything_dirty() {
    let mut node = node();
    node.kernel.delete_errors = [ENOBUFS].into();
    node.settle_now();
    assert_eq!(node.last().pending, 1);
    node.wait(Duration::from_secs(1));
    assert_eq!(node.left(), LEFT);
    assert_eq!(node.last().pending, 0);
}

#[test]
fn an_abandoned_dump_says_so() {
    let mut node = node();
    let mut seen = 0;
    let dumped = node.kernel.dump(Scope::Everything, &mut |_| {
        seen += 1;
        ControlFlow::Break(())
    });
    assert_eq!((dumped, seen), (Ok(crate::kernel::Dumped::Abandoned), 1));
}
