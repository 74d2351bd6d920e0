//! Turns a sequence of changes into what is written at each step.
//!
//! Knows nothing of how the rules look, but that they must be those that are rendered from scratch.

use std::time::Duration;

use proxier::chain::{ChainName, Table};
use proxier::parse::SavedRule;
use proxier::proxier::Kind;
use proxier::rule::{Rule, Target};
use serde_json::json;

use crate::story::{STALE_INTERVAL, Story};

/// The Service of a number exists, with one port.
fn add(story: &mut Story, number: usize, port: u16) {
    let service = json!({
        "metadata": {"namespace": format!("ns{number}"), "name": format!("svc{number}")},
        "spec": {"clusterIP": format!("172.30.0.4{number}"), "ports": [{"name": format!("p{port}"), "port": port}]},
    });
    story.services.insert(number, service);
}

/// The Service of a number has these endpoints, on other nodes.
fn set_endpoints(story: &mut Story, number: usize, port: u16, at: Vec<String>) {
    let at: Vec<_> = at.into_iter().map(|address| address + " remote").collect();
    let service = format!("ns{number}/svc{number}");
    story
        .endpoints
        .insert(number, json!({"service": service, "ports": {format!("p{port}"): port}, "at": at}));
}

const SVC1: &str = "KUBE-SVC-XPGD46QRK7WJZT7O";
const SVC1_SEP: &str = "KUBE-SEP-SNQ3ZNILQDEJNDQO";
const SVC2: &str = "KUBE-SVC-2VJB64SDSIJUP5T6";
const SVC2_SEP: &str = "KUBE-SEP-UHEGFW77JX3KXTOV";
const SVC3: &str = "KUBE-SVC-X27LE4BHSL4DOUIK";
const SVC3_SEP_1: &str = "KUBE-SEP-BSWRHOQ77KEXZLNL";
const SVC3_SEP_2: &str = "KUBE-SEP-DKCFIS26GWF2WLWC";
const SVC3_SEP_3: &str = "KUBE-SEP-JVVZVJ7BSEPPRNBS";
const SVC4: &str = "KUBE-SVC-4SW47YFZTEDKD3PK";
const SVC4_SEP: &str = "KUBE-SEP-AYCN5HPXMIRJNJXU";

/// One sync: the chains of service ports that are written, those that are deleted, the rules in nat.
fn check(story: &mut Story, written: &[&str], deleted: &[&str], nat_rules: usize) {
    let report = story.sync();
    assert_eq!(story.written(), written, "{}", story.input);
    assert_eq!(story.lines("-X "), deleted, "{}", story.input);
    assert_eq!(report.nat_rules, nat_rules);
    let nat = story.tables.chains(Table::Nat);
    let ours = nat.iter().filter(|(chain, _)| chain.to_string().starts_with("KUBE-"));
    assert_eq!(ours.map(|(_, chain)| chain.rules.len()).sum::<usize>(), nat_rules);
    story.assert_as_from_scratch();
}

fn refusals(story: &Story) -> usize {
    story.tables.chains(Table::Filter)[&ChainName::KUBE_SERVICES].rules.len()
}

#[test]
fn a_change_writes_what_it_changes() {
    let mut story = Story::new(|_| {});
    add(&mut story, 1, 80);
    add(&mut story, 2, 8080);
    set_endpoints(&mut story, 1, 80, vec!["10.0.1.1".into()]);
    set_endpoints(&mut story, 2, 8080, vec!["10.0.2.1".into()]);
    check(&mut story, &[SVC1, SVC1_SEP, SVC2, SVC2_SEP], &[], 15);

    add(&mut story, 3, 80);
    set_endpoints(&mut story, 3, 80, vec!["10.0.3.1".into()]);
    check(&mut story, &[SVC3, SVC3_SEP_1], &[], 20);

    story.services.remove(&2);
    check(&mut story, &[], &[SVC2_SEP, SVC2], 15);

    add(&mut story, 4, 80);
    check(&mut story, &[], &[], 15);
    assert_eq!(refusals(&story), 1);

    set_endpoints(&mut story, 4, 80, vec!["10.0.4.1".into()]);
    check(&mut story, &[SVC4, SVC4_SEP], &[], 20);
    assert_eq!(refusals(&story), 0);

    set_endpoints(&mut story, 3, 80, vec!["10.0.3.2".into()]);
    check(&mut story, &[SVC3, SVC3_SEP_2], &[SVC3_SEP_1], 20);

    // The chain of the endpoint that stays is as it should be, and is not written.
    set_endpoints(&mut story, 3, 80, vec!["10.0.3.2".into(), "10.0.3.3".into()]);
    check(&mut story, &[SVC3, SVC3_SEP_3], &[], 23);
    assert!(story.input.contains("--probability 0.5000000000 -j KUBE-SEP-DKCFIS26GWF2WLWC"));

    check(&mut story, &[], &[], 23);
    assert_eq!(story.input, "");

    // Somebody leads packets into a chain of ours, which must go.
    let foreign = SavedRule::Known(Rule::new([], Target::Jump(ChainName::parse(SVC4_SEP))));
    let nat = story.tables.tables.get_mut(&Table::Nat).unwrap();
    nat.get_mut(&ChainName::parse(SVC3)).unwrap().rules.push(foreign);
    story.services.remove(&4);

    // The deletion is refused; then everything is looked at, and what is wrong is written.
    check(&mut story, &[SVC3], &[SVC4_SEP, SVC4], 18);
}

/// The endpoint of this number behind the Service of this number.
fn address(service: usize, endpoint: usize) -> String {
    format!("10.{}.{}.{}", service - 1, endpoint % 256, endpoint / 256)
}

fn dnat_rules(story: &Story) -> (usize, usize) {
    let lines: Vec<_> = story.lines("-A ").into_iter().filter(|line| line.contains("-j DNAT")).collect();
    let commented = lines.iter().filter(|line| line.contains("--comment")).count();
    (lines.len(), commented)
}

#[test]
fn large_clusters_are_told_less_often_and_in_fewer_words() {
    let mut story = Story::new(|options| options.masquerade_all = true);
    for (service, port) in [(1, 80), (2, 8080), (3, 8081)] {
        add(&mut story, service, port);
    }
    set_endpoints(&mut story, 1, 80, (0..499).map(|endpoint| address(1, endpoint)).collect());
    set_endpoints(&mut story, 2, 8080, (0..499).map(|endpoint| address(2, endpoint)).collect());
    story.sync();
    assert_eq!(dnat_rules(&story), (998, 998));
    let to_first = "-m tcp -p tcp -j DNAT --to-destination 10.0.0.0:80";
    let comment = "-m comment --comment ns1/svc1:p80";
    assert_eq!(story.lines(&format!("-A KUBE-SEP-DKGQUZGBKLTPAR56 {comment} {to_first}")), [""]);

    set_endpoints(&mut story, 3, 8081, [4, 8, 12].map(|last| format!("203.0.113.{last}")).into());
    assert_eq!(story.sync().kind, Kind::Partial);
    assert_eq!(dnat_rules(&story), (3, 0));
    let to_third = "-m tcp -p tcp -j DNAT --to-destination 203.0.113.4:8081";
    assert_eq!(story.lines(&format!("-A KUBE-SEP-RUVVH7YV3PHQBDOS {to_third}")), [""]);

    story.now += Duration::from_secs(3601);
    assert!(!story.proxier.is_full_due(story.now));
    assert_eq!(story.sync().kind, Kind::Partial);
    assert_eq!(story.input, "");

    story.proxier.suspect();
    assert_eq!(story.sync().kind, Kind::Full);
    // Those of the third Service carry no comments already.
    assert_eq!(dnat_rules(&story), (998, 0));
    assert_eq!(story.lines(&format!("-A KUBE-SEP-DKGQUZGBKLTPAR56 {to_first}")), [""]);
    story.assert_as_from_scratch();

    add(&mut story, 4, 8082);
    set_endpoints(&mut story, 4, 8082, vec!["10.4.0.1".into()]);
    story.sync();
    assert_eq!(dnat_rules(&story), (1, 0));
    let to_fourth = "-m tcp -p tcp -j DNAT --to-destination 10.4.0.1:8082";
    assert_eq!(story.lines(&format!("-A KUBE-SEP-SU5STNODRYEWJAUF {to_fourth}")), [""]);

    story.services.remove(&4);
    story.sync();
    assert_eq!((dnat_rules(&story).0, story.lines("-X ")), (0, vec![]));

    // A sync deletes what waits; nothing waits for its own sync.
    story.now += STALE_INTERVAL + Duration::from_secs(1);
    assert!(!story.proxier.is_due(story.now));
    story.sync();
    assert_eq!(story.lines("-X "), ["KUBE-SEP-SU5STNODRYEWJAUF", "KUBE-SVC-EBDQOQU5SJFXRIL3"]);
    story.assert_as_from_scratch();

    // All is right: a full sync writes nothing.
    story.proxier.suspect();
    assert_eq!(story.sync().kind, Kind::Full);
    assert_eq!(story.input, "");
}
