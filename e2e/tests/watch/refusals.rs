//! Requests that the server refuses: for now, or for as long as nobody allows them.

use std::time::Duration;

use e2e::apiserver::{Fault, Kind, Options, Rule, Verb};
use e2e::wait::Watch;
use informer::api::Failure;

use crate::consumer::{ALL, Stage, Told};
use crate::objects::service;

/// The server is busy so often when this is asked of Services, and each time says so for a second.
fn busy(stage: &Stage, verb: Verb, times: u32) {
    let fault =
        Fault::Refuse { code: 429, reason: "TooManyRequests", message: "later", retry_after: Some(1) };
    stage.server.script(Rule { kind: Kind::Service, verb, times, fault });
}

/// How often the server said that it was busy.
fn refusals(told: &Told) -> usize {
    let refused = |failure: &&Failure| matches!(failure, Failure::Refused(status) if status.code == 429);
    told.failures.iter().filter(refused).count()
}

#[test]
fn too_many_requests_on_the_first_stream() {
    let stage = Stage::new(Options::default());
    busy(&stage, Verb::Stream, 2);
    let clock = Watch::start();
    let consumer = stage.listened();
    assert!(clock.elapsed() >= Duration::from_secs(2), "two waits of a second: {clock}");
    assert_eq!(stage.count(Kind::Service, Verb::Stream), 3, "asked once after each wait");
    assert_eq!(refusals(&consumer.told()), 2);
}

#[test]
fn too_many_requests_on_a_list() {
    let stage = Stage::new(Options::default());
    stage.refuse_streams();
    busy(&stage, Verb::List, 2);
    let clock = Watch::start();
    let consumer = stage.listened();
    assert!(clock.elapsed() >= Duration::from_secs(2), "two waits of a second: {clock}");
    assert_eq!(stage.count(Kind::Service, Verb::List), 3, "asked once after each wait");
    assert_eq!(refusals(&consumer.told()), 2);
}

/// A server that has just started has no cache to answer from, whatever is asked of which kind.
#[test]
fn a_storage_that_is_initializing_is_waited_for() {
    let stage = Stage::new(Options::default());
    initializing(&stage, 2);
    let clock = Watch::start();
    let consumer = stage.listened();
    assert!(clock.elapsed() >= Duration::from_secs(2), "two waits of a second: {clock}");
    for kind in KINDS {
        let asked = stage.count(kind, Verb::Stream) + stage.count(kind, Verb::List);
        assert_eq!(asked, 3, "{kind:?}: asked once after each wait, for no list in place of a stream");
    }
    assert_eq!(refusals(&consumer.told()), 6);
    // And so has one that came back and has forgotten where the watches were.
    stage.server.clear_script();
    stage.server.stop();
    stage.server.set(service("web", 7)).unwrap();
    stage.server.delete(Kind::Service, "demo", "api");
    stage.server.compact();
    initializing(&stage, 2);
    stage.server.resume().unwrap();
    let told = consumer.until_known(&[ALL[0], ALL[1], ALL[2], "Service demo/web 10.0.0.7"]);
    assert_eq!(told.deletions(), ["-Service demo/api"], "what was known stays until more is");
}

const KINDS: [Kind; 3] = [Kind::Node, Kind::Service, Kind::EndpointSlice];

/// Streams and lists of each kind are refused so often.
fn initializing(stage: &Stage, times: u32) {
    let message = "storage is (re)initializing";
    let fault = Fault::Refuse { code: 429, reason: "TooManyRequests", message, retry_after: Some(1) };
    for (kind, verb) in KINDS.into_iter().flat_map(|kind| [(kind, Verb::Stream), (kind, Verb::List)]) {
        stage.server.script(Rule { kind, verb, times, fault: fault.clone() });
    }
}

#[test]
fn too_many_requests_when_a_watch_resumes() {
    let stage = Stage::new(Options::default());
    let consumer = stage.listened();
    busy(&stage, Verb::Watch, 2);
    let clock = Watch::start();
    stage.server.cut_watches(Kind::Service);
    stage.server.set(service("web", 7)).unwrap();
    let told = consumer.until("the watch goes on", |told| told.known["Service demo/web"] == "10.0.0.7");
    assert!(clock.elapsed() >= Duration::from_secs(2), "two waits of a second: {clock}");
    assert_eq!(stage.count(Kind::Service, Verb::Watch), 3, "asked once after each wait");
    assert_eq!(stage.count(Kind::Service, Verb::Stream), 1, "a busy server is not asked for everything");
    assert_eq!(refusals(&told), 2);
    assert!(told.deletions().is_empty(), "{told:#?}");
}

#[test]
fn a_stream_that_may_not_be_asked_for_becomes_a_list() {
    let stage = Stage::new(Options::default());
    forbid(&stage, Verb::Stream);
    let consumer = stage.listened();
    stage.server.set(service("web", 7)).unwrap();
    consumer.until("the list is watched", |told| told.known["Service demo/web"] == "10.0.0.7");
}

/// As a proxy in between can be, that does not let long answers through.
#[test]
fn a_stream_that_never_succeeds_becomes_a_list() {
    for (code, reason) in [(500, "InternalError"), (408, "Timeout")] {
        let stage = Stage::new(Options::default());
        let fault = Fault::Refuse { code, reason, message: "not today", retry_after: None };
        for kind in [Kind::Node, Kind::Service, Kind::EndpointSlice] {
            stage.server.script(Rule { kind, verb: Verb::Stream, times: u32::MAX, fault: fault.clone() });
        }
        let consumer = stage.listened();
        stage.server.set(service("web", 7)).unwrap();
        let told = consumer.until("it is watched", |told| told.known["Service demo/web"] == "10.0.0.7");
        assert!(told.deletions().is_empty(), "{told:#?}");
        assert!(
            told.failures.iter().all(|failure| failure.status().is_some_and(|status| status.code == code))
        );
    }
}

#[test]
fn who_may_only_list_sees_what_changes() {
    let stage = Stage::new(Options::default());
    forbid(&stage, Verb::Stream);
    forbid(&stage, Verb::Watch);
    let consumer = stage.listen();
    consumer.until_synced();
    consumer.until_known(&ALL);
    stage.server.set(service("web", 7)).unwrap();
    stage.server.delete(Kind::Service, "demo", "api");
    let told = consumer.until_known(&[ALL[0], ALL[1], ALL[2], "Service demo/web 10.0.0.7"]);
    assert_eq!(told.deletions(), ["-Service demo/api"]);
}

#[test]
fn who_may_only_watch_sees_what_changes() {
    let stage = Stage::new(Options::default());
    forbid(&stage, Verb::List);
    let consumer = stage.listened();
    stage.server.cut_watches(Kind::Service);
    stage.server.set(service("web", 7)).unwrap();
    let told = consumer.until("the watch goes on", |told| told.known["Service demo/web"] == "10.0.0.7");
    assert!(told.deletions().is_empty(), "{told:#?}");
}

fn forbid(stage: &Stage, verb: Verb) {
    let fault = Fault::Refuse { code: 403, reason: "Forbidden", message: "forbidden", retry_after: None };
    stage.server.script(Rule { kind: Kind::Service, verb, times: u32::MAX, fault });
}
