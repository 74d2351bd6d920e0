//! What makes a front end dirty: one test for each kind of change.

use std::net::SocketAddr;

use super::{Dirty, Look, changes};
use crate::flow::Family;
use crate::sample::{generation, look, snapshot};
use crate::snapshot::Snapshot;

/// The dirty front ends, and what is retired as `address: backends`.
#[track_caller]
fn check(old: &str, new: &str, dirty: &str, former: &[&str]) {
    let found = changes(&snapshot(old), &snapshot(new));
    assert_eq!(found.dirty, look(dirty).dirty, "{old} -> {new}");
    let text = |(address, former): (&_, &super::Former)| {
        format!("{address}: {:?}", former.backends).replace(['{', '}', ','], "")
    };
    assert_eq!(found.former.iter().map(text).collect::<Vec<_>>(), former, "{old} -> {new}");
}

#[test]
fn nothing_changed() {
    check("a 10.96.0.1:53 = 10.1.0.1:53", "a 10.96.0.1:53 = 10.1.0.1:53", "", &[]);
}

#[test]
fn a_backend_left() {
    let former = ["10.96.0.1:53: 10.1.0.2:53"];
    check(
        "a 10.96.0.1:53 = 10.1.0.1:53 10.1.0.2:53",
        "a 10.96.0.1:53 = 10.1.0.1:53",
        "10.96.0.1:53",
        &former,
    );
}

#[test]
fn the_last_backend_left() {
    let former = ["10.96.0.1:53: 10.1.0.1:53"];
    check("a 10.96.0.1:53 = 10.1.0.1:53", "a 10.96.0.1:53 =", "10.96.0.1:53", &former);
}

#[test]
fn a_target_port_changed() {
    let former = ["10.96.0.1:53: 10.1.0.1:53"];
    check("a 10.96.0.1:53 = 10.1.0.1:53", "a 10.96.0.1:53 = 10.1.0.1:54", "10.96.0.1:53", &former);
}

#[test]
fn empty_became_non_empty() {
    check("a 10.96.0.1:53 =", "a 10.96.0.1:53 = 10.1.0.1:53", "10.96.0.1:53", &[]);
}

#[test]
fn empty_became_non_empty_though_the_rules_refuse_still() {
    check("a 10.96.0.1:53 =", "a 10.96.0.1:53! = 10.1.0.1:53", "10.96.0.1:53", &[]);
}

#[test]
fn backends_were_only_added() {
    check("a 10.96.0.1:53 = 10.1.0.1:53", "a 10.96.0.1:53 = 10.1.0.1:53 10.1.0.2:53", "", &[]);
}

#[test]
fn a_service_appeared_with_or_without_backends() {
    check("", "a 10.96.0.1:53 = 10.1.0.1:53", "10.96.0.1:53", &[]);
    check("", "a 10.96.0.1:53 =", "10.96.0.1:53", &[]);
}

#[test]
fn an_address_or_a_node_port_appeared() {
    let old = "nodes 192.168.0.1; a 10.96.0.1:53 = 10.1.0.1:53";
    check(old, &old.replace(" =", " 203.0.113.5:53 ="), "203.0.113.5:53", &[]);
    check(old, &old.replace(" =", " 30053 ="), "30053", &[]);
}

#[test]
fn front_ends_went() {
    let former = ["10.96.0.1:53: 10.1.0.1:53", "192.168.0.1:30053: 10.1.0.1:53"];
    check("nodes 192.168.0.1; a 10.96.0.1:53 30053 = 10.1.0.1:53", "nodes 192.168.0.1", "", &former);
    check("a 10.96.0.1:53 =", "", "", &[]);
}

#[test]
fn an_address_moved_to_another_service() {
    let former = ["10.96.0.1:53: 10.1.0.1:53"];
    check("a 10.96.0.1:53 = 10.1.0.1:53", "b 10.96.0.1:53 = 10.1.0.2:53", "10.96.0.1:53", &former);
}

#[test]
fn a_service_was_renamed() {
    check("a 10.96.0.1:53 = 10.1.0.1:53", "b 10.96.0.1:53 = 10.1.0.1:53", "", &[]);
}

#[test]
fn one_of_two_claimants_went() {
    let former = ["203.0.113.5:53: 10.1.0.2:53"];
    let both = "a 203.0.113.5:53 = 10.1.0.1:53; b 203.0.113.5:53 = 10.1.0.2:53";
    check(both, "a 203.0.113.5:53 = 10.1.0.1:53", "203.0.113.5:53", &former);
}

#[test]
fn node_addresses_came_and_went() {
    let ports = "; a 30053 = 10.1.0.1:53; b 30054 =";
    let one = format!("nodes 192.168.0.1{ports}");
    let two = format!("nodes 192.168.0.1 192.168.0.2{ports}");
    check(&one, &two, "30053 30054", &[]);
    check(&two, &one, "", &["192.168.0.2:30053: 10.1.0.1:53"]);
    check(&one, &one.replace("nodes 192.168.0.1;", ""), "", &["192.168.0.1:30053: 10.1.0.1:53"]);
}

#[test]
fn rules_of_one_front_end_began_or_ceased_to_deliver() {
    let local = "a 10.96.0.1:53 203.0.113.5:53! = 10.1.0.1:53";
    let cluster = "a 10.96.0.1:53 203.0.113.5:53 = 10.1.0.1:53";
    check(local, cluster, "203.0.113.5:53", &[]);
    check(cluster, local, "203.0.113.5:53", &[]);
}

#[test]
fn a_node_port_takes_over_from_an_exact_front_end_that_hid_it() {
    let hidden = "nodes 192.168.0.1; np 30053 = 10.1.0.1:53; ext 192.168.0.1:30053 = 10.1.0.2:53";
    let former = ["192.168.0.1:30053: 10.1.0.2:53"];
    check(hidden, "nodes 192.168.0.1; np 30053 = 10.1.0.1:53", "30053", &former);
}

#[test]
fn families_do_not_mix() {
    let text = "nodes 192.168.0.1 fd00::1; a 10.96.0.1:53 [fd00:96::1]:53 30053 = 10.1.0.1:53";
    for (family, front_ends) in [(Family::V4, "10.96.0.1:53 30053"), (Family::V6, "[fd00:96::1]:53 30053")] {
        let empty = Snapshot::new(family, &generation(""));
        let found = changes(&empty, &Snapshot::new(family, &generation(text)));
        assert_eq!(found.dirty, look(front_ends).dirty);
    }
}

#[test]
fn merging_keeps_all_of_both() {
    let first = changes(&snapshot("a 10.96.0.1:53 = 10.1.0.1:53"), &snapshot(""));
    let second = changes(&snapshot("a 10.96.0.1:53 = 10.1.0.2:53"), &snapshot("a 10.96.0.1:53 ="));
    let mut merged = first.clone();
    merged.merge(&second);
    assert_eq!(merged.dirty, look("10.96.0.1:53").dirty);
    assert_eq!(merged.former.values().map(|former| former.backends.len()).sum::<usize>(), 2);
    merged.merge(&Look::everything());
    assert_eq!(merged.dirty, Dirty::Everything);
    assert_eq!(merged.former.len(), 1);
}

#[test]
fn what_is_remembered_is_bounded() {
    let address = |n: u32| SocketAddr::from(([10, 96, (n >> 8) as u8, n as u8], 53));
    let pairs = |look: &Look| look.former.values().map(|former| former.backends.len()).sum::<usize>();
    let [mut one, mut other] = [Look::default(), Look::default()];
    for n in 0..300 {
        one.remember(address(n), [], (0..200).map(address));
        one.remember(address(n), [], (0..200).map(address));
        other.remember(address(n), [], (100..300).map(address));
    }
    assert_eq!((pairs(&one), pairs(&other)), (60_000, 60_000), "nothing counts twice");
    one.merge(&other);
    assert_eq!(pairs(&one), super::FORMER_PAIRS);
}
