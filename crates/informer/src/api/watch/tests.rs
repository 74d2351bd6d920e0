//! The protocol without a wire: what is asked after which answer.

use std::time::Duration;

use proptest::prelude::*;

use super::{Failure, Watch};
use crate::api::ask::{Ask, Initial, Pause, Shortness};
use crate::api::event::Status;
use crate::api::list::Metadata;
use crate::api::resource::Resource;
use crate::change::Change;

const BACK_OFF: Pause = Pause::BackOff(None);

fn service(name: &str, version: u64) -> String {
    format!(
        r#"{{"metadata":{{"name":"{name}","namespace":"demo","resourceVersion":"{version}"}},"spec":{{"clusterIP":"10.0.0.{}"}}}}"#,
        version % 250 + 1
    )
}

fn event(event_type: &str, object: &str) -> String {
    format!(r#"{{"type":"{event_type}","object":{object}}}"#)
}

fn bookmark(version: u64, annotations: &str) -> String {
    event(
        "BOOKMARK",
        &format!(r#"{{"metadata":{{"resourceVersion":"{version}","annotations":{{{annotations}}}}}}}"#),
    )
}

fn end_of_initial_events(version: u64) -> String {
    bookmark(version, r#""k8s.io/initial-events-end":"true""#)
}

fn page(version: &str, token: &str) -> Metadata {
    Metadata { resource_version: version.to_owned(), token: token.to_owned() }
}

fn status(code: u16) -> Status {
    Status::of_answer(code, b"")
}

fn refused(code: u16) -> Failure {
    Failure::Refused(status(code))
}

fn told(code: u16) -> Failure {
    Failure::Told(status(code))
}

fn brief(watch: &mut Watch) -> Vec<String> {
    let brief = |change: Change| match &change {
        Change::SetService(service) => format!("+{}", service.name.name),
        Change::DeleteService(name) => format!("-{}", name.name),
        Change::SetNode(_)
        | Change::DeleteNode(_)
        | Change::SetEndpointSlice(_)
        | Change::DeleteEndpointSlice(_)
        | Change::Synced => panic!("{change:?}"),
    };
    watch.take().changes.into_iter().map(brief).collect()
}

/// A watch that has told of `a` and `b` at version 20.
fn synced() -> Watch {
    let mut watch = Watch::new(Resource::Services, Initial::Stream);
    for line in
        [event("ADDED", &service("a", 11)), event("ADDED", &service("b", 7)), end_of_initial_events(20)]
    {
        watch.line(line.as_bytes()).unwrap();
    }
    assert_eq!(brief(&mut watch), ["+a", "+b"]);
    watch
}

fn watch_from(version: &str) -> Ask {
    Ask::Watch(version.to_owned())
}

#[test]
fn a_stream_tells_when_it_is_complete() {
    let mut watch = Watch::new(Resource::Services, Initial::Stream);
    assert_eq!(*watch.ask(), Ask::Stream);
    for line in [
        event("ADDED", &service("a", 11)),
        event("ADDED", &service("b", 7)),
        event("MODIFIED", &service("b", 12)),
        event("ADDED", &service("c", 8)),
        event("DELETED", &service("c", 13)),
    ] {
        watch.line(line.as_bytes()).unwrap();
        assert_eq!(brief(&mut watch), [""; 0]);
    }
    assert!(!watch.is_synced());
    watch.line(end_of_initial_events(13).as_bytes()).unwrap();
    assert!(watch.is_synced());
    assert_eq!(brief(&mut watch), ["+a", "+b"]);
    watch.line(event("DELETED", &service("a", 14)).as_bytes()).unwrap();
    assert_eq!(brief(&mut watch), ["-a"]);
    assert_eq!(*watch.ask(), watch_from("14"));
}

#[test]
fn pages_are_one_list() {
    let mut watch = Watch::new(Resource::Services, Initial::Stream);
    assert_eq!(watch.failed(&refused(422)), Pause::None);
    assert_eq!(*watch.ask(), Ask::ListAny);
    watch.item(service("a", 1).as_bytes());
    watch.page(page("20", "more")).unwrap();
    assert_eq!((watch.ask().clone(), watch.is_synced()), (Ask::ListContinued("more".to_owned()), false));
    watch.item(service("b", 2).as_bytes());
    watch.page(page("20", "")).unwrap();
    assert_eq!(brief(&mut watch), ["+a", "+b"]);
    assert_eq!(*watch.ask(), watch_from("20"));
}

#[test]
fn a_list_that_broke_off_is_forgotten() {
    let mut watch = synced();
    watch.failed(&told(410));
    watch.failed(&refused(405));
    assert_eq!(*watch.ask(), Ask::ListLatest);
    watch.item(service("c", 21).as_bytes());
    watch.page(page("21", "more")).unwrap();
    // The token is too old.
    assert_eq!(watch.failed(&refused(410)), BACK_OFF);
    assert_eq!(*watch.ask(), Ask::Stream);
    watch.line(event("ADDED", &service("a", 11)).as_bytes()).unwrap();
    watch.line(end_of_initial_events(22).as_bytes()).unwrap();
    assert_eq!(brief(&mut watch), ["-b"]);
}

#[test]
fn what_follows_a_failure() {
    let cut = Failure::Cut(String::new());
    let silent = Failure::Silent(Duration::ZERO);
    let unreachable = Failure::Unreachable(String::new());
    for (failure, expected) in [
        (refused(422), (Ask::ListAny, Pause::None)),
        (refused(400), (Ask::ListAny, Pause::None)),
        (refused(405), (Ask::ListAny, Pause::None)),
        (told(500), (Ask::ListAny, Pause::None)),
        (told(410), (Ask::ListAny, BACK_OFF)),
        (refused(401), (Ask::ListAny, BACK_OFF)),
        (refused(408), (Ask::ListAny, BACK_OFF)),
        (refused(410), (Ask::ListAny, BACK_OFF)),
        (refused(403), (Ask::ListAny, Pause::None)),
        (refused(429), (Ask::Stream, BACK_OFF)),
        (told(429), (Ask::Stream, BACK_OFF)),
        (refused(500), (Ask::ListAny, BACK_OFF)),
        (refused(503), (Ask::ListAny, BACK_OFF)),
        (cut.clone(), (Ask::ListAny, BACK_OFF)),
        (silent.clone(), (Ask::ListAny, BACK_OFF)),
        (unreachable.clone(), (Ask::Stream, BACK_OFF)),
    ] {
        let mut watch = Watch::new(Resource::Services, Initial::Stream);
        let pause = watch.failed(&failure);
        assert_eq!((watch.ask().clone(), pause), expected, "first list: {failure}");
    }
    let older = Failure::Older { reached: String::new(), seen: String::new() };
    for (failure, expected) in [
        (cut, Ask::Probe),
        (silent, Ask::Probe),
        (unreachable, Ask::Probe),
        (refused(500), Ask::Probe),
        (refused(403), Ask::Stream),
        (refused(429), watch_from("20")),
        (told(429), watch_from("20")),
        (refused(410), Ask::Stream),
        (told(410), Ask::Stream),
        (refused(400), Ask::Stream),
        (older, Ask::Stream),
    ] {
        let mut watch = synced();
        assert_eq!(watch.failed(&failure), BACK_OFF, "{failure}");
        assert_eq!(*watch.ask(), expected, "watch: {failure}");
        assert_eq!(brief(&mut watch), [""; 0], "{failure}");
    }
}

/// Neither of the two may keep a client from trying the other.
#[test]
fn a_server_in_trouble_is_asked_for_both_in_turn() {
    let mut watch = Watch::new(Resource::Services, Initial::Stream);
    for code in [500, 502, 503, 504, 401, 408, 410] {
        assert_eq!((watch.failed(&refused(code)), watch.ask().clone()), (BACK_OFF, Ask::ListAny), "{code}");
        assert_eq!((watch.failed(&refused(code)), watch.ask().clone()), (BACK_OFF, Ask::Stream), "{code}");
    }
}

#[test]
fn who_may_only_list_lists_again_and_again() {
    let mut watch = synced();
    for _ in 0..2 {
        assert_eq!(watch.failed(&refused(403)), BACK_OFF);
        assert_eq!(*watch.ask(), Ask::Stream);
        assert_eq!(watch.failed(&refused(403)), Pause::None);
        assert_eq!(*watch.ask(), Ask::ListLatest);
        watch.item(service("a", 11).as_bytes());
        watch.page(page("30", "")).unwrap();
        assert_eq!(*watch.ask(), watch_from("30"));
    }
    assert_eq!(brief(&mut watch), ["-b"]);
}

#[test]
fn who_may_only_watch_is_not_kept_from_it() {
    let mut watch = synced();
    watch.failed(&Failure::Cut(String::new()));
    assert_eq!(*watch.ask(), Ask::Probe);
    assert_eq!(watch.failed(&refused(403)), BACK_OFF);
    assert_eq!(*watch.ask(), watch_from("20"));
}

#[test]
fn who_may_do_nothing_asks_in_growing_intervals() {
    let mut watch = Watch::new(Resource::Services, Initial::Stream);
    for _ in 0..3 {
        assert_eq!(watch.failed(&refused(403)), Pause::None);
        assert_eq!(*watch.ask(), Ask::ListAny);
        assert_eq!(watch.failed(&refused(403)), BACK_OFF);
        assert_eq!(*watch.ask(), Ask::Stream);
    }
}

#[test]
fn without_streams_everything_is_listed() {
    let mut watch = Watch::new(Resource::Services, Initial::List);
    assert_eq!(*watch.ask(), Ask::ListAny);
    assert_eq!(watch.failed(&Failure::Cut(String::new())), BACK_OFF);
    assert_eq!(*watch.ask(), Ask::ListAny);
    watch.page(page("20", "")).unwrap();
    assert_eq!(*watch.ask(), watch_from("20"));
    assert_eq!(watch.failed(&told(410)), BACK_OFF);
    assert_eq!(*watch.ask(), Ask::ListLatest);
    watch.page(page("30", "token")).unwrap();
    watch.failed(&refused(410));
    assert_eq!(*watch.ask(), Ask::ListLatest);
}

#[test]
fn retry_after_is_passed_on() {
    let asked = Failure::Refused(status(429).with_retry_after(Some(7)));
    let pause = Watch::new(Resource::Services, Initial::Stream).failed(&asked);
    assert_eq!(pause, Pause::BackOff(Some(Duration::from_secs(7))));
}

#[test]
fn the_end_of_a_watch() {
    let mut watch = synced();
    watch.line(bookmark(25, "").as_bytes()).unwrap();
    assert_eq!(watch.ended(Shortness::Full), Pause::None);
    assert_eq!(*watch.ask(), watch_from("25"));
    // This one was silent: perhaps the server waits for a version that it will not reach for long.
    assert_eq!(watch.ended(Shortness::Short), BACK_OFF);
    assert_eq!(*watch.ask(), Ask::Probe);
    watch.probed("25").unwrap();
    assert_eq!(*watch.ask(), watch_from("25"));

    let mut unsynced = Watch::new(Resource::Services, Initial::Stream);
    assert_eq!(unsynced.ended(Shortness::Full), BACK_OFF);
    assert_eq!(*unsynced.ask(), Ask::ListAny);
}

#[test]
fn versions_that_go_back() {
    assert!(synced().probed("19").is_err());
    assert!(synced().probed("20").is_ok());
    assert!(synced().line(bookmark(19, "").as_bytes()).is_err());
    assert!(synced().line(event("DELETED", &service("a", 19)).as_bytes()).is_err());
    // Another length: numbers, not texts.
    assert!(synced().line(event("MODIFIED", &service("a", 100)).as_bytes()).is_ok());
    let mut watch = synced();
    let failure = watch.line(event("MODIFIED", &service("a", 5)).as_bytes()).unwrap_err();
    assert_eq!(brief(&mut watch), [""; 0]);
    watch.failed(&failure);
    // The relist may be younger than what was told: the server is right.
    for line in [event("ADDED", &service("a", 5)), end_of_initial_events(6)] {
        watch.line(line.as_bytes()).unwrap();
    }
    assert_eq!(brief(&mut watch), ["+a", "-b"]);
    assert_eq!(*watch.ask(), watch_from("6"));
}

#[test]
fn complaints_come_with_changes_only() {
    let odd = r#"{"metadata":{"name":"a","namespace":"demo","resourceVersion":"30"},"spec":{"clusterIP":"10.0.0.1","externalIPs":["x"]}}"#;
    let mut watch = synced();
    watch.line(event("MODIFIED", odd).as_bytes()).unwrap();
    assert_eq!(watch.take().complaints.len(), 1);
    watch.line(event("MODIFIED", odd).as_bytes()).unwrap();
    watch.failed(&told(410));
    watch.line(event("ADDED", odd).as_bytes()).unwrap();
    watch.line(end_of_initial_events(31).as_bytes()).unwrap();
    let batch = watch.take();
    assert_eq!((batch.changes.len(), batch.complaints), (1, vec![]), "only b is gone");
}

/// Whoever counts the objects that are complained of hears when there is one less, however it came about.
#[test]
fn the_end_of_a_complaint_is_told() {
    let object = |name: &str, address: &str, version: u64| {
        format!(
            r#"{{"metadata":{{"name":"{name}","namespace":"demo","resourceVersion":"{version}"}},"spec":{{"clusterIP":"{address}"}}}}"#
        )
    };
    let mut watch = Watch::new(Resource::Services, Initial::Stream);
    let names = ["a", "b", "c", "d", "No-Name"];
    let all: Vec<_> = names.iter().map(|name| event("ADDED", &object(name, "10.0.0.300", 5))).collect();
    for line in all.iter().chain([&end_of_initial_events(5)]) {
        watch.line(line.as_bytes()).unwrap();
    }
    let news = |watch: &mut Watch| {
        let batch = watch.take();
        let about = batch.complaints.iter().flat_map(|complaint| &complaint.about).map(ToString::to_string);
        let mended = batch.mended.iter().map(|subject| format!("no more {subject}"));
        about.chain(mended).collect::<Vec<_>>()
    };
    let names = names.map(|name| format!("Service demo/{name}"));
    assert_eq!(news(&mut watch), names);
    // One can be used, two are gone, one is nothing to a proxy, and then wrong again.
    for line in [
        event("MODIFIED", &object("a", "10.0.0.3", 6)),
        event("DELETED", &object("b", "10.0.0.300", 7)),
        event("DELETED", &object("No-Name", "10.0.0.300", 8)),
        event("MODIFIED", &object("c", "None", 9)),
        event("MODIFIED", &object("c", "10.0.0.400", 10)),
    ] {
        watch.line(line.as_bytes()).unwrap();
    }
    let expected =
        [&names[2], "no more Service demo/a", "no more Service demo/b", "no more Service demo/No-Name"];
    assert_eq!(news(&mut watch), expected);
    // A list says the same of those that it does not have.
    watch.failed(&told(410));
    for line in [event("ADDED", &object("c", "10.0.0.400", 10)), end_of_initial_events(31)] {
        watch.line(line.as_bytes()).unwrap();
    }
    assert_eq!(news(&mut watch), [&names[2], "no more Service demo/d"]);
}

/// No change comes of a Service without a usable address, but somebody has to be told.
#[test]
fn what_cannot_be_used_at_all_is_complained_of() {
    let useless = r#"{"metadata":{"name":"c","namespace":"demo","resourceVersion":"30"},"spec":{"clusterIP":"10.0.0.300"}}"#;
    let complaints = |watch: &mut Watch| {
        let batch = watch.take();
        assert!(batch.changes.iter().all(|change| !matches!(change, Change::SetService(_))), "{batch:?}");
        batch.complaints.into_iter().map(|complaint| complaint.object).collect::<Vec<_>>()
    };
    let mut watch = synced();
    watch.line(event("ADDED", useless).as_bytes()).unwrap();
    assert_eq!(complaints(&mut watch), ["Service demo/c"]);
    watch.failed(&told(410));
    watch.line(event("ADDED", useless).as_bytes()).unwrap();
    watch.line(end_of_initial_events(31).as_bytes()).unwrap();
    assert_eq!(complaints(&mut watch), ["Service demo/c"]);
}

#[test]
fn lines_that_are_no_events() {
    let failure = synced().line(b"<html>").unwrap_err();
    assert!(matches!(failure, Failure::Garbled(_)));
    assert!(Watch::new(Resource::Services, Initial::Stream).page(page("", "")).is_err());
}

/// Something that comes in, whatever was asked.
fn input() -> impl Strategy<Value = Result<String, Failure>> {
    let name = prop::sample::select(vec!["a", "b", "c"]);
    let event_type = prop::sample::select(vec!["ADDED", "MODIFIED", "DELETED"]);
    let events = (event_type, name, 1..60_u64)
        .prop_map(|(event_type, name, version)| event(event_type, &service(name, version)));
    let failures = prop::sample::select(vec![410, 400, 422, 429, 500, 0]);
    prop_oneof![
        4 => events.prop_map(Ok),
        1 => (1..60_u64).prop_map(|version| Ok(bookmark(version, ""))),
        1 => failures.prop_map(|code| Err(if code == 0 { Failure::Cut(String::new()) } else { refused(code) })),
    ]
}

proptest! {
    /// Whatever came before, after the next complete list one knows that list and nothing else.
    #[test]
    fn any_history_ends_in_what_the_server_says(inputs in prop::collection::vec(input(), 0..40), version in 1..60_u64) {
        let mut watch = Watch::new(Resource::Services, Initial::Stream);
        let mut known = std::collections::BTreeSet::new();
        let mut follow = |watch: &mut Watch| {
            for change in brief(watch) {
                match change.strip_prefix('+') {
                    Some(name) => drop(known.insert(name.to_owned())),
                    None => assert!(known.remove(&change[1..]), "{change} was not known"),
                }
            }
            known.clone()
        };
        for input in inputs {
            let failure = match (input, watch.ask().clone()) {
                (Err(failure), _) => Some(failure),
                (Ok(line), Ask::Stream | Ask::Watch(_)) => watch.line(line.as_bytes()).err(),
                (Ok(line), Ask::ListAny | Ask::ListLatest | Ask::ListContinued(_)) => {
                    watch.item(line.as_bytes());
                    None
                }
                (Ok(_), Ask::Probe) => watch.probed("30").err(),
            };
            if let Some(failure) = failure {
                watch.failed(&failure);
            }
            follow(&mut watch);
        }
        watch.failed(&told(410));
        while *watch.ask() != Ask::Stream {
            watch.failed(&told(410));
        }
        for line in [event("ADDED", &service("a", version)), event("ADDED", &service("c", version)), end_of_initial_events(version)] {
            watch.line(line.as_bytes()).unwrap();
        }
        prop_assert_eq!(follow(&mut watch).into_iter().collect::<Vec<_>>(), ["a", "c"]);
    }
}
