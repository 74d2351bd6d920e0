//! What is asked after an end or a failure.

use std::time::Duration;

use super::*;
use crate::api::ask::Shortness;

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
        assert_eq!(told_by(&mut watch), [""; 0], "{failure}");
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
    assert_eq!(told_by(&mut watch), ["-b"]);
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
