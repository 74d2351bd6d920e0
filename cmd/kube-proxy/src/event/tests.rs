//! What Events look like, what becomes of those that repeat themselves, and what arrives at an API server.

mod wire;

use jiff::{SignedDuration, Timestamp};
use serde_json::json;

use super::series::{Stories, Write};
use super::*;

fn reporter() -> Reporter {
    Reporter::new("n", "host")
}

fn at(seconds: i64) -> Timestamp {
    let start: Timestamp = "2026-11-23T05:56:00.000001Z".parse().unwrap();
    start + SignedDuration::from_secs(seconds)
}

fn health_check_failed(service: &str) -> Happening {
    Happening::HealthCheckFailed {
        service: NamespacedName::new("demo", service),
        port: NonZeroU16::new(30100).unwrap(),
        cause: "address already in use".to_owned(),
    }
}

#[test]
fn a_start_is_an_event_of_the_node() {
    let event = reporter().describe(Happening::Started, at(0));
    assert_eq!(event.collection(), "/apis/events.k8s.io/v1/namespaces/default/events");
    let expected = json!({
        "apiVersion": "events.k8s.io/v1", "kind": "Event",
        "metadata": {"name": "n.18ea96f03bca63e8", "namespace": "default"},
        "eventTime": "2026-11-23T05:56:00.000001Z",
        "type": "Normal", "reason": "Starting", "action": "StartKubeProxy",
        "regarding": {"apiVersion": "v1", "kind": "Node", "name": "n"},
        "note": "",
        "reportingController": "kube-proxy", "reportingInstance": "kube-proxy-host",
    });
    assert_eq!(event.body(None), expected);
}

#[test]
fn a_health_check_that_fails_is_an_event_of_the_service() {
    let event = reporter().describe(health_check_failed("web"), at(0));
    assert!(
        event.path().starts_with("/apis/events.k8s.io/v1/namespaces/demo/events/web."),
        "{}",
        event.path()
    );
    let body = event.body(None);
    let regarding = json!({"apiVersion": "v1", "kind": "Service", "namespace": "demo", "name": "web"});
    assert_eq!(body["regarding"], regarding);
    let words = [&body["type"], &body["reason"], &body["action"]];
    assert_eq!(words, ["Warning", "FailedToStartServiceHealthcheck", "Listen"]);
    let note = body["note"].as_str().unwrap();
    for part in ["node n ", "demo/web", "30100", "address already in use"] {
        assert!(note.contains(part), "{note}");
    }
}

#[test]
fn a_field_that_cannot_be_used_is_an_event_of_the_service() {
    let service = NamespacedName::new("demo", "web");
    let cause = "Service demo/web: spec.clusterIP: \"x\": is not an IP address".to_owned();
    let body = reporter().describe(Happening::FieldsIgnored { service, cause }, at(0)).body(None);
    let words = [&body["type"], &body["reason"], &body["action"], &body["regarding"]["name"]];
    assert_eq!(words, ["Warning", "FieldsIgnored", "ReadService", "web"]);
    let note =
        "node n ignores what it cannot use of Service demo/web: spec.clusterIP: \"x\": is not an IP address";
    assert_eq!(body["note"], note);
}

fn refused(family: Family, port: &str) -> Happening {
    Happening::RulesRefused {
        family,
        service: NamespacedName::new("demo", "web"),
        service_port: format!("demo/web:{port}"),
        rule: "-A KUBE-SVC-X -j DNAT".to_owned(),
        cause: "line 7 failed".to_owned(),
    }
}

/// Each port of a Service has a story of its own, and so has each family.
#[test]
fn what_is_said_of_another_part_is_no_repetition() {
    let mut stories = Stories::default();
    let missing = |family| Happening::RulesMissing { family, missing: "40 rules".to_owned() };
    let told = [
        refused(Family::V4, "http"),
        refused(Family::V4, "dns"),
        refused(Family::V6, "http"),
        refused(Family::V4, "http"),
        missing(Family::V4),
        missing(Family::V6),
    ];
    let written = (0..).zip(told).map(|(second, happening)| {
        stories.add(reporter().describe(happening, at(second))).as_ref().map(brief)
    });
    let [created, counted, node] = ["create Service demo/web", "2 x Service demo/web", "create Node n"];
    let expected = [created, created, created, counted, node, node].map(|text| Some(text.to_owned()));
    assert_eq!(written.collect::<Vec<_>>(), expected);
}

#[test]
fn refused_rules_are_an_event_of_the_service() {
    let body = reporter().describe(refused(Family::V4, "http"), at(0)).body(None);
    let words = [&body["type"], &body["reason"], &body["action"], &body["regarding"]["name"]];
    assert_eq!(words, ["Warning", "RulesRefused", "ProgramRules", "web"]);
    let note =
        "node n left out demo/web:http, whose IPv4 rules are refused: line 7 failed: -A KUBE-SVC-X -j DNAT";
    assert_eq!(body["note"], note);
}

#[test]
fn servers_that_fail_are_events_of_the_node() {
    let cause = "listen tcp".to_owned();
    for (happening, reason) in [
        (Happening::HealthServerFailed { cause: cause.clone() }, "FailedToStartProxierHealthcheck"),
        (Happening::MetricsServerFailed { cause: cause.clone() }, "FailedToStartMetricServer"),
    ] {
        let body = reporter().describe(happening, at(0)).body(None);
        let words = [&body["type"], &body["reason"], &body["action"], &body["note"]];
        assert_eq!(words, ["Warning", reason, "StartKubeProxy", "listen tcp"]);
        assert_eq!(body["regarding"]["name"], "n");
    }
}

#[test]
fn a_note_is_cut_between_characters() {
    let cause = "ä".repeat(600);
    let event = reporter().describe(Happening::MetricsServerFailed { cause }, at(0));
    assert_eq!(event.note, "ä".repeat(512));
}

/// What was written, as words.
fn brief(write: &Write) -> String {
    match write {
        Write::Create(event) => format!("create {}", event.topic.regarding),
        Write::Count(event, series) => format!("{} x {}", series.count, event.topic.regarding),
    }
}

#[test]
fn what_repeats_itself_becomes_a_series() {
    let mut stories = Stories::default();
    let mut tell = |service, seconds| {
        let event = reporter().describe(health_check_failed(service), at(seconds));
        stories.add(event).as_ref().map(brief)
    };
    assert_eq!(tell("web", 0).as_deref(), Some("create Service demo/web"));
    assert_eq!(tell("api", 1).as_deref(), Some("create Service demo/api"));
    assert_eq!(tell("web", 2).as_deref(), Some("2 x Service demo/web"));
    assert_eq!(tell("web", 3), None);
    assert_eq!(tell("web", 4), None);
    let due: Vec<_> = stories.due(at(4 + 359)).iter().map(brief).collect();
    assert_eq!(due, [""; 0], "web may go on, and api needs no word more");
    let due: Vec<_> = stories.due(at(4 + 360)).iter().map(brief).collect();
    assert_eq!(due, ["4 x Service demo/web"]);
    let event = reporter().describe(health_check_failed("web"), at(365));
    assert_eq!(stories.add(event).as_ref().map(brief).as_deref(), Some("create Service demo/web"));
}

#[test]
fn a_series_that_goes_on_is_counted_now_and_then() {
    let mut stories = Stories::default();
    let mut written = Vec::new();
    for minute in 0..=61 {
        let event = reporter().describe(Happening::Started, at(minute * 60));
        written.extend(stories.add(event).map(|write| (minute, brief(&write))));
        written.extend(stories.due(at(minute * 60)).iter().map(|write| (minute, brief(write))));
    }
    let expected = [(0, "create Node n"), (1, "2 x Node n"), (31, "32 x Node n"), (61, "62 x Node n")];
    assert_eq!(written, expected.map(|(minute, text)| (minute, text.to_owned())));
}

#[test]
fn rules_that_were_missing_are_an_event_of_the_node() {
    let happening = Happening::RulesMissing { family: Family::V4, missing: "40 rules".to_owned() };
    let body = reporter().describe(happening, at(0)).body(None);
    let words = [&body["type"], &body["reason"], &body["action"], &body["regarding"]["kind"]];
    assert_eq!(words, ["Warning", "RulesMissing", "WriteRules", "Node"]);
    assert_eq!(body["note"], "somebody else had taken IPv4 rules away, they are back: 40 rules");
}
