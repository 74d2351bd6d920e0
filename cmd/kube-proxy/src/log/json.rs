//! Turns an entry into a line of the JSON format: one object.
//!
//! Knows nothing of levels: what is not to be shown does not come here.

use jiff::Zoned;

use super::entry::{Entry, Severity};
use super::value::Value;

/// The line, with its line break.
pub(super) fn line(entry: &Entry<'_>) -> String {
    let fields = &entry.fields;
    let mut out = format!(r#"{{"ts":{}"#, milliseconds(entry.time));
    push_text(&mut out, "caller", &format!("{}:{}", caller(entry.file), entry.line));
    push_text(&mut out, "msg", &fields.message);
    for (name, value) in &fields.context {
        push_value(&mut out, name, value);
    }
    if entry.severity != Severity::Error {
        push_bare(&mut out, "v", &entry.level.to_string());
    }
    for (name, value) in &fields.pairs {
        push_value(&mut out, name, value);
    }
    if let Some(error) = &fields.error {
        push_value(&mut out, "err", error);
    }
    if let Some(causes) = &fields.causes {
        push_value(&mut out, "errCauses", causes);
    }
    out.push_str("}\n");
    out
}

/// Since the epoch. A double holds such a number to about a quarter of a microsecond.
fn milliseconds(time: &Zoned) -> f64 {
    let timestamp = time.timestamp();
    timestamp.as_second() as f64 * 1e3 + f64::from(timestamp.subsec_nanosecond()) / 1e6
}

/// The file with its directory.
fn caller(path: &str) -> &str {
    path.rmatch_indices('/').nth(1).map_or(path, |(slash, _)| &path[slash + 1..])
}

fn push_value(out: &mut String, name: &str, value: &Value) {
    match value {
        Value::Bare(json) => push_bare(out, name, json),
        Value::Text(text) => push_text(out, name, text),
    }
}

fn push_text(out: &mut String, name: &str, text: &str) {
    push_bare(out, name, &quoted(text));
}

fn push_bare(out: &mut String, name: &str, json: &str) {
    out.push(',');
    out.push_str(&quoted(name));
    out.push(':');
    out.push_str(json);
}

fn quoted(text: &str) -> String {
    serde_json::to_string(text).expect("every string can be JSON")
}
