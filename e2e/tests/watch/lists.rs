//! The first list, as a stream or in pages, and what can go wrong with it.

use std::time::Duration;

use e2e::apiserver::{Fault, Kind, Options, Rule, Verb};
use e2e::wait::Watch;
use informer::api::{Exchange, Failure, Initial, Timing, Versions};
use serde_json::json;

use crate::consumer::{ALL, Consumer, Stage, connection, hurried};
use crate::objects::{service, slice};

#[test]
fn the_initial_list_is_a_stream() {
    let stage = Stage::new(Options::default());
    let consumer = stage.listened();
    assert_eq!(stage.count(Kind::Service, Verb::List), 0);
    let seen = stage.server.seen();
    assert!(seen.iter().all(|seen| seen.is_http2), "{seen:#?}");
    assert!(seen.iter().all(|seen| seen.user_agent == "kube-proxy/v1.36.2 (linux/amd64) kubernetes/test"));
    let told = consumer.told();
    assert!(told.failures.is_empty() && told.complaints.is_empty(), "{told:#?}");
    let first = &told.exchanges[0];
    assert_eq!((first.method.as_str(), first.code, first.is_watch), ("GET", Some(200), true));
}

/// Nothing but JSON, and none of it compressed. Neither is negotiated: both sides know what they get.
#[test]
fn what_is_asked_for_is_json() {
    let stage = Stage::new(Options { page: Some(1), ..Options::default() });
    stage.refuse_streams();
    let _consumer = stage.listened();
    let seen = stage.server.seen();
    for verb in [Verb::Stream, Verb::List, Verb::Watch] {
        assert!(seen.iter().any(|seen| seen.verb == verb), "no {verb:?}: {seen:#?}");
    }
    for seen in seen {
        let headers = [&seen.accept, &seen.accept_encoding, &seen.content_type];
        assert_eq!(headers, ["application/json", "", ""], "{seen:#?}");
    }
}

/// As a real server that takes long to know that its stream has caught up.
#[test]
fn what_changes_before_the_initial_events_end_is_told_as_it_is_in_the_end() {
    let stage = Stage::new(Options::default());
    let fault = Fault::LateBookmark;
    stage.server.script(Rule { kind: Kind::Service, verb: Verb::Stream, times: 1, fault });
    let consumer = stage.listen();
    stage.until_watched();
    stage.server.set(service("web", 7)).unwrap();
    stage.server.set(service("brief", 8)).unwrap();
    stage.server.set(service("new", 9)).unwrap();
    stage.server.delete(Kind::Service, "demo", "api");
    stage.server.delete(Kind::Service, "demo", "brief");
    consumer.until("the other kinds are known", |told| told.known.len() == 3);
    std::thread::sleep(Duration::from_millis(500));
    let told = consumer.told();
    assert!(told.synced == 0 && told.known.len() == 3, "half a list is no list: {told:#?}");
    stage.server.end_initial_events(Kind::Service);
    consumer.until_synced();
    let told = consumer.until_known(&[
        ALL[0],
        ALL[1],
        ALL[2],
        "Service demo/new 10.0.0.9",
        "Service demo/web 10.0.0.7",
    ]);
    assert!(told.deletions().is_empty() && told.failures.is_empty(), "{told:#?}");
    stage.server.delete(Kind::Service, "demo", "new");
    let told = consumer.until_known(&[ALL[0], ALL[1], ALL[2], "Service demo/web 10.0.0.7"]);
    assert_eq!(told.deletions(), ["-Service demo/new"], "the stream goes on as a watch");
    assert_eq!(stage.count(Kind::Service, Verb::List) + stage.count(Kind::Service, Verb::Watch), 0);
}

#[test]
fn a_list_tells_its_size_when_it_was_read() {
    let stage = Stage::new(Options::default());
    stage.refuse_streams();
    let consumer = stage.listened();
    // A watch is told of when its answer has begun, which is later than the server has it.
    let is_begun = |exchange: &&Exchange| exchange.is_watch && exchange.code == Some(200);
    let told = consumer.until("three watches", |told| told.exchanges.iter().filter(is_begun).count() == 3);
    assert!(told.exchanges.iter().filter(is_begun).all(|watch| watch.received.is_none()), "{told:#?}");
    let lists: Vec<_> = told.exchanges.iter().filter(|exchange| !exchange.is_watch).collect();
    assert!(lists.len() >= 3 && lists.iter().all(|list| list.received > Some(100)), "{lists:#?}");
    assert!(lists.iter().all(|list| list.sent == 0 && list.code == Some(200)), "{lists:#?}");
}

#[test]
fn http2_can_be_left_alone() {
    let stage = Stage::new(Options::default());
    let kubeconfig = stage.server.write_kubeconfig(stage.folder.path()).unwrap();
    let timing = Timing { versions: Versions::One, ping_interval: Duration::ZERO, ..hurried() };
    let consumer = Consumer::start(connection(&kubeconfig), timing);
    consumer.until_synced();
    consumer.until_known(&ALL);
    assert!(stage.server.seen().iter().all(|seen| !seen.is_http2));
}

#[test]
fn streams_can_be_left_alone() {
    let stage = Stage::new(Options::default());
    let kubeconfig = stage.server.write_kubeconfig(stage.folder.path()).unwrap();
    let timing = Timing { initial: Initial::List, ..hurried() };
    let consumer = Consumer::start(connection(&kubeconfig), timing);
    consumer.until_synced();
    consumer.until_known(&ALL);
    stage.until_watched();
    // Nor after the server has forgotten where the watches were.
    stage.server.stop();
    stage.server.set(service("web", 7)).unwrap();
    stage.server.compact();
    stage.server.resume().unwrap();
    consumer.until("the relist succeeds", |told| told.known["Service demo/web"] == "10.0.0.7");
    assert!(consumer.told().deletions().is_empty());
    for kind in [Kind::Node, Kind::Service, Kind::EndpointSlice] {
        assert_eq!(stage.count(kind, Verb::Stream), 0, "{kind:?}");
    }
    assert!(stage.count(Kind::Service, Verb::List) >= 2);
}

#[test]
fn changes_are_told() {
    let stage = Stage::new(Options::default());
    let consumer = stage.listened();
    stage.server.set(service("new", 9)).unwrap();
    stage.server.set(slice("web", 5)).unwrap();
    stage.server.delete(Kind::Service, "demo", "api");
    consumer.until_known(&[
        "EndpointSlice demo/api-1 10.1.0.2",
        "EndpointSlice demo/web-1 10.1.0.5",
        "Node n a",
        "Service demo/new 10.0.0.9",
        "Service demo/web 10.0.0.1",
    ]);
}

#[test]
fn a_service_that_another_proxy_takes_over_is_gone() {
    let stage = Stage::new(Options::default());
    let consumer = stage.listened();
    let mut taken = service("web", 1);
    taken["metadata"]["labels"]["service.kubernetes.io/service-proxy-name"] = "other".into();
    stage.server.set(taken).unwrap();
    let mut headless = service("api", 2);
    headless["spec"]["clusterIP"] = "None".into();
    headless["spec"]["clusterIPs"] = json!(["None"]);
    stage.server.set(headless).unwrap();
    let told = consumer.until_known(&ALL[..3]);
    assert_eq!(told.deletions(), ["-Service demo/web", "-Service demo/api"]);
}

#[test]
fn a_server_without_streams_is_listed() {
    let stage = Stage::new(Options { page: Some(1), ..Options::default() });
    stage.refuse_streams();
    let consumer = stage.listened();
    assert_eq!(stage.count(Kind::Service, Verb::List), 1, "from the cache, in one piece");
    stage.server.set(service("web", 7)).unwrap();
    consumer.until("the watch goes on from the list", |told| told.known["Service demo/web"] == "10.0.0.7");
}

#[test]
fn a_relist_comes_in_pages() {
    let stage = Stage::new(Options { page: Some(1), ..Options::default() });
    stage.refuse_streams();
    let consumer = stage.listened();
    stage.server.stop();
    stage.server.set(service("third", 3)).unwrap();
    stage.server.compact();
    stage.server.resume().unwrap();
    let told = consumer.until("all pages are told", |told| told.known.contains_key("Service demo/third"));
    assert!(told.deletions().is_empty(), "{told:#?}");
    // The first list, the question for the version, and three pages.
    assert_eq!(stage.count(Kind::Service, Verb::List), 5);
}

#[test]
fn an_etcd_too_old_for_streams_is_listed() {
    let stage = Stage::new(Options::default());
    for kind in [Kind::Node, Kind::Service, Kind::EndpointSlice] {
        let fault = Fault::Tell {
            code: 500,
            reason: "InternalError",
            message: "required storage feature RequestWatchProgress is disabled",
        };
        stage.server.script(Rule { kind, verb: Verb::Stream, times: u32::MAX, fault });
    }
    stage.listened();
}

#[test]
fn cut_in_the_middle_of_a_list() {
    let stage = Stage::new(Options::default());
    stage.refuse_streams();
    for bytes in [1, 300, 1400] {
        let fault = Fault::CutAfter(bytes);
        stage.server.script(Rule { kind: Kind::Service, verb: Verb::List, times: 1, fault });
    }
    let consumer = stage.listened();
    let told = consumer.told();
    assert_eq!(stage.count(Kind::Service, Verb::List), 4);
    assert!(told.failures.len() >= 3 && told.deletions().is_empty(), "{told:#?}");
    assert_eq!(told.changes.len(), ALL.len(), "nothing of a half list was told: {told:#?}");
}

#[test]
fn cut_in_the_middle_of_a_relist() {
    let stage = Stage::new(Options::default());
    let consumer = stage.listened();
    let fault = Fault::CutAfter(900);
    stage.server.script(Rule { kind: Kind::Service, verb: Verb::Stream, times: 2, fault: fault.clone() });
    // The first is the question for the version, which is too short to be cut.
    stage.server.script(Rule { kind: Kind::Service, verb: Verb::List, times: 2, fault });
    stage.server.stop();
    stage.server.set(service("web", 7)).unwrap();
    stage.server.compact();
    stage.server.resume().unwrap();
    let told = consumer.until("the relist succeeds", |told| told.known["Service demo/web"] == "10.0.0.7");
    assert!(told.deletions().is_empty(), "{told:#?}");
    // The first, one that was cut, and one that was cut after the list that was cut.
    assert_eq!(stage.count(Kind::Service, Verb::Stream), 3, "{told:#?}");
}

#[test]
fn a_slow_server_is_waited_for() {
    let stage = Stage::new(Options::default());
    let fault = Fault::Slow { piece: 25, pause: Duration::from_millis(120) };
    stage.server.script(Rule { kind: Kind::Service, verb: Verb::Stream, times: 1, fault });
    let timing = Timing { silence: Duration::from_secs(5), ..hurried() };
    let clock = Watch::start();
    let told = stage.listened_with(timing).told();
    assert!(clock.elapsed() > Duration::from_secs(6), "all of it takes longer than silence may: {clock}");
    assert!(told.failures.is_empty(), "slow is no failure: {told:#?}");
}

#[test]
fn a_server_that_does_not_answer_is_asked_again() {
    let stage = Stage::new(Options::default());
    stage.server.script(Rule { kind: Kind::Service, verb: Verb::Stream, times: 1, fault: Fault::Hang });
    let timing = Timing { answer: Duration::from_secs(2), ..hurried() };
    let told = stage.listened_with(timing).told();
    assert!(told.failures.iter().any(|failure| matches!(failure, Failure::Silent(_))), "{told:#?}");
}

#[test]
fn an_object_that_cannot_be_read_costs_nothing_but_itself() {
    let stage = Stage::new(Options::default());
    let mut bad = service("bad", 9);
    bad["spec"]["ports"] = json!("none");
    stage.server.set(bad).unwrap();
    let consumer = stage.listened();
    let told = consumer.told();
    assert_eq!(told.complaints.len(), 1, "{told:#?}");
    assert!(told.complaints[0].starts_with("Service demo/bad: spec.ports: "), "{:?}", told.complaints);

    // One that could be read stays as it was, also over a relist, until it is gone.
    let mut bad = service("web", 1);
    bad["spec"]["ports"] = json!([{"port": "http"}]);
    stage.server.set(bad).unwrap();
    consumer.until("the second complaint", |told| told.complaints.len() == 2);
    stage.server.stop();
    stage.server.delete(Kind::Service, "demo", "api");
    stage.server.compact();
    stage.server.resume().unwrap();
    let told = consumer.until_known(&[ALL[0], ALL[1], ALL[2], ALL[4]]);
    assert_eq!(told.deletions(), ["-Service demo/api"]);
    stage.server.delete(Kind::Service, "demo", "web");
    let told = consumer.until_known(&ALL[..3]);
    assert_eq!(told.deletions(), ["-Service demo/api", "-Service demo/web"]);
}

#[test]
fn a_node_that_is_not_there_is_no_failure() {
    let stage = Stage::new(Options::default());
    stage.server.delete(Kind::Node, "", "n");
    let consumer = stage.listen();
    let told = consumer.until_synced();
    assert!(!told.known.keys().any(|key| key.starts_with("Node")) && told.failures.is_empty(), "{told:#?}");
    stage.server.set(crate::objects::node("n", "z")).unwrap();
    consumer.until("the node appears", |told| told.known.get("Node n").is_some_and(|zone| zone == "z"));
}
