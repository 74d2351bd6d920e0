//! Events on their way to a scripted API server, over real HTTP.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use anyhow::ensure;
use e2e::apiserver::{ApiServer, Fault, Kind, Options, Rule, Verb};
use e2e::wait;
use informer::api::{Connection, Observation, Server, Timing};
use serde_json::Value;

use super::*;
use crate::event::{Events, Patience};

/// Longest wait of a test.
const SOON: Duration = Duration::from_secs(60);

/// An API server, and the daemon's Events with somebody who posts them.
struct Stage {
    server: ApiServer,
    events: Option<Events>,
    /// Requests without an answer.
    failures: Arc<AtomicUsize>,
    poster: Option<JoinHandle<()>>,
}

impl Stage {
    fn new(options: Options) -> Self {
        Self::with(options, Patience { tries: 3, pause: Duration::from_millis(10) })
    }

    fn with(options: Options, patience: Patience) -> Self {
        let server = ApiServer::start(options).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let kubeconfig = server.write_kubeconfig(folder.path()).unwrap();
        let (events, queue) = Events::new(reporter());
        let failures = Arc::new(AtomicUsize::new(0));
        let failed = failures.clone();
        let observe = move |seen: Observation<'_>| {
            let is_unanswered = matches!(seen, Observation::Exchange(exchange) if exchange.code.is_none());
            failed.fetch_add(is_unanswered.into(), Ordering::Relaxed);
        };
        let poster = thread::spawn(move || {
            let _folder = folder;
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            let connection = Connection { kubeconfig: Some(kubeconfig), ..Connection::default() };
            let connect = Server::connect(connection, Timing::default(), observe);
            let server = runtime.block_on(connect).unwrap();
            runtime.block_on(queue.post(&server, patience));
        });
        Self { server, events: Some(events), failures, poster: Some(poster) }
    }

    fn tell(&self, happening: Happening) {
        self.events.as_ref().unwrap().tell(happening);
    }

    fn fail(&self, times: u32, fault: Fault) {
        self.server.script(Rule { kind: Kind::Event, verb: Verb::Write, times, fault });
    }

    /// Waits until there are exactly so many Events, and returns them.
    fn until(&self, count: usize) -> Vec<Value> {
        let check = || {
            let events = self.server.list(Kind::Event);
            ensure!(events.len() == count, "there are {}: {:#?}", events.len(), self.server.seen());
            Ok(events)
        };
        wait::until(SOON, check).unwrap()
    }

    /// Waits until the only Event has this count.
    fn until_count(&self, count: u64) -> Value {
        let check = || {
            let events = self.server.list(Kind::Event);
            ensure!(events.len() == 1 && events[0]["series"]["count"] == count, "there are {events:#?}");
            Ok(events[0].clone())
        };
        wait::until(SOON, check).unwrap()
    }

    fn writes(&self) -> usize {
        self.server.seen().iter().filter(|seen| seen.verb == Verb::Write).count()
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        drop(self.events.take());
        self.poster.take().unwrap().join().unwrap();
    }
}

#[test]
fn each_kind_is_taken_by_the_server() {
    let stage = Stage::new(Options::default());
    let cause = "x".repeat(5000);
    stage.tell(Happening::Started);
    stage.tell(Happening::HealthServerFailed { cause: cause.clone() });
    stage.tell(Happening::MetricsServerFailed { cause });
    stage.tell(health_check_failed("web"));
    let mut reasons: Vec<_> =
        stage.until(4).iter().map(|event| event["reason"].as_str().unwrap().to_owned()).collect();
    reasons.sort();
    let expected = [
        "FailedToStartMetricServer",
        "FailedToStartProxierHealthcheck",
        "FailedToStartServiceHealthcheck",
        "Starting",
    ];
    assert_eq!(reasons, expected);
    for seen in stage.server.seen() {
        let headers = [&seen.accept, &seen.accept_encoding, &seen.content_type];
        assert_eq!(headers, ["application/json", "", "application/json"], "{seen:#?}");
        assert!(seen.is_http2, "{seen:#?}");
    }
}

#[test]
fn what_repeats_itself_is_patched() {
    let stage = Stage::new(Options::default());
    stage.tell(health_check_failed("web"));
    let first = stage.until(1).remove(0);
    (0..3).for_each(|_| stage.tell(health_check_failed("web")));
    let event = stage.until_count(2);
    assert_eq!(event["eventTime"], first["eventTime"]);
    assert!(event["series"]["lastObservedTime"].as_str() > first["eventTime"].as_str());
    stage.tell(Happening::Started);
    stage.until(2);
    assert_eq!(stage.writes(), 3, "the count is written again when the story is over");
}

#[test]
fn an_event_that_the_server_forgot_is_created_again() {
    let stage = Stage::new(Options::default());
    stage.tell(health_check_failed("web"));
    let name = stage.until(1)[0]["metadata"]["name"].as_str().unwrap().to_owned();
    assert!(stage.server.delete(Kind::Event, "demo", &name));
    stage.tell(health_check_failed("web"));
    assert_eq!(stage.until_count(2)["reason"], "FailedToStartServiceHealthcheck");
}

#[test]
fn a_refusal_costs_one_event() {
    let stage = Stage::new(Options::default());
    stage.fail(
        1,
        Fault::Refuse { code: 403, reason: "Forbidden", message: "events is forbidden", retry_after: None },
    );
    stage.tell(Happening::Started);
    stage.tell(health_check_failed("web"));
    assert_eq!(stage.until(1)[0]["reason"], "FailedToStartServiceHealthcheck");
    assert_eq!(stage.writes(), 2, "a refusal is not tried again");
}

#[test]
fn a_busy_server_is_asked_again() {
    let stage = Stage::new(Options::default());
    stage.fail(
        2,
        Fault::Refuse { code: 429, reason: "TooManyRequests", message: "slow down", retry_after: Some(1) },
    );
    stage.tell(Happening::Started);
    stage.until(1);
    assert_eq!(stage.writes(), 3);
}

#[test]
fn one_that_is_to_be_tried_again_holds_up_nobody() {
    let patience = Patience { tries: 3, pause: Duration::from_secs(3600) };
    let stage = Stage::with(Options::default(), patience);
    stage.fail(
        1,
        Fault::Refuse { code: 500, reason: "InternalError", message: "a webhook failed", retry_after: None },
    );
    stage.tell(Happening::Started);
    stage.tell(health_check_failed("web"));
    assert_eq!(stage.until(1)[0]["reason"], "FailedToStartServiceHealthcheck");
    // The next of the same story is no other try, and says what the first would have said.
    stage.tell(Happening::Started);
    let events = stage.until(2);
    let started = events.iter().find(|event| event["reason"] == "Starting").unwrap();
    assert_eq!(started["series"]["count"], 2, "{started:#}");
}

#[test]
fn an_answer_that_gets_lost_makes_no_second_event() {
    let stage = Stage::new(Options::default());
    stage.fail(1, Fault::CutAfter(1));
    stage.tell(Happening::Started);
    stage.tell(health_check_failed("web"));
    stage.until(2);
}

#[test]
fn a_server_that_stays_away_costs_events_only() {
    let stage = Stage::new(Options::default());
    stage.server.stop();
    stage.tell(Happening::Started);
    let given_up = || {
        let failures = stage.failures.load(Ordering::Relaxed);
        ensure!(failures == 3, "{failures} requests failed");
        Ok(())
    };
    wait::until(SOON, given_up).unwrap();
    stage.server.resume().unwrap();
    stage.tell(health_check_failed("web"));
    let events = stage.until(1);
    assert_eq!(events[0]["reason"], "FailedToStartServiceHealthcheck");
}

#[test]
fn who_tells_never_waits() {
    let (events, queue) = Events::new(reporter());
    (0..5000).for_each(|_| events.tell(Happening::Started));
    drop(queue);
    events.tell(Happening::Started);
}
