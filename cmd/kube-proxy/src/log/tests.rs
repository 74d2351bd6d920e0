//! Lines as they come out: from entries at a fixed time, and from events through a subscriber.

use std::io::{self, Write};
use std::sync::{Arc, Mutex};

use jiff::Zoned;
use tracing::{debug, error, info, info_span, subscriber, trace, warn};

use super::entry::{Entry, Fields, Pairs, Severity};
use super::value::Value;
use super::*;

// === lines ===

fn entry<'a>(severity: Severity, time: &'a Zoned, fields: Fields) -> Entry<'a> {
    Entry { severity, level: 2, time, process: 5051, file: "cmd/kube-proxy/src/sync.rs", line: 191, fields }
}

/// 13:55:13 in a zone two hours ahead: text tells local time, JSON the moment.
fn time() -> Zoned {
    "2026-11-23T07:55:13.050388999+02:00[+02:00]".parse().unwrap()
}

fn pairs(pairs: &[(&'static str, Value)]) -> Pairs {
    pairs.to_vec()
}

fn string(text: &str) -> Value {
    Value::Text(text.to_owned())
}

fn fields() -> Fields {
    Fields {
        message: r#"Set "x""#.to_owned(),
        error: None,
        causes: None,
        context: pairs(&[("ipFamily", string("IPv4"))]),
        pairs: pairs(&[
            ("entry", string("a\tb")),
            ("value", Value::bare(86400)),
            ("ips", Value::bare(r#"["::1"]"#)),
        ]),
    }
}

fn check(severity: Severity, fields: Fields, expected_text: &str, expected_json: &str) {
    let time = time();
    let entry = entry(severity, &time, fields);
    assert_eq!(text::line(&entry), expected_text);
    let line = json::line(&entry);
    assert_eq!(line, expected_json);
    serde_json::from_str::<serde_json::Value>(&line).unwrap();
}

#[test]
fn info_carries_its_level_in_json() {
    check(
        Severity::Info,
        fields(),
        concat!(
            r#"I1123 07:55:13.050388    5051 sync.rs:191] "Set \"x\"" ipFamily="IPv4" entry="a\tb" value=86400 ips=["::1"]"#,
            "\n"
        ),
        concat!(
            r#"{"ts":1795413313050.389,"caller":"src/sync.rs:191","msg":"Set \"x\"","ipFamily":"IPv4","v":2,"#,
            r#""entry":"a\tb","value":86400,"ips":["::1"]}"#,
            "\n"
        ),
    );
}

#[test]
fn what_an_error_lists_is_a_list_in_json() {
    let [text, json] = [Format::Text, Format::Json].map(|format| {
        let lines = written(|log| {
            log.configure(format, 0, &[]);
            error!(err = "[a, \"b\"]", errCauses = %causes(["a", "\"b\""]), "Two things");
        });
        lines.concat()
    });
    assert!(text.ends_with("\"Two things\" err=\"[a, \\\"b\\\"]\"\n"), "{text}");
    let line: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(line["errCauses"], serde_json::json!([{"error": "a"}, {"error": "\"b\""}]));
}

#[test]
fn errors_stand_first_in_text_and_last_in_json() {
    check(
        Severity::Error,
        Fields { error: Some(string("in use")), ..fields() },
        concat!(
            r#"E1123 07:55:13.050388    5051 sync.rs:191] "Set \"x\"" err="in use" ipFamily="IPv4" entry="a\tb" value=86400 ips=["::1"]"#,
            "\n"
        ),
        concat!(
            r#"{"ts":1795413313050.389,"caller":"src/sync.rs:191","msg":"Set \"x\"","ipFamily":"IPv4","#,
            r#""entry":"a\tb","value":86400,"ips":["::1"],"err":"in use"}"#,
            "\n"
        ),
    );
}

#[test]
fn several_lines_are_indented_in_text() {
    let fields = Fields {
        message: "two\nlines".to_owned(),
        pairs: pairs(&[("open", string("*nat\n\n >")), ("ended", string("COMMIT\n")), ("n", Value::bare(1))]),
        ..Fields::default()
    };
    check(
        Severity::Warning,
        fields,
        concat!(
            "W1123 07:55:13.050388    5051 sync.rs:191] \"two\\nlines\" ",
            "open=<\n\t*nat\n\t\n\t >\n > ended=<\n\tCOMMIT\n > n=1\n"
        ),
        concat!(
            r#"{"ts":1795413313050.389,"caller":"src/sync.rs:191","msg":"two\nlines","v":2,"#,
            r#""open":"*nat\n\n >","ended":"COMMIT\n","n":1}"#,
            "\n"
        ),
    );
}

// === events ===

/// Keeps each write by itself.
#[derive(Clone, Default)]
struct Writes(Arc<Mutex<Vec<String>>>);

impl Write for Writes {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().push(String::from_utf8(bytes.to_vec()).unwrap());
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// What is written, behind the header, while the events happen.
fn written(events: impl FnOnce(&Log)) -> Vec<String> {
    let writes = Writes::default();
    let output = writes.clone();
    let log = Log::new();
    let layer = Klog::new(log.clone(), move || output.clone());
    subscriber::with_default(Registry::default().with(layer), || events(&log));
    let lines = writes.0.lock().unwrap();
    lines
        .iter()
        .map(|line| line.split_once("] ").map_or(line.as_str(), |(_, rest)| rest).to_owned())
        .collect()
}

#[test]
fn values_of_all_kinds() {
    let cause = io::Error::other("refused");
    let lines = written(|_| {
        info!(n = -1, big = u128::MAX, share = 0.5, ok = true, name = "a\"b", "Kinds");
        info!(port = %80, kind = ?Some(1), ips = %Json(["10.0.0.1"]), none = None::<u32>, "Formatted {}", 1);
        error!(service = %"ns/name", err = &cause as &(dyn std::error::Error + 'static), ipFamily = %"IPv6", "Failed");
    });
    assert_eq!(
        lines,
        [
            "\"Kinds\" n=-1 big=340282366920938463463374607431768211455 share=0.5 ok=true name=\"a\\\"b\"\n",
            "\"Formatted 1\" port=\"80\" kind=\"Some(1)\" ips=[\"10.0.0.1\"]\n",
            "\"Failed\" err=\"refused\" ipFamily=\"IPv6\" service=\"ns/name\"\n",
        ]
    );
}

fn all_levels() {
    info!("none");
    info!(v = 1, "one");
    info!(v = 4u64, "four");
    warn!(v = 4, "warned");
    error!(v = 9, "failed");
    debug!("library");
    debug!(v = 1, "ours");
    trace!("frame");
}

#[test]
fn levels_can_change_at_any_time() {
    let lines = |verbosity, vmodule: &[(String, u32)]| {
        written(|log| {
            all_levels();
            log.configure(Format::Text, verbosity, vmodule);
            all_levels();
            log.set_verbosity(0);
        })
    };
    let early = ["none", "failed"];
    let cases: [(u32, &[&str]); 4] = [
        (1, &["none", "one", "failed", "ours"]),
        (4, &["none", "one", "four", "warned", "failed", "ours"]),
        (6, &["none", "one", "four", "warned", "failed", "library", "ours"]),
        (10, &["none", "one", "four", "warned", "failed", "library", "ours", "frame"]),
    ];
    for (verbosity, expected) in cases {
        let expected: Vec<_> =
            early.iter().chain(expected).map(|message| format!("\"{message}\"\n")).collect();
        assert_eq!(lines(verbosity, &[]), expected);
        assert_eq!(lines(0, &[("log/te*".to_owned(), verbosity)]), expected);
        assert_eq!(lines(0, &[("other".to_owned(), verbosity)]).len(), 4);
    }
}

#[test]
fn json_knows_no_patterns() {
    let lines = written(|log| {
        log.configure(Format::Json, 1, &[("*".to_owned(), 9)]);
        all_levels();
    });
    assert_eq!(lines.len(), 4, "{lines:?}");
    let line: serde_json::Value = serde_json::from_str(&lines[1]).unwrap();
    assert_eq!((&line["msg"], &line["v"]), (&"one".into(), &1.into()));
    let caller = line["caller"].as_str().unwrap();
    assert!(caller.starts_with("log/tests.rs:"), "{caller}");
}

#[test]
fn spans_give_context() {
    let lines = written(|_| {
        let _sync =
            info_span!("sync", ipFamily = "IPv4", kind = "full", count = tracing::field::Empty).entered();
        let inner = info_span!("chain", kind = "partial", chain = "KUBE-SVC").entered();
        info!(n = 1, "Deep");
        drop(inner);
        tracing::Span::current().record("count", 3);
        info!(kind = "own", "Shallow");
        info!(ipFamily = "IPv6", "Other");
    });
    assert_eq!(
        lines,
        [
            "\"Deep\" ipFamily=\"IPv4\" kind=\"partial\" chain=\"KUBE-SVC\" n=1\n",
            "\"Shallow\" ipFamily=\"IPv4\" count=3 kind=\"own\"\n",
            "\"Other\" ipFamily=\"IPv6\" kind=\"full\" count=3\n",
        ]
    );
}

/// The arguments of an event nobody sees are not formatted.
#[test]
fn hidden_events_cost_no_formatting() {
    struct Loud;
    impl std::fmt::Display for Loud {
        fn fmt(&self, _: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            panic!("formatted")
        }
    }
    assert!(written(|_| info!(v = 9, input = %Loud, "Hidden {}", Loud)).is_empty());
}
