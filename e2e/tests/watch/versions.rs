//! Events that come twice, late or from the past.

use std::time::Duration;

use e2e::apiserver::{Kind, Options, Verb};
use e2e::wait::Watch;
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
    stage.until_watched();
    stage.server.tell(Kind::Service, &line("DELETED", &old));
    consumer.until("the second failure", |told| told.failures.len() == 2);
    stage.until_watched();
    let told = consumer.told();
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
    let clock = Watch::start();
    let told = consumer.until_known(&[ALL[0], ALL[1], ALL[2], "Service demo/web 10.0.0.7"]);
    // A watch from a version to come would be silent for its five seconds.
    assert!(clock.elapsed() < Duration::from_secs(4), "{clock}");
    assert_eq!(told.deletions(), ["-Service demo/api"]);
    assert!(told.failures.iter().any(|failure| matches!(failure, Failure::Older { .. })), "{told:#?}");
}

#[test]
fn a_server_that_went_back_unnoticed_is_asked_after_a_silent_watch() {
    let stage = Stage::new(Options { longest_watch: Duration::from_millis(300), ..Options::default() });
    let consumer = stage.listened();
    let probes = |stage: &Stage| stage.count(Kind::Service, Verb::List);
    consumer.until("a watch ends in silence", |_| probes(&stage) > 0);
    let told = consumer.told();
    assert!(told.failures.is_empty() && told.deletions().is_empty(), "{told:#?}");
}

#[test]
fn bookmarks_carry_a_watch_over_a_compaction() {
    let stage = Stage::new(Options { bookmarks: Duration::from_millis(50), ..Options::default() });
    let consumer = stage.listened();
    // Versions that the watch of Services learns of by bookmarks only.
    for last in 10..20 {
        stage.server.set(crate::objects::slice("web", last)).unwrap();
    }
    std::thread::sleep(Duration::from_millis(200));
    stage.server.compact();
    stage.server.cut_watches(Kind::Service);
    stage.server.set(service("web", 7)).unwrap();
    consumer.until("the watch goes on", |told| told.known["Service demo/web"] == "10.0.0.7");
    assert_eq!(stage.count(Kind::Service, Verb::Stream), 1, "no relist was needed");
}
