//! Values within bounds, whatever the text.

use std::time::{Duration, Instant};

use proptest::prelude::*;
use serde_json::{Value, json};

use super::{DEEPEST, LONGEST, nesting, parse};

fn value(text: &str) -> Value {
    let mut values = parse(text);
    assert_eq!(values.len(), 1, "{text:?}");
    values.remove(0).unwrap()
}

fn reason(text: &str) -> String {
    let mut values = parse(text);
    assert_eq!(values.len(), 1, "{text:.100?}");
    values.remove(0).unwrap_err().reason
}

#[test]
fn yaml_and_json_mean_the_same() {
    let expected = json!({"a": [1, -2, 1.5, true, null, "x"], "b": {"c": ""}});
    assert_eq!(value("a: [1, -2, 1.5, true, null, x]\nb: {c: ''}\n"), expected);
    assert_eq!(value("{a: [1, -2, 1.5, true, ~, x], b: {c: \"\"}}"), expected);
    assert_eq!(value(r#"{"a": [1, -2, 1.5, true, null, "x"], "b": {"c": ""}}"#), expected);
    assert_eq!(value("{\n\t\"a\":\t1\n}"), json!({"a": 1}), "tabs are fine in JSON");
    assert_eq!(value("a: &x [1]\nb: *x\n"), json!({"a": [1], "b": [1]}));
    assert_eq!(value("a: |\n  [[[[\n  \"\n"), json!({"a": "[[[[\n\"\n"}));
}

#[test]
fn json_values_may_follow_each_other() {
    let values: Vec<Value> = parse("{\"a\": 1}\n{\"b\": 2} [3]").into_iter().map(Result::unwrap).collect();
    assert_eq!(values, [json!({"a": 1}), json!({"b": 2}), json!([3])]);
    let values = parse("{\"a\": 1}\n{\"b\": ]");
    assert_eq!(values.len(), 2);
    assert_eq!(values[0], Ok(json!({"a": 1})));
    assert_eq!(values[1].as_ref().unwrap_err().line, Some(2));
}

#[test]
fn syntax_errors_know_their_line() {
    for (text, line) in [("a: 1\nb: [\n", 3), ("a: 1\n b: 2\n", 2), ("a:\n\t- x\n", 2), ("a: *b\n", 1)] {
        let error = parse(text).remove(0).unwrap_err();
        assert_eq!(error.line, Some(line), "{text:?}: {}", error.reason);
        assert!(!error.reason.contains(" at line "), "{}", error.reason);
    }
}

#[test]
fn two_meanings_are_refused() {
    assert_eq!(reason("a: 1\na: 2\n"), "has the key \"a\" twice");
    assert_eq!(reason("x:\n- {b: 1, b: 1}\n"), "x[0]: has the key \"b\" twice");
    assert!(reason("base: &base {a: 1}\nb: {<<: *base}\n").contains("merge key"));
}

#[test]
fn nesting_is_bounded() {
    let nested = |depth: usize| {
        [
            format!("{}{}", "[".repeat(depth), "]".repeat(depth)),
            format!("a: {}1{}", "[".repeat(depth - 1), "]".repeat(depth - 1)),
            format!("{}1", "- ".repeat(depth)),
            (0..depth).map(|level| format!("{}a:\n", " ".repeat(level))).collect(),
        ]
    };
    for text in nested(DEEPEST) {
        assert!(parse(&text)[0].is_ok(), "{text}");
    }
    for text in nested(DEEPEST + 1) {
        assert!(reason(&text).contains("nested deeper than 64 levels"), "{text}");
    }
}

#[test]
fn size_is_bounded() {
    assert!(parse(&format!("a: {}", "x".repeat(LONGEST - 3)))[0].is_ok());
    assert!(reason(&format!("a: {}", "x".repeat(LONGEST - 2))).contains("longer than 4194304 bytes"));
}

#[test]
fn aliases_are_bounded() {
    let mut bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
    for level in 1..9 {
        let inner = vec![format!("*a{}", level - 1); 10].join(", ");
        bomb += &format!("a{level}: &a{level} [{inner}]\n");
    }
    let long = format!("a: &a {}\nb: [{}]\n", "x".repeat(100_000), vec!["*a"; 1000].join(", "));
    for text in [bomb, long] {
        let reason = reason(&text);
        assert!(reason.contains("aliases") || reason.contains("repetition limit"), "{reason}");
    }
}

/// The longest texts that are the most work.
#[test]
#[expect(clippy::disallowed_methods, reason = "measures how long it takes")]
fn hostile_texts_take_no_time() {
    let most = |text: &str| text.repeat(LONGEST / text.len());
    let nested = format!("{}{}", "[".repeat(DEEPEST - 1), "1,".repeat(LONGEST / 2 - DEEPEST));
    let texts = [
        most("["),
        most("{a: "),
        most("[\""),
        most("\"["),
        most("- "),
        most("? "),
        most("- - \n"),
        most("a: ["),
        most("a: [\n"),
        most("&a "),
        most("!a "),
        most("'"),
        most("\"\\"),
        most("|\n "),
        most("[]\n"),
        most("{\"a\":"),
        most("# [\n"),
        format!("- |\n{}", most("  [\n")[6..].to_owned()),
        nested,
    ];
    for text in texts {
        let start = Instant::now();
        parse(&text);
        let taken = start.elapsed();
        assert!(taken < Duration::from_secs(10), "{taken:?} for {:?}", &text[..20]);
    }
}

#[test]
fn brackets_in_text_do_not_nest() {
    let many = "[".repeat(100);
    for text in [
        format!("a: b {many}\n"),
        format!("a: \"{many}\"\n"),
        format!("a: '{many}'\n"),
        format!("a: 'it''s {many}'\n"),
        format!("a: \"\\\"{many}\"\n"),
        format!("a: x # {many}\n"),
        format!("# {many}\na: x\n"),
        format!("a: |\n  {many}\n\n  {many}\nb: [1]\n"),
        format!("a: >-  # why\n  \"{many}\nb: 1\n"),
        format!("- |\n  '{many}\n- [1]\n"),
        format!("- a: |2-\n    {many}\n  b: 1\n"),
        format!("a: [\"{many}\", '{many}', x'y, # {many}\n  z]\n"),
        format!("a: {{\"b\":\"{many}\"}}\n"),
        format!("'a': |\n  {many}\n"),
        format!("|\n {many}\n"),
    ] {
        assert!(nesting::deepest(&text) <= 1, "{text}");
        assert!(parse(&text)[0].is_ok(), "{text}");
    }
}

fn tree() -> impl Strategy<Value = Value> {
    let text = prop::sample::select(vec![
        "", "x", "[", "]]", "{", "\"", "'", "\\", "#", " # ", ": ", "- [", "|", "\n", "é",
    ]);
    let scalar = prop::collection::vec(text, 0..4).prop_map(|parts| Value::from(parts.concat()));
    scalar.prop_recursive(8, 64, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map("[a-c\\[{'\" ]{1,3}", inner, 0..4)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

fn depth(value: &Value) -> usize {
    match value {
        Value::Array(list) => 1 + list.iter().map(depth).max().unwrap_or(0),
        Value::Object(map) => 1 + map.values().map(depth).max().unwrap_or(0),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => 0,
    }
}

proptest! {
    #[test]
    fn what_is_written_is_read(tree in tree()) {
        let json = tree.to_string();
        prop_assert_eq!(nesting::deepest(&json), depth(&tree), "{}", json);
        if depth(&tree) > 0 {
            prop_assert_eq!(value(&json), tree.clone());
        }
        let yaml = serde_yaml::to_string(&tree).unwrap();
        prop_assert!(nesting::deepest(&yaml) <= 1, "{}", yaml);
        prop_assert_eq!(super::parse_yaml(&yaml), Ok(tree));
    }

    #[test]
    fn any_text_is_judged(text in "[\\[\\]{}:,\"'#|>&*!%@`\\-? \n\ta]{0,60}|.{0,60}") {
        nesting::deepest(&text);
        parse(&text);
    }
}
