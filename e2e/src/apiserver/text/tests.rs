//! Lists and lines are JSON, say what real ones say, and lose nothing where they are cut into pieces.

use serde_json::{Value, json};

use super::*;

fn services(count: usize) -> Vec<Arc<Object>> {
    let object = |number| {
        let note = format!("{number} \"é\" {}", "x".repeat(400));
        json!({"metadata": {"name": format!("s{number}"), "annotations": {"note": note}}})
    };
    (0..count).map(|number| Arc::new(Object::new(Kind::Service, object(number)))).collect()
}

fn read(pieces: impl Iterator<Item = Bytes>) -> (usize, Vec<u8>) {
    let pieces: Vec<_> = pieces.collect();
    assert!(pieces.iter().rev().skip(1).all(|piece| piece.len() >= PIECE));
    (pieces.len(), pieces.concat())
}

#[test]
fn a_list_is_the_same_in_any_number_of_pieces() {
    for count in [0, 1, 2, 1000] {
        let objects = services(count);
        let (pieces, text) = read(list(Kind::Service, 7, Some("t"), objects.clone()));
        assert_eq!(pieces > 5, count == 1000);
        let items: Vec<_> =
            objects.iter().map(|object| json!({"metadata": object.value()["metadata"]})).collect();
        let expected = json!({
            "kind": "ServiceList", "apiVersion": "v1", "metadata": {"resourceVersion": "7", "continue": "t"}, "items": items,
        });
        assert_eq!(serde_json::from_slice::<Value>(&text).unwrap(), expected);
    }
}

#[test]
fn initial_events_are_one_line_for_each_object() {
    let objects = services(1000);
    let (pieces, text) = read(added(Kind::Service, objects.clone()));
    assert!(pieces > 5);
    let lines: Vec<Value> = text
        .split_inclusive(|byte| *byte == b'\n')
        .map(|line| serde_json::from_slice(line).unwrap())
        .collect();
    let expected: Vec<_> =
        objects.iter().map(|object| json!({"type": "ADDED", "object": object.value()})).collect();
    assert_eq!(lines, expected);
    assert_eq!(line("ADDED", &objects[3]), text.split_inclusive(|byte| *byte == b'\n').nth(3).unwrap());
    assert_eq!(added(Kind::Service, Vec::new()).count(), 0);
}

#[test]
fn an_object_by_itself_says_what_it_is() {
    let object = Object::new(Kind::EndpointSlice, json!({"metadata": {"name": "a"}, "kind": "Other"})).at(5);
    assert_eq!(object.version(), Some(5));
    let expected = r#"{"kind":"EndpointSlice","apiVersion":"discovery.k8s.io/v1","metadata":{"name":"a","resourceVersion":"5"}}"#;
    assert_eq!(whole(&object), expected);
}
