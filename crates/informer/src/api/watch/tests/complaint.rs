//! What is complained of, and the end of a complaint.

use super::*;
use crate::change::Change;

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
