//! Versions, what watchers see of a change, and what is forgotten.

use serde_json::{Value, json};

use super::{Gone, Kind, Selector, Store, key};

fn service(name: &str, labels: Value) -> Value {
    json!({"metadata": {"name": name, "namespace": "demo", "labels": labels}})
}

fn seen(store: &Store, version: u64, labels: &str) -> Vec<String> {
    let selector = Selector { labels: labels.to_owned(), ..Selector::default() };
    let events = store.after(version, Kind::Service, &selector).unwrap();
    events
        .iter()
        .map(|event| {
            let metadata = &event.object.value()["metadata"];
            assert_eq!(metadata["resourceVersion"], event.version.to_string());
            format!("{} {} {}", event.version, event.event_type, metadata["name"].as_str().unwrap())
        })
        .collect()
}

#[test]
fn what_watchers_see() {
    let mut store = Store::at(10);
    store.set(Kind::Service, service("a", json!({})));
    let web = store.set(Kind::Service, service("b", json!({"other": "x"})));
    store.set(Kind::Service, service("a", json!({"other": "x"})));
    store.set(Kind::Service, service("b", json!({})));
    store.delete(&key(Kind::Service, web.value()));
    store.set(Kind::Node, json!({"metadata": {"name": "n"}}));
    assert_eq!(
        seen(&store, 10, ""),
        ["11 ADDED a", "12 ADDED b", "13 MODIFIED a", "14 MODIFIED b", "15 DELETED b"]
    );
    assert_eq!(seen(&store, 10, "!other"), ["11 ADDED a", "13 DELETED a", "14 ADDED b", "15 DELETED b"]);
    assert_eq!(seen(&store, 13, ""), ["14 MODIFIED b", "15 DELETED b"]);
    assert_eq!(store.version(), 16);
}

#[test]
fn what_is_compacted_is_gone() {
    let mut store = Store::at(10);
    store.set(Kind::Service, service("a", json!({})));
    store.compact();
    let all = Selector::default();
    assert_eq!(store.after(10, Kind::Service, &all), Err(Gone));
    assert_eq!(store.after(11, Kind::Service, &all), Ok(vec![]));
}

#[test]
fn a_replaced_object_stays_the_same_object() {
    let mut store = Store::at(0);
    let first = store.set(Kind::Service, service("a", json!({})));
    let second = store.set(Kind::Service, service("a", json!({"x": "y"})));
    assert_eq!(first.value()["metadata"]["uid"], second.value()["metadata"]["uid"]);
    store.delete(&key(Kind::Service, first.value()));
    let third = store.set(Kind::Service, service("a", json!({})));
    assert_ne!(first.value()["metadata"]["uid"], third.value()["metadata"]["uid"]);
}

#[test]
fn a_restored_backup_is_younger_than_what_was_told() {
    let mut store = Store::at(1000);
    store.set(Kind::Service, service("a", json!({})));
    store.restore(50);
    assert_eq!(store.version(), 50);
    let list = store.list(Kind::Service, &Selector::default());
    assert_eq!(list[0].value()["metadata"]["resourceVersion"], "50");
}
