//! Every row of the decision table, and the laws that hold whatever the table and the rules are.

pub(crate) mod laws;

use super::{Delete, Keep, Verdict, judge};
use crate::dirty::{Former, Look, changes};
use crate::flow::{Entry, Family, Protocol};
use crate::sample::{entry, generation, look, snapshot, with_protocol};
use crate::snapshot::Snapshot;

const RULES: &str = "nodes 192.168.0.1 192.168.0.2;
    dns 10.96.0.10:53 203.0.113.5:53 30053 = 10.1.0.7:5353 10.1.0.8:5353;
    empty 10.96.0.11:53 30054 =";

fn verdict(entry: &Entry, look: &Look) -> Verdict {
    judge(entry, &snapshot(RULES), look)
}

#[track_caller]
fn check(text: &str, expected: Verdict) {
    assert_eq!(verdict(&entry(text), &Look::everything()), expected, "{text}");
}

#[track_caller]
fn keeps(text: &str, why: Keep) {
    check(text, Verdict::Keep(why));
}

#[track_caller]
fn deletes(text: &str, why: Delete) {
    check(text, Verdict::Delete(why));
}

#[test]
fn row_1_other_protocols_stay() {
    let stale = entry("10.0.0.1:40001>10.96.0.10:53>10.1.0.9:5353");
    for protocol in [Protocol::TCP, Protocol::SCTP, Protocol(1), Protocol(47), Protocol(136)] {
        let stale = with_protocol(&stale, protocol);
        assert_eq!(verdict(&stale, &Look::everything()), Verdict::Keep(Keep::NotUdp));
    }
    let icmp = Entry::Partial { family: Some(Family::V4), protocol: Some(Protocol(1)) };
    assert_eq!(verdict(&icmp, &Look::everything()), Verdict::Keep(Keep::NotUdp));
}

#[test]
fn row_2_what_is_incomplete_or_of_the_other_family_stays() {
    for protocol in [None, Some(Protocol::UDP)] {
        let partial = Entry::Partial { family: Some(Family::V4), protocol };
        assert_eq!(verdict(&partial, &Look::everything()), Verdict::Keep(Keep::Incomplete));
    }
    keeps("[fd00::1]:40001>[fd00::10]:53>[fd00::9]:53", Keep::Incomplete);
    keeps("[::ffff:10.0.0.1]:40001>[::ffff:10.96.0.10]:53>[::ffff:10.1.0.9]:53", Keep::Incomplete);
}

#[test]
fn row_3_untranslated_copies_in_zones_stay_but_translated_ones_are_judged() {
    keeps("10.0.0.1:40001>10.96.0.10:53 zone 5", Keep::ZoneCopy);
    deletes("10.0.0.1:40001>10.96.0.10:53>10.1.0.9:5353 zone 5", Delete::NotServing);
    keeps("10.0.0.1:40001>10.96.0.10:53>10.1.0.7:5353 zone 5", Keep::Serving);
}

#[test]
fn row_4_an_exact_front_end_hides_a_node_port() {
    let rules = snapshot("nodes 192.168.0.1; np 30053 = 10.1.0.7:53; ext 192.168.0.1:30053 = 10.1.0.8:53");
    let everything = Look::everything();
    let to_external = entry("10.0.0.1:40001>192.168.0.1:30053>10.1.0.8:53");
    assert_eq!(judge(&to_external, &rules, &everything), Verdict::Keep(Keep::Serving));
    let to_node_port = entry("10.0.0.1:40001>192.168.0.1:30053>10.1.0.7:53");
    assert_eq!(judge(&to_node_port, &rules, &everything), Verdict::Delete(Delete::NotServing));
}

#[test]
fn row_4_a_cluster_ip_port_equal_to_a_node_port_is_no_node_port() {
    let rules = snapshot("nodes 192.168.0.1; a 10.96.0.20:30053 = 10.1.0.7:53; b 30053 = 10.1.0.8:53");
    let healthy = entry("10.0.0.1:40001>10.96.0.20:30053>10.1.0.7:53");
    assert_eq!(judge(&healthy, &rules, &Look::everything()), Verdict::Keep(Keep::Serving));
}

#[test]
fn row_5_node_ports_answer_on_node_addresses_only() {
    deletes("10.0.0.1:40001>192.168.0.1:30053", Delete::Bypassing);
    deletes("10.0.0.1:40001>192.168.0.2:30053>10.1.0.9:5353", Delete::NotServing);
    keeps("10.0.0.1:40001>192.168.0.3:30053 replied", Keep::NoFrontEnd);
    keeps("10.0.0.1:40001>192.168.0.3:30053>172.16.0.1:9", Keep::NoFrontEnd);
    keeps("10.0.0.1:40001>192.168.0.1:8472 replied", Keep::NoFrontEnd);
}

#[test]
fn row_5_without_known_addresses_there_are_no_node_ports() {
    let rules = snapshot("dns 30053 = 10.1.0.7:53");
    let entry = entry("10.0.0.1:40001>192.168.0.1:30053");
    assert_eq!(judge(&entry, &rules, &Look::everything()), Verdict::Keep(Keep::NoFrontEnd));
}

#[test]
fn row_6_a_retired_front_end_gives_up_what_led_to_its_backends() {
    let mut look = look("");
    let gone = "203.0.113.9:53".parse().unwrap();
    let backends = ["10.1.0.7:5353".parse().unwrap()].into();
    look.former.insert(gone, Former { backends, ..Former::default() });
    let of = |text| verdict(&entry(text), &look);
    assert_eq!(of("10.0.0.1:40001>203.0.113.9:53>10.1.0.7:5353"), Verdict::Delete(Delete::Retired));
    assert_eq!(of("10.0.0.1:40001>203.0.113.9:53>10.1.0.8:5353"), Verdict::Keep(Keep::NoFrontEnd));
    assert_eq!(of("10.0.0.1:40001>203.0.113.9:53"), Verdict::Keep(Keep::NoFrontEnd));
    assert_eq!(of("10.0.0.1:40001>203.0.113.9:53 replied"), Verdict::Keep(Keep::NoFrontEnd));
    assert_eq!(of("10.0.0.1:40001>203.0.113.9:54>10.1.0.7:5353"), Verdict::Keep(Keep::NoFrontEnd));
}

#[test]
fn row_7_only_dirty_front_ends_are_touched() {
    let stale = entry("10.0.0.1:40001>10.96.0.10:53>10.1.0.9:5353");
    assert_eq!(verdict(&stale, &look("203.0.113.5:53 30053")), Verdict::Keep(Keep::NotDirty));
    assert_eq!(verdict(&stale, &look("10.96.0.10:53")), Verdict::Delete(Delete::NotServing));
}

#[test]
fn row_8_a_serving_backend_keeps_its_entries() {
    for front_end in ["10.96.0.10:53", "203.0.113.5:53", "192.168.0.2:30053"] {
        keeps(&format!("10.0.0.1:40001>{front_end}>10.1.0.7:5353"), Keep::Serving);
        keeps(&format!("10.0.0.1:40001>{front_end}>10.1.0.8:5353 replied"), Keep::Serving);
    }
}

#[test]
fn row_8_two_service_ports_with_one_address_keep_the_backends_of_both() {
    let rules = snapshot("a 203.0.113.5:53 = 10.1.0.7:53; b 203.0.113.5:53 = 10.1.0.8:53");
    for (backend, expected) in [
        ("10.1.0.7:53", Verdict::Keep(Keep::Serving)),
        ("10.1.0.8:53", Verdict::Keep(Keep::Serving)),
        ("10.1.0.9:53", Verdict::Delete(Delete::NotServing)),
    ] {
        let entry = entry(&format!("10.0.0.1:40001>203.0.113.5:53>{backend}"));
        assert_eq!(judge(&entry, &rules, &Look::everything()), expected);
    }
}

#[test]
fn row_8_a_backend_that_is_the_front_end_itself_is_not_a_bypass() {
    let rules = snapshot("nodes 192.168.0.1; host 30053 = 192.168.0.1:30053");
    let entry = entry("10.0.0.1:40001>192.168.0.1:30053");
    assert_eq!(judge(&entry, &rules, &Look::everything()), Verdict::Keep(Keep::Serving));
}

#[test]
fn row_9_entries_of_backends_that_do_not_serve_go() {
    deletes("10.0.0.1:40001>10.96.0.10:53>10.1.0.9:5353", Delete::NotServing);
    deletes("10.0.0.1:40001>10.96.0.10:53>10.1.0.9:5353 replied", Delete::NotServing);
    deletes("10.0.0.1:40001>10.96.0.10:53>10.1.0.7:53 replied", Delete::NotServing);
    deletes("10.0.0.1:40001>10.96.0.11:53>10.1.0.7:5353", Delete::NotServing);
    deletes("10.0.0.1:40001>192.168.0.1:30054>10.1.0.7:5353 replied", Delete::NotServing);
}

#[test]
fn row_10_untranslated_entries_go_where_there_are_backends() {
    deletes("10.0.0.1:40001>10.96.0.10:53", Delete::Bypassing);
    deletes("10.0.0.1:40001>203.0.113.5:53 replied", Delete::Bypassing);
}

#[test]
fn row_11_unanswered_ones_also_where_there_are_none() {
    deletes("10.0.0.1:40001>10.96.0.11:53", Delete::Unanswered);
    deletes("10.0.0.1:40001>192.168.0.1:30054", Delete::Unanswered);
}

#[test]
fn row_12_answered_ones_stay_until_there_is_a_backend() {
    keeps("10.0.0.1:40001>10.96.0.11:53 replied", Keep::AnsweredElsewhere);
    let old = snapshot(RULES);
    let new = snapshot(&RULES.replace("30054 =", "30054 = 10.1.0.7:5353"));
    let entry = entry("10.0.0.1:40001>10.96.0.11:53 replied");
    assert_eq!(judge(&entry, &new, &changes(&old, &new)), Verdict::Delete(Delete::Bypassing));
}

#[test]
fn masquerading_does_not_matter() {
    for backend in ["10.1.0.7:5353", "10.1.0.9:5353"] {
        let plain = entry(&format!("10.0.0.1:40001>192.168.0.1:30053>{backend}"));
        let mut masqueraded = *plain.flow().unwrap();
        let reply_to = "192.168.0.1:60000".parse().unwrap();
        masqueraded.reply = crate::flow::Tuple::new(Protocol::UDP, masqueraded.backend(), reply_to).unwrap();
        let everything = Look::everything();
        assert_eq!(verdict(&Entry::Complete(masqueraded), &everything), verdict(&plain, &everything));
    }
}

#[test]
fn ipv6_is_judged_alike() {
    let text = "dns [fd00:96::10]:53 30053 = [fd00:1::7]:53; nodes fd00::1";
    let rules = Snapshot::new(Family::V6, &generation(text));
    for (text, expected) in [
        ("[fd00::9]:40001>[fd00:96::10]:53>[fd00:1::7]:53", Verdict::Keep(Keep::Serving)),
        ("[fd00::9]:40001>[fd00:96::10]:53>[fd00:1::8]:53", Verdict::Delete(Delete::NotServing)),
        ("[fd00::9]:40001>[fd00::1]:30053", Verdict::Delete(Delete::Bypassing)),
        ("[fd00::9]:40001>[fd00::2]:30053", Verdict::Keep(Keep::NoFrontEnd)),
        ("10.0.0.1:40001>10.96.0.10:53", Verdict::Keep(Keep::Incomplete)),
    ] {
        assert_eq!(judge(&entry(text), &rules, &Look::everything()), expected, "{text}");
    }
}
