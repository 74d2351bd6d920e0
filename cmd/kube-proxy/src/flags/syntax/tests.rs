use super::*;

#[test]
fn booleans() {
    for text in ["1", "t", "T", "true", "TRUE", "True"] {
        assert_eq!(boolean(text), Ok(true), "{text}");
    }
    for text in ["0", "f", "F", "false", "FALSE", "False"] {
        assert_eq!(boolean(text), Ok(false), "{text}");
    }
    for text in ["", "yes", "no", "on", "tRUE", "2"] {
        assert!(boolean(text).is_err(), "{text}");
    }
}

#[test]
fn integers_have_any_base() {
    for (text, value) in [
        ("0", 0),
        ("-0", 0),
        ("+7", 7),
        ("-998", -998),
        ("077", 63),
        ("0o77", 63),
        ("0x1F", 31),
        ("0X_1f", 31),
        ("-0b101", -5),
        ("1_000", 1000),
        ("0_7", 7),
        ("2147483647", i32::MAX),
        ("-2147483648", i32::MIN),
    ] {
        assert_eq!(int32(text), Ok(value), "{text}");
    }
    for text in ["", "-", "abc", "1.5", "0x", "08", "1__0", "_1", "1_", " 1", "+-1", "0x-1", "0b2"] {
        assert_eq!(int32(text), Err("want an integer".into()), "{text}");
    }
    for text in ["2147483648", "-2147483649", "0x1_0000_0000"] {
        assert_eq!(int32(text), Err("want an integer of 32 bits".into()), "{text}");
    }
}

#[test]
fn numbers() {
    for (text, value) in [("5", 5.0), ("-1", -1.0), ("0.5", 0.5), ("1e2", 100.0), (".5", 0.5)] {
        assert_eq!(float32(text), Ok(value), "{text}");
    }
    for text in ["", "five", "1e99", "NaN", "inf", "1,5"] {
        assert!(float32(text).is_err(), "{text}");
    }
}

#[test]
fn levels() {
    assert_eq!(level("0"), Ok(0));
    assert_eq!(level("2147483647"), Ok(2_147_483_647));
    for text in ["", "-1", "+1", "2147483648", "99999999999999999999", "x"] {
        assert!(level(text).is_err(), "{text}");
    }
}

#[test]
fn addresses_are_kept_as_typed() {
    for text in ["", "10.0.0.1", "001.002.003.004", "::", "FD00::1"] {
        assert_eq!(ip(text).as_deref(), Ok(text));
        assert_eq!(ip_port(text).as_deref(), Ok(text));
    }
    for text in ["1.2.3.4:80", "[::]:10256", "1.2.3.4:0"] {
        assert_eq!(ip_port(text).as_deref(), Ok(text));
    }
    for text in ["[::]", "localhost", "1.2.3.4:80", "1.2.3"] {
        assert!(ip(text).is_err(), "{text}");
    }
    for text in [":1234", "localhost:80", "[::1]", "1.2.3.4:", "1.2.3.4:65536", "1.2.3.4:http", "1.2.3.4:+1"]
    {
        assert!(ip_port(text).is_err(), "{text}");
    }
}

#[test]
fn lists_are_one_record_of_comma_separated_values() {
    let read = |text: &str| list(text).map(|fields| fields.join("|"));
    for (text, fields) in [
        ("", ""),
        ("a", "a"),
        ("a,b", "a|b"),
        ("a, b", "a| b"),
        ("a,,b", "a||b"),
        ("a,", "a|"),
        (r#""a,b",c"#, "a,b|c"),
        (r#""a""b""#, "a\"b"),
        (r#""a","#, "a|"),
    ] {
        assert_eq!(read(text).as_deref(), Ok(fields), "{text}");
    }
    assert_eq!(list("").map(|fields| fields.len()), Ok(0));
    for text in [r#"a"b"#, r#""a"#, r#""a"b"#, "a\nb"] {
        assert!(list(text).is_err(), "{text}");
    }
}

#[test]
fn maps_of_booleans() {
    let map = bool_map(" A = true ,, B=F ").unwrap();
    assert_eq!(map, BTreeMap::from([("A".to_owned(), true), ("B".to_owned(), false)]));
    assert_eq!(bool_map("").map(|map| map.len()), Ok(0));
    assert_eq!(bool_map("A"), Err(r#""A" is not NAME=true or NAME=false"#.into()));
    assert_eq!(bool_map("A=yes"), Err("A: want true or false".into()));
}

#[test]
fn patterns_with_levels() {
    let found = patterns("sync*=4,,render=0").unwrap();
    let shown: Vec<_> = found.iter().map(|entry| (entry.file_pattern.as_str(), entry.verbosity)).collect();
    assert_eq!(shown, [("sync*", 4), ("render", 0)]);
    for text in ["sync", "=4", "sync=", "sync=-1", "sync=2147483648"] {
        assert!(patterns(text).is_err(), "{text}");
    }
}
