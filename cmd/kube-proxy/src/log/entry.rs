//! Turns the fields of an event and of the spans around it into an entry, all that a line is written from.
//!
//! Knows no clock and no format: both are given to or by others.

use std::error::Error;
use std::fmt::Debug;

use jiff::Zoned;
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Metadata};

use super::value::Value;

/// One line of the log, not yet written in either format.
#[derive(Debug)]
pub(super) struct Entry<'a> {
    pub(super) severity: Severity,
    /// klog's `V`; shown by JSON only.
    pub(super) level: u32,
    /// When, in the time zone in which the text format tells it.
    pub(super) time: &'a Zoned,
    pub(super) process: u32,
    /// The source file as the compiler names it, and the line in it.
    pub(super) file: &'a str,
    pub(super) line: u32,
    pub(super) fields: Fields,
}

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Severity {
    Info,
    Warning,
    Error,
}

/// Names and values in the order in which they are printed.
pub(super) type Pairs = Vec<(&'static str, Value)>;

/// The fields of an event, sorted by the part they play.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Fields {
    pub(super) message: String,
    /// `err`.
    pub(super) error: Option<Value>,
    /// `errCauses`: the errors that `err` is a list of; shown by JSON only.
    pub(super) causes: Option<Value>,
    /// `ipFamily` and the fields of spans.
    pub(super) context: Pairs,
    /// All others.
    pub(super) pairs: Pairs,
}

// === impl Severity ===

impl From<Level> for Severity {
    fn from(level: Level) -> Self {
        match level {
            Level::ERROR => Self::Error,
            Level::WARN => Self::Warning,
            Level::INFO | Level::DEBUG | Level::TRACE => Self::Info,
        }
    }
}

// === impl Fields ===

impl Fields {
    /// Adds the context that the spans around the event give; what the event says itself wins.
    pub(super) fn within(&mut self, context: Pairs) {
        let own = |name| self.context.iter().chain(&self.pairs).any(|(present, _)| *present == name);
        let news: Pairs = context.into_iter().filter(|(name, _)| !own(*name)).collect();
        self.context.extend(news);
    }

    /// What the fields of a span add to the context of the events in it.
    pub(super) fn into_context(self) -> Pairs {
        self.context.into_iter().chain(self.pairs).collect()
    }

    fn add(&mut self, field: &Field, value: Value) {
        match (field.name(), value) {
            ("v", _) => {}
            ("message", Value::Bare(text) | Value::Text(text)) => self.message = text,
            ("err", value) => self.error = Some(value),
            ("errCauses", value) => self.causes = Some(value),
            ("ipFamily", value) => self.context.push(("ipFamily", value)),
            (name, value) => self.pairs.push((name, value)),
        }
    }
}

/// Replaces the value of this name, or appends it.
pub(super) fn set(pairs: &mut Pairs, name: &'static str, value: Value) {
    match pairs.iter_mut().find(|(present, _)| *present == name) {
        Some((_, present)) => *present = value,
        None => pairs.push((name, value)),
    }
}

impl Visit for Fields {
    fn record_f64(&mut self, field: &Field, value: f64) {
        self.add(field, Value::float(value));
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.add(field, Value::bare(value));
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.add(field, Value::bare(value));
    }

    fn record_i128(&mut self, field: &Field, value: i128) {
        self.add(field, Value::bare(value));
    }

    fn record_u128(&mut self, field: &Field, value: u128) {
        self.add(field, Value::bare(value));
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.add(field, Value::bare(value));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.add(field, Value::Text(value.to_owned()));
    }

    fn record_error(&mut self, field: &Field, value: &(dyn Error + 'static)) {
        self.add(field, Value::error(value));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.add(field, Value::formatted(value));
    }
}

// === levels ===

/// The level of events of this callsite, unless a field `v` says it per event.
pub(super) fn usual_level(metadata: &Metadata<'_>) -> Option<u32> {
    if *metadata.level() == Level::ERROR {
        return Some(0);
    }
    if metadata.is_event() && metadata.fields().field("v").is_some() {
        return None;
    }
    // Without `v` these come from libraries: API requests, and each frame of a connection.
    Some(match *metadata.level() {
        Level::DEBUG => 6,
        Level::TRACE => 10,
        _ => 0,
    })
}

/// The level of this event.
pub(super) fn level(event: &Event<'_>) -> u32 {
    usual_level(event.metadata()).unwrap_or_else(|| {
        let mut found = LevelField(0);
        event.record(&mut found);
        found.0
    })
}

/// Looks for `v` and formats nothing.
struct LevelField(u32);

impl Visit for LevelField {
    fn record_i64(&mut self, field: &Field, value: i64) {
        if field.name() == "v" {
            self.0 = u32::try_from(value.max(0)).unwrap_or(u32::MAX);
        }
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        if field.name() == "v" {
            self.0 = u32::try_from(value).unwrap_or(u32::MAX);
        }
    }

    fn record_debug(&mut self, _: &Field, _: &dyn Debug) {}
}
