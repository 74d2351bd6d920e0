//! What becomes known by lists and watches, and when.

use proptest::prelude::*;

use super::*;

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
        assert_eq!(told_by(&mut watch), [""; 0]);
    }
    assert!(!watch.is_synced());
    watch.line(end_of_initial_events(13).as_bytes()).unwrap();
    assert!(watch.is_synced());
    assert_eq!(told_by(&mut watch), ["+a", "+b"]);
    watch.line(event("DELETED", &service("a", 14)).as_bytes()).unwrap();
    assert_eq!(told_by(&mut watch), ["-a"]);
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
    assert_eq!(told_by(&mut watch), ["+a", "+b"]);
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
    assert_eq!(told_by(&mut watch), ["-b"]);
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
    assert_eq!(told_by(&mut watch), [""; 0]);
    watch.failed(&failure);
    // The relist may be younger than what was told: the server is right.
    for line in [event("ADDED", &service("a", 5)), end_of_initial_events(6)] {
        watch.line(line.as_bytes()).unwrap();
    }
    assert_eq!(told_by(&mut watch), ["+a", "-b"]);
    assert_eq!(*watch.ask(), watch_from("6"));
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
            for change in told_by(watch) {
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
