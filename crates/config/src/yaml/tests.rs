use super::*;
use proptest::prelude::*;

fn value(yaml: &str) -> Node {
    match read(&format!("key: {yaml}")) {
        Ok(Node::Map(mut pairs)) => pairs.remove(0).1,
        other => panic!("{yaml}: {other:?}"),
    }
}

fn text(text: &str) -> Node {
    Node::Text(text.to_owned())
}

#[test]
fn unquoted_words_are_booleans_as_in_yaml_1_1() {
    for word in ["true", "True", "yes", "Yes", "YES", "on", "On", "ON", "y", "Y"] {
        assert_eq!(value(word), Node::Bool(true), "{word}");
    }
    for word in ["false", "no", "No", "NO", "off", "Off", "OFF", "n", "N"] {
        assert_eq!(value(word), Node::Bool(false), "{word}");
    }
    assert_eq!(value("[yes,no]"), Node::List(vec![Node::Bool(true), Node::Bool(false)]));
    assert_eq!(read(r#"{"a":yes}"#), Ok(Node::Map(vec![("a".into(), Node::Bool(true))])));
}

#[test]
fn quoted_words_are_strings() {
    for word in ["yes", "on", "true", "off", "5", "null"] {
        assert_eq!(value(&format!("\"{word}\"")), text(word));
        assert_eq!(value(&format!("'{word}'")), text(word));
    }
    assert_eq!(value("['yes','no']"), Node::List(vec![text("yes"), text("no")]));
}

#[test]
fn keeps_both_of_a_duplicate_key() {
    let pairs = vec![("a".to_owned(), Node::Int(1)), ("a".to_owned(), Node::Int(2))];
    assert_eq!(read("a: 1\na: 2\n"), Ok(Node::Map(pairs)));
}

#[test]
fn reads_only_the_first_document() {
    assert_eq!(read("---\na\n---\n: : :\n"), Ok(text("a")));
    assert_eq!(read(""), Ok(Node::Null));
    assert_eq!(read("# nothing\n"), Ok(Node::Null));
}

#[test]
fn refuses_what_is_not_yaml() {
    for bad in ["key: ::", "a: [", "a: b: c", "\tkey: 1", "a: !tag 5", "[1]: 2", "a: *nowhere"] {
        assert!(matches!(read(bad), Err(YamlError::Syntax(_))), "{bad}");
    }
}

#[test]
fn reads_json_with_tabs() {
    assert_eq!(
        read("{\n\t\"a\": {\n\t\t\"b\": 1\n\t}\n}\n").map(|node| write(&node)),
        Ok("a:\n  b: 1\n".into())
    );
}

fn limit(input: &str) -> String {
    match read(input) {
        Err(YamlError::Limit(limit)) => limit,
        other => panic!("{other:?}"),
    }
}

#[test]
fn size_and_nesting_are_bounded() {
    assert_eq!(limit(&"# more\n".repeat(200_000)), "larger than 1048576 bytes");
    assert_eq!(limit(&"[".repeat(20_000)), "nested more than 64 brackets deep");
    assert_eq!(read(&"  # a smile :-[\n".repeat(1000)), Ok(Node::Null));
    let deep_block = "- ".repeat(100_000);
    assert!(matches!(read(&deep_block), Err(YamlError::Syntax(_))));
}

#[test]
fn an_alias_bomb_is_refused() {
    let mut bomb = String::from("a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n");
    for level in 1..9 {
        let aliases = vec![format!("*a{}", level - 1); 10].join(", ");
        bomb.push_str(&format!("a{level}: &a{level} [{aliases}]\n"));
    }
    assert_eq!(limit(&bomb), "more than 65536 values, counting what aliases repeat");
}

#[test]
fn quotes_as_kube_proxy_does() {
    for (string, written) in [
        ("", r#""""#),
        ("0", r#""0""#),
        ("true", r#""true""#),
        ("yes", r#""yes""#),
        ("1e3", r#""1e3""#),
        ("1:30", r#""1:30""#),
        ("0s", "0s"),
        ("15m0s", "15m0s"),
        ("0.0.0.0", "0.0.0.0"),
        ("0.0.0.0:10256", "0.0.0.0:10256"),
        ("[::]:10256", "'[::]:10256'"),
        ("::", "'::'"),
        ("::1", "::1"),
        ("10.0.0.0/8,fd00::/64", "10.0.0.0/8,fd00::/64"),
        ("it's: so", "'it''s: so'"),
        ("it's", "it's"),
        ("a\nb", r#""a\nb""#),
        ("- a", "'- a'"),
        ("-a", "-a"),
    ] {
        assert_eq!(write(&text(string)), format!("{written}\n"), "{string:?}");
    }
}

#[test]
fn lays_out_as_kube_proxy_does() {
    let tree = Node::Map(vec![
        ("z".into(), Node::List(vec![])),
        ("m".into(), Node::Map(vec![])),
        ("n".into(), Node::Null),
        (
            "a".into(),
            Node::Map(vec![(
                "list".into(),
                Node::List(vec![
                    text("x"),
                    Node::Map(vec![("q".into(), Node::Int(1)), ("p".into(), Node::Float(0.5))]),
                ]),
            )]),
        ),
    ]);
    expect_test::expect![[r#"
        a:
          list:
          - x
          - p: 0.5
            q: 1
        m: {}
        "n": null
        z: []
    "#]]
    .assert_eq(&write(&tree));
}

fn tree() -> impl Strategy<Value = Node> {
    let leaf = prop_oneof![
        Just(Node::Null),
        any::<bool>().prop_map(Node::Bool),
        any::<i64>().prop_map(Node::Int),
        any::<String>().prop_map(Node::Text),
        "[-+0-9.:_xeynosf~#'\" \\[{,&*!?]{0,8}".prop_map(Node::Text),
    ];
    leaf.prop_recursive(4, 32, 4, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Node::List),
            proptest::collection::btree_map("[-a-z0-9:# ]{0,6}|\\PC{0,6}", inner, 0..4)
                .prop_map(|map| Node::Map(map.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn written_text_reads_back(tree in tree()) {
        let written = write(&tree);
        prop_assert_eq!(read(&written), Ok(tree), "{}", written);
    }

    #[test]
    fn never_panics(text in "[\\-\\[\\]{}:,&*!|>'\"% \n\tabn~0-9#?.]{0,60}|\\PC{0,60}") {
        let _ = read(&text);
    }
}
