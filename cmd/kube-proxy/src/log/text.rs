//! Turns an entry into a line of klog's text format.
//!
//! Knows nothing of levels: what is not to be shown does not come here.

use jiff::Zoned;

use super::entry::{Entry, Severity};
use super::go::push_quoted;
use super::value::Value;

/// The line, with its line break.
pub(super) fn line(entry: &Entry<'_>) -> String {
    let fields = &entry.fields;
    let mut out = header(entry);
    push_quoted(&mut out, &fields.message);
    let error = fields.error.iter().map(|error| ("err", error));
    let others = fields.context.iter().chain(&fields.pairs).map(|(name, value)| (*name, value));
    for (name, value) in error.chain(others) {
        out.push(' ');
        out.push_str(name);
        push_value(&mut out, value);
    }
    out.push('\n');
    out
}

/// `Lmmdd hh:mm:ss.uuuuuu PPPPPPP file:line] `
fn header(entry: &Entry<'_>) -> String {
    let letter = match entry.severity {
        Severity::Info => 'I',
        Severity::Warning => 'W',
        Severity::Error => 'E',
    };
    let file = entry.file.rsplit('/').next().unwrap_or(entry.file);
    format!("{letter}{} {:>7} {file}:{}] ", clock(entry.time), entry.process, entry.line)
}

fn clock(time: &Zoned) -> String {
    format!(
        "{:02}{:02} {:02}:{:02}:{:02}.{:06}",
        time.month(),
        time.day(),
        time.hour(),
        time.minute(),
        time.second(),
        time.subsec_nanosecond() / 1000,
    )
}

fn push_value(out: &mut String, value: &Value) {
    match value {
        Value::Text(text) if text.contains('\n') => push_block(out, text),
        Value::Text(text) => {
            out.push('=');
            push_quoted(out, text);
        }
        Value::Bare(text) => {
            out.push('=');
            out.push_str(text);
        }
    }
}

/// Several lines, as they are behind a tab each. The end mark stands behind a blank, so that no line of the
/// text can be mistaken for it.
fn push_block(out: &mut String, text: &str) {
    out.push_str("=<\n");
    for line in text.split_terminator('\n') {
        out.push('\t');
        out.push_str(line);
        out.push('\n');
    }
    out.push_str(" >");
}
