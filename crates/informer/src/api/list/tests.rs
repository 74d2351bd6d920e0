//! Lists in pieces of every size come to the same items as lists in one piece.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::{List, NoList};

/// The items, resourceVersion and continue token of a list that arrives in pieces of `size` bytes.
fn read(text: &str, size: usize) -> Result<(Vec<Value>, String, String), NoList> {
    let mut list = List::default();
    let mut items = Vec::new();
    for piece in text.as_bytes().chunks(size) {
        list.push(piece, |item| items.push(serde_json::from_slice(item).unwrap()))?;
    }
    let metadata = list.finish()?.metadata;
    Ok((items, metadata.resource_version, metadata.token))
}

#[test]
fn lists_of_every_shape() {
    let item = json!({"metadata": {"name": "a]},[\"\\"}, "spec": {"items": [1, [2]], "x": "items"}});
    for (text, items) in [
        (r#"{"kind":"ServiceList","metadata":{"resourceVersion":"7"},"items":[]}"#.to_owned(), vec![]),
        (r#"{"kind":"ServiceList","metadata":{"resourceVersion":"7"},"items":null}"#.to_owned(), vec![]),
        (r#"{"items":null,"metadata":{"resourceVersion":"7"}}"#.to_owned(), vec![]),
        (r#"{"metadata":{"resourceVersion":"7"}}"#.to_owned(), vec![]),
        (format!(r#"{{"items":[{item}],"metadata":{{"resourceVersion":"7"}}}}"#), vec![item.clone()]),
        (
            format!("{{ \"items\" : [ {item} ,\n {item} ] ,\n\"metadata\":{{\"resourceVersion\":\"7\"}}}}\n"),
            vec![item.clone(), item],
        ),
        (
            r#"{"metadata":{"resourceVersion":"7","items":["no"]},"items":[1,"x",[2],null]}"#.to_owned(),
            vec![json!(1), json!("x"), json!([2]), json!(null)],
        ),
    ] {
        for size in [1, 2, 7, 1000] {
            let expected = (items.clone(), "7".to_owned(), String::new());
            assert_eq!(read(&text, size).as_ref(), Ok(&expected), "{text} in pieces of {size}");
        }
    }
}

#[test]
fn the_token_of_the_next_page() {
    let text = r#"{"metadata":{"resourceVersion":"7","continue":"abc","remainingItemCount":3},"items":[{}]}"#;
    assert_eq!(read(text, 5).unwrap().2, "abc");
}

#[test]
fn a_list_that_broke_off_is_no_list() {
    let text = r#"{"metadata":{"resourceVersion":"7"},"items":[{"metadata":{}},{"metadata":{}}]}"#;
    for end in 0..text.len() {
        assert_eq!(read(&text[..end], 9), Err(NoList::Malformed), "{}", &text[..end]);
    }
    assert!(read(text, 9).is_ok());
    assert_eq!(read("]", 9), Err(NoList::Malformed));
}

fn any_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<i32>().prop_map(Value::from),
        ".{0,8}|items|[\\[\\]{},:\"\\\\]{0,6}".prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 24, 5, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::vec((".{0,4}|items", inner), 0..4)
                .prop_map(|members| members.into_iter().collect()),
        ]
    })
}

proptest! {
    #[test]
    fn any_items_come_out_as_they_went_in(items in prop::collection::vec(any_value(), 0..5), size in 1_usize..40, pretty: bool) {
        let list = json!({"kind": "List", "metadata": {"resourceVersion": "12"}, "items": items});
        let text = if pretty { serde_json::to_string_pretty(&list) } else { serde_json::to_string(&list) }.unwrap();
        prop_assert_eq!(read(&text, size), Ok((items, "12".to_owned(), String::new())));
    }

    #[test]
    fn any_bytes_are_survived(bytes in prop::collection::vec(prop::sample::select(b"{}[],:\"\\ itemsnul1".to_vec()), 0..60)) {
        let mut list = List::default();
        if list.push(&bytes, |_| {}).is_ok() {
            let _ = list.finish();
        }
    }
}
