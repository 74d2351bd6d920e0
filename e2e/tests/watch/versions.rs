//! Events that come twice, late or from the past.

use std::time::Duration;

use e2e::apiserver::{Kind, Options, Verb};
use informer::api::Failure;
use serde_json::{Value, json};

use crate::consumer::{ALL, Stage};
use crate::objects::service;

fn line(event_type: &str, object: &Value) -> String {
    json!({"type": event_type, "object": object}).to_string()
}

#[test]
fn an_event_that_comes_twice() {
    let stage = Stage::new(Options::default());
    let consumer = stage.listened();
    let web = stage.server.set(service("web", 7)).unwrap();
    stage.server.tell(Kind::Service, &line("MODIFIED", &web));
    stage.server.tell(Kind::Service, &line("ADDED", &web));
    stage.server.set(service("last", 9)).unwrap();
    let told = consumer.until("the last", |told| told.known.contains_key("Service demo/last"));
    assert_eq!(told.changes.len(), ALL.len() + 2, "{told:#?}");
    assert!(told.failures.is_empty() && told.deletions().is_empty(), "{told:#?}");
}

#[test]
fn events_in_the_wrong_order() {
    let stage = Stage::new(Options::default());
    let old = stage.server.set(service("web", 5)).unwrap();
    let consumer = stage.listen();
    consumer.until_synced();
    stage.until_watched();
    stage.server.set(service("web", 6)).unwrap();
    // The older form comes after the newer one, and a deletion from before everything.
    stage.server.tell(Kind::Service, &line("MODIFIED", &old));
    consumer.until("the failure", |told| !told.failures.is_empty());
    stage.until_begun(Kind::Service, 2);
    stage.server.tell(Kind::Service, &line("DELETED", &old));
    consumer.until("the second failure", |told| told.failures.len() == 2);
    stage.until_begun(Kind::Service, 3);
    stage.server.set(service("last", 9)).unwrap();
    let told = consumer.until("the last", |told| told.known.contains_key("Service demo/last"));
    assert_eq!(told.known["Service demo/web"], "10.0.0.6");
    assert!(told.deletions().is_empty(), "{told:#?}");
    assert!(told.failures.iter().all(|failure| matches!(failure, Failure::Older { .. })), "{told:#?}");
}

#[test]
fn a_server_that_restarts_with_a_younger_version() {
    let stage = Stage::new(Options::default());
    let consumer = stage.listened();
    stage.server.stop();
    stage.server.delete(Kind::Service, "demo", "api");
    stage.server.restart_at(40).unwrap();
    stage.server.set(service("web", 7)).unwrap();
    // A watch from a version to come would be silent for longer than a test waits.
    let told = consumer.until_known(&[ALL[0], ALL[1], ALL[2], "Service demo/web 10.0.0.7"]);
    assert_eq!(told.deletions(), ["-Service demo/api"]);
    assert!(told.failures.iter().any(|failure| matches!(failure, Failure::Older { .. })), "{told:#?}");
}

#[test]
fn a_server_that_went_back_unnoticed_is_asked_after_a_silent_watch() {
    let stage = Stage::new(Options { longest_watch: Duration::from_millis(500), ..Options::default() });
    let consumer = stage.listened();
    stage.server.delete(Kind::Service, "demo", "api");
    consumer.until_known(&[ALL[0], ALL[1], ALL[2], ALL[4]]);
    // Nothing breaks, and the watch waits for a version to come. What was deleted is there again.
    stage.server.go_back(40);
    stage.server.set(service("api", 3)).unwrap();
    let told = consumer.until_known(&[ALL[0], ALL[1], ALL[2], "Service demo/api 10.0.0.3", ALL[4]]);
    assert_eq!(told.deletions(), ["-Service demo/api"]);
    assert!(told.failures.iter().any(|failure| matches!(failure, Failure::Older { .. })), "{told:#?}");
    let broken = |failure: &&Failure| matches!(failure, Failure::Cut(_) | Failure::Unreachable(_));
    assert_eq!(told.failures.iter().find(broken), None, "{told:#?}");
}

#[test]
fn bookmarks_carry_a_watch_over_a_compaction() {
    let stage = Stage::new(Options { bookmarks: Duration::from_millis(50), ..Options::default() });
    let consumer = stage.listened();
    // Versions that the watch of Services learns of by bookmarks only.
    for last in 10..20 {
        stage.server.set(crate::objects::slice("web", last)).unwrap();
    }
    let version = stage.server.version();
    let asks_from_there = |_: &_| {
        stage.server.close_watches(Kind::Service);
        let seen = stage.server.seen();
        let mut watches =
            seen.iter().filter(|seen| (seen.kind, seen.verb) == (Some(Kind::Service), Verb::Watch));
        watches.next_back().is_some_and(|watch| watch.query.contains(&format!("resourceVersion={version}")))
    };
    consumer.until("a bookmark was read", asks_from_there);
    stage.server.compact();
    stage.server.cut_watches(Kind::Service);
    stage.server.set(service("web", 7)).unwrap();
    consumer.until("the watch goes on", |told| told.known["Service demo/web"] == "10.0.0.7");
    assert_eq!(stage.count(Kind::Service, Verb::Stream), 1, "no relist was needed");
}
