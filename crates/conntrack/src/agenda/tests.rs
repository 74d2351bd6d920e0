//! When passes are made, what survives a failure, and what is looked at a second time.

mod busy;
mod commits;
mod failures;
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
