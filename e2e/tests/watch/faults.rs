//! What goes wrong with open watches and with the connections under them.

use std::time::Duration;

use e2e::apiserver::{Fault, Kind, Options, Rule, Verb};
use e2e::wait::Watch;
use informer::api::{Failure, Timing};

use crate::consumer::{ALL, Stage, Told, hurried};
use crate::objects::{service, slice};

#[test]
fn cut_in_the_middle_of_a_watch() {
    let stage = Stage::new(Options::default());
    let consumer = stage.listened();
    stage.server.cut_watches(Kind::Service);
    stage.server.set(service("web", 7)).unwrap();
    let told = consumer.until("the watch goes on", |told| told.known["Service demo/web"] == "10.0.0.7");
    assert!(told.deletions().is_empty(), "{told:#?}");
    assert_eq!(stage.count(Kind::Service, Verb::Stream), 1, "resumed, not relisted");
    assert_eq!(told.changes.len(), ALL.len() + 1, "nothing was told twice: {told:#?}");
}

/// A server that is about to go, or spreads its clients over its like: open watches end as they would have, and what
/// is asked next goes over another connection.
#[test]
fn a_goodbye_under_open_watches() {
    let stage = Stage::new(Options::default());
    let consumer = stage.listened();
    let before = stage.server.accepted();
    stage.server.say_goodbye();
    stage.server.set(service("web", 7)).unwrap();
    consumer.until("the watch goes on", |told| told.known["Service demo/web"] == "10.0.0.7");
    assert_eq!(stage.server.begun_watches(Kind::Service), 1, "nothing has ended yet");
    stage.server.close_watches(Kind::Service);
    stage.server.set(service("new", 9)).unwrap();
    stage.server.delete(Kind::Service, "demo", "api");
    stage.until_begun(Kind::Service, 2);
    for kind in [Kind::Node, Kind::EndpointSlice] {
        stage.server.close_watches(kind);
        stage.until_begun(kind, 2);
    }
    stage.server.set(slice("web", 5)).unwrap();
    let told = consumer.until_known(&[
        ALL[0],
        "EndpointSlice demo/web-1 10.1.0.5",
        ALL[2],
        "Service demo/new 10.0.0.9",
        "Service demo/web 10.0.0.7",
    ]);
    assert_eq!(told.deletions(), ["-Service demo/api"]);
    assert_eq!(told.changes.len(), ALL.len() + 4, "nothing was told twice: {told:#?}");
    assert_eq!(stage.count(Kind::Service, Verb::Stream), 1, "resumed, not relisted");
    assert!(stage.server.accepted() > before, "it asks over the connection that it was to leave");
}

/// The same when the server does not wait for watches to end.
#[test]
fn a_goodbye_and_a_cut() {
    let stage = Stage::new(Options::default());
    let consumer = stage.listened();
    for last in 7..10 {
        stage.server.say_goodbye();
        stage.server.set(service("web", last)).unwrap();
        stage.server.cut_connections();
        let known = format!("10.0.0.{last}");
        consumer.until("the watch goes on", |told| told.known["Service demo/web"] == known);
        stage.until_watched();
    }
    let told = consumer.told();
    assert!(told.deletions().is_empty(), "{told:#?}");
    assert_eq!(stage.count(Kind::Service, Verb::Stream), 1, "resumed, not relisted");
}

#[test]
fn cut_in_the_middle_of_an_event() {
    let stage = Stage::new(Options::default());
    let consumer = stage.listened();
    for bytes in [1, 40, 400] {
        let fault = Fault::CutAfter(bytes);
        stage.server.script(Rule { kind: Kind::Service, verb: Verb::Watch, times: 1, fault });
    }
    stage.server.cut_watches(Kind::Service);
    stage.server.set(service("web", 7)).unwrap();
    let told = consumer.until("the event arrives", |told| told.known["Service demo/web"] == "10.0.0.7");
    assert!(told.deletions().is_empty(), "{told:#?}");
    assert_eq!(stage.count(Kind::Service, Verb::Watch), 4, "it was cut three times: {told:#?}");
    assert_eq!(told.failures.len(), 4, "{told:#?}");
    assert_eq!(told.changes.len(), ALL.len() + 1, "it was told once: {told:#?}");
}

#[test]
fn a_deletion_during_a_cut() {
    let stage = Stage::new(Options::default());
    let consumer = stage.listened();
    stage.server.stop();
    stage.server.delete(Kind::Service, "demo", "api");
    stage.server.resume().unwrap();
    let told = consumer.until_known(&[ALL[0], ALL[1], ALL[2], ALL[4]]);
    assert_eq!(told.deletions(), ["-Service demo/api"]);
}

#[test]
fn a_deletion_that_is_forgotten_when_the_watch_resumes() {
    let stage = Stage::new(Options::default());
    let consumer = stage.listened();
    stage.server.stop();
    stage.server.delete(Kind::EndpointSlice, "demo", "api-1");
    stage.server.set(slice("web", 4)).unwrap();
    stage.server.compact();
    stage.server.resume().unwrap();
    let told = consumer.until_known(&["EndpointSlice demo/web-1 10.1.0.4", ALL[2], ALL[3], ALL[4]]);
    assert_eq!(told.deletions(), ["-EndpointSlice demo/api-1"]);
    assert_eq!(told.changes.len(), ALL.len() + 2, "the relist is a difference: {told:#?}");
}

#[test]
fn gone_as_an_event() {
    let stage = Stage::new(Options::default());
    let consumer = stage.listened();
    stage.server.tell(
        Kind::Service,
        r#"{"type":"ERROR","object":{"kind":"Status","apiVersion":"v1","metadata":{},"status":"Failure","message":"too old resource version: 1 (2)","reason":"Expired","code":410}}"#,
    );
    consumer.until("the failure", |told| told.failures.len() == 1);
    stage.until_begun(Kind::Service, 2);
    stage.server.set(service("web", 7)).unwrap();
    let told = consumer.until("the watch goes on", |told| told.known["Service demo/web"] == "10.0.0.7");
    assert_eq!(told.changes.len(), ALL.len() + 1, "nothing else has changed: {told:#?}");
    assert_eq!(stage.count(Kind::Service, Verb::Stream), 2);
}

#[test]
fn gone_as_an_http_status() {
    let stage = Stage::new(Options::default());
    let consumer = stage.listened();
    let fault = Fault::Refuse { code: 410, reason: "Gone", message: "too old", retry_after: None };
    stage.server.script(Rule { kind: Kind::Service, verb: Verb::Watch, times: 1, fault });
    stage.server.cut_watches(Kind::Service);
    stage.server.set(service("web", 7)).unwrap();
    let told = consumer.until("the relist", |told| told.known["Service demo/web"] == "10.0.0.7");
    assert!(told.deletions().is_empty(), "{told:#?}");
    assert_eq!(stage.count(Kind::Service, Verb::Stream), 2);
    assert_eq!(told.changes.len(), ALL.len() + 1, "{told:#?}");
}

#[test]
fn a_watch_that_is_closed_at_once_again_and_again() {
    let stage = Stage::new(Options { longest_watch: Duration::from_millis(1), ..Options::default() });
    let clock = Watch::start();
    let consumer = stage.listen();
    consumer.until("sixty requests", |_| stage.server.seen().len() >= 60);
    // Twenty for each of three kinds; for every second one waits of 20 ms doubling to 200 ms and more.
    assert!(clock.elapsed() > Duration::from_secs(1), "{clock}");
}

#[test]
fn half_open_connections_are_noticed_by_pings() {
    let stage = Stage::new(Options::default());
    let (ping_interval, ping_timeout) = (Duration::from_millis(500), Duration::from_secs(2));
    let consumer = stage.listened_with(Timing { ping_interval, ping_timeout, ..hurried() });
    stage.server.freeze_connections();
    stage.server.set(service("web", 7)).unwrap();
    // By nothing else within the time that a test waits.
    let told = consumer.until("the change arrives", |told| told.known["Service demo/web"] == "10.0.0.7");
    assert!(told.deletions().is_empty(), "{told:#?}");
}

#[test]
fn without_pings_silence_is_noticed_over_http2_too() {
    let stage = Stage::new(Options { bookmarks: Duration::from_millis(300), ..Options::default() });
    let timing = Timing { ping_interval: Duration::ZERO, silence: Duration::from_secs(2), ..hurried() };
    let consumer = stage.listened_with(timing);
    assert!(stage.server.seen().iter().all(|seen| seen.is_http2));
    stage.server.freeze_connections();
    let is_silent = |told: &Told| told.failures.iter().any(|failure| matches!(failure, Failure::Silent(_)));
    let told = consumer.until("it is noticed", is_silent);
    assert!(told.deletions().is_empty(), "{told:#?}");
}

#[test]
fn a_watch_that_the_server_does_not_end_ends_all_the_same() {
    let stage = Stage::new(Options { ends_watches: false, ..Options::default() });
    let (watch, silence) = (Duration::from_secs(1), Duration::from_secs(2));
    let consumer = stage.listen_with(Timing { watch, silence, ..hurried() });
    consumer.until_synced();
    consumer.until("three watches", |_| stage.server.begun_watches(Kind::Service) >= 3);
    stage.server.set(service("web", 7)).unwrap();
    let told = consumer.until("the watch goes on", |told| told.known["Service demo/web"] == "10.0.0.7");
    assert!(told.deletions().is_empty(), "{told:#?}");
}

#[test]
fn a_server_that_stops_in_the_middle_of_a_list() {
    let stage = Stage::new(Options::default());
    stage.refuse_streams();
    stall(&stage, Verb::List, 900);
    let timing = Timing { silence: Duration::from_secs(3), ..hurried() };
    let told = stage.listened_with(timing).told();
    assert!(told.failures.iter().any(|failure| matches!(failure, Failure::Silent(_))), "{told:#?}");
    assert_eq!(told.changes.len(), ALL.len(), "nothing of a half list was told: {told:#?}");
}

#[test]
fn a_server_that_stops_in_the_middle_of_a_stream() {
    let stage = Stage::new(Options::default());
    stall(&stage, Verb::Stream, 900);
    let timing = Timing { silence: Duration::from_secs(3), ..hurried() };
    let told = stage.listened_with(timing).told();
    assert!(told.failures.iter().any(|failure| matches!(failure, Failure::Silent(_))), "{told:#?}");
    assert_eq!(told.changes.len(), ALL.len(), "nothing of a half stream was told: {told:#?}");
}

/// Whether or not the connection is alive: the rest of an event that has begun does not take long.
#[test]
fn a_server_that_stops_in_the_middle_of_an_event() {
    let stage = Stage::new(Options::default());
    let timing = Timing { silence: Duration::from_secs(5), ..hurried() };
    let consumer = stage.listened_with(timing);
    stall(&stage, Verb::Watch, 40);
    stage.server.cut_watches(Kind::Service);
    stage.server.set(service("web", 7)).unwrap();
    let told = consumer.until("the event arrives", |told| told.known["Service demo/web"] == "10.0.0.7");
    assert!(told.failures.iter().any(|failure| matches!(failure, Failure::Silent(_))), "{told:#?}");
    assert!(told.deletions().is_empty(), "{told:#?}");
    assert_eq!(stage.count(Kind::Service, Verb::Stream), 1, "resumed, not relisted");
}

fn stall(stage: &Stage, verb: Verb, bytes: usize) {
    let fault = Fault::StallAfter(bytes);
    stage.server.script(Rule { kind: Kind::Service, verb, times: 1, fault });
}

#[test]
fn half_open_connections_are_noticed_without_pings() {
    let stage =
        Stage::new(Options { has_tls: false, bookmarks: Duration::from_millis(300), ..Options::default() });
    let consumer = stage.listened_with(Timing { silence: Duration::from_secs(2), ..hurried() });
    assert!(stage.server.seen().iter().all(|seen| !seen.is_http2));
    stage.server.freeze_connections();
    stage.server.set(service("web", 7)).unwrap();
    let told = consumer.until("the change arrives", |told| told.known["Service demo/web"] == "10.0.0.7");
    assert!(told.deletions().is_empty(), "{told:#?}");
    assert!(told.failures.iter().any(|failure| matches!(failure, Failure::Silent(_))), "{told:#?}");
}

#[test]
fn bookmarks_keep_a_silent_watch_over_http1_alive() {
    let stage =
        Stage::new(Options { has_tls: false, bookmarks: Duration::from_millis(300), ..Options::default() });
    let consumer = stage.listened_with(Timing { silence: Duration::from_secs(5), ..hurried() });
    std::thread::sleep(Duration::from_secs(7));
    let told = consumer.told();
    assert!(told.failures.is_empty(), "{told:#?}");
}

#[test]
fn a_server_that_is_away_loses_nothing() {
    let stage = Stage::new(Options::default());
    let consumer = stage.listened();
    stage.server.stop();
    let away = consumer.until("it is tried again", |told| told.failures.len() > 12);
    assert_eq!(away.changes.len(), ALL.len(), "{away:#?}");
    stage.server.resume().unwrap();
    stage.server.set(service("web", 7)).unwrap();
    let told = consumer.until("it goes on", |told| told.known["Service demo/web"] == "10.0.0.7");
    assert!(told.deletions().is_empty(), "{told:#?}");
}

#[test]
fn a_server_that_is_not_there_at_the_start() {
    let stage = Stage::new(Options::default());
    stage.server.stop();
    let consumer = stage.listen();
    let told = consumer.until("failures", |told| told.failures.len() > 6);
    assert!(told.changes.is_empty() && told.synced == 0, "{told:#?}");
    assert!(matches!(told.failures[0], Failure::Unreachable(_)), "{told:#?}");
    stage.server.resume().unwrap();
    consumer.until_synced();
    consumer.until_known(&ALL);
}
