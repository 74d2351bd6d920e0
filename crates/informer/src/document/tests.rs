//! Files fall into documents, and a bad one costs only itself.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::split;

/// The documents, bad ones as `line N: reason`, with their numbers.
fn documents(bytes: &[u8]) -> Vec<(usize, Value)> {
    split(bytes)
        .map(|document| {
            let content = document.content.unwrap_or_else(|fault| Value::from(format!("!{}", fault.field)));
            (document.number, content)
        })
        .collect()
}

#[test]
fn separators() {
    let (a, b) = (json!({"a": 1}), json!({"b": 2}));
    for text in [
        "a: 1\n---\nb: 2\n",
        "---\na: 1\n---\nb: 2\n---\n",
        "a: 1\r\n---\r\nb: 2\r\n",
        "# head\n---\na: 1\n--- # next\nb: 2",
        "%YAML 1.2\n---\na: 1\n...\n# between\n---\n\n---\nb: 2\n...\n",
        "a: 1\n--- {b: 2}\n",
        "a: 1\n...\nb: 2\n",
        "{\"a\": 1}{\"b\": 2}",
        "{\"a\": 1}\n---\nb: 2\n",
        "\u{feff}a: 1\n---\t\nb: 2\n",
    ] {
        assert_eq!(documents(text.as_bytes()), [(1, a.clone()), (2, b.clone())], "{text:?}");
    }
}

#[test]
fn what_is_no_separator() {
    for (text, expected) in [
        ("a: ---\n", json!({"a": "---"})),
        ("a: |\n  ---\n  x\n", json!({"a": "---\nx\n"})),
        ("---a: 1\n", json!({"---a": 1})),
        ("----: 1\n", json!({"----": 1})),
        ("a: 1 ...\n", json!({"a": "1 ..."})),
    ] {
        assert_eq!(documents(text.as_bytes()), [(1, expected)], "{text:?}");
    }
    for text in ["", "\n", "# nothing\n", "---\n---\n# nothing\n...\n", "%YAML 1.2\n---\n"] {
        assert_eq!(documents(text.as_bytes()), [], "{text:?}");
    }
}

#[test]
fn a_bad_document_costs_only_itself() {
    let text = b"a: 1\n---\nb: [\n---\nc: 3\n---\nd: \xff\n---\n\"x: 1\n---\nf: 6\n---\ng: 1\n h: 2\n";
    assert_eq!(
        documents(text),
        [
            (1, json!({"a": 1})),
            (2, json!("!line 4")),
            (3, json!({"c": 3})),
            (4, json!("!line 7")),
            (5, json!("!line 10")),
            (6, json!({"f": 6})),
            (7, json!("!line 14")),
        ]
    );
}

#[test]
fn a_fault_shows_its_line() {
    let fault = split(b"a: 1\n---\nb: 2\n  c: nonsense\n").nth(1).unwrap().content.unwrap_err();
    assert_eq!(fault.field, "line 4");
    assert_eq!(fault.value, "c: nonsense");
    assert_eq!(fault.reason, "mapping values are not allowed in this context");
}

#[test]
fn a_document_that_is_too_long_costs_only_itself() {
    let text = format!("a: {}\n---\nb: 2\n", "x".repeat(5 << 20));
    let documents: Vec<_> = split(text.as_bytes()).collect();
    assert!(documents[0].content.as_ref().unwrap_err().reason.contains("longer than"));
    assert_eq!(documents[1].content, Ok(json!({"b": 2})));
}

proptest! {
    #[test]
    fn any_bytes_are_judged(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        split(&bytes).count();
    }

    #[test]
    fn a_good_document_survives_any_neighbours(before in "(?s).{0,80}", after in "(?s).{0,80}") {
        let text = format!("{before}\n---\ngood: 1\n---\n{after}");
        prop_assert!(documents(text.as_bytes()).iter().any(|(_, value)| value == &json!({"good": 1})), "{:?}", text);
    }
}
