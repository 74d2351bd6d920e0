//! The layer of `tracing` that turns each event to be shown into one write of one line.
//!
//! Knows nothing of how a line looks. An edge: it reads the clock and writes.

use std::io::Write;

use jiff::Zoned;
use tracing::span::{Attributes, Id, Record};
use tracing::subscriber::Interest;
use tracing::{Event, Metadata, Subscriber};
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::{Context, Layer};
use tracing_subscriber::registry::LookupSpan;

use super::entry::{self, Entry, Fields, Pairs};
use super::{Format, Log, json, text};

/// Writes what the settings of its log ask for.
pub(super) struct Klog<W> {
    log: Log,
    output: W,
    process: u32,
}

impl<W: for<'a> MakeWriter<'a>> Klog<W> {
    pub(super) fn new(log: Log, output: W) -> Self {
        Self { log, output, process: std::process::id() }
    }

    fn shows(&self, level: u32, metadata: &Metadata<'_>) -> bool {
        self.log.read(|settings| settings.levels.shows(level, file(metadata)))
    }

    fn write(&self, fields: Fields, event: &Event<'_>) {
        let metadata = event.metadata();
        let entry = Entry {
            severity: (*metadata.level()).into(),
            level: entry::level(event),
            time: &Zoned::now(),
            process: self.process,
            file: file(metadata),
            line: metadata.line().unwrap_or(1),
            fields,
        };
        let line = match self.log.read(|settings| settings.format) {
            Format::Text => text::line(&entry),
            Format::Json => json::line(&entry),
        };
        // Where the log cannot be written there is nowhere to complain.
        drop(self.output.make_writer().write_all(line.as_bytes()));
    }
}

impl<W, S> Layer<S> for Klog<W>
where
    W: for<'a> MakeWriter<'a> + 'static,
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    fn register_callsite(&self, metadata: &'static Metadata<'static>) -> Interest {
        // The answer holds until the settings change, and costs callsites without `v` one load from then on.
        match entry::usual_level(metadata) {
            Some(level) if !self.shows(level, metadata) => Interest::never(),
            Some(_) | None => Interest::always(),
        }
    }

    fn enabled(&self, metadata: &Metadata<'_>, _: Context<'_, S>) -> bool {
        entry::usual_level(metadata).is_none_or(|level| self.shows(level, metadata))
    }

    fn event_enabled(&self, event: &Event<'_>, _: Context<'_, S>) -> bool {
        self.shows(entry::level(event), event.metadata())
    }

    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        let mut fields = Fields::default();
        attributes.record(&mut fields);
        if let Some(span) = context.span(id) {
            span.extensions_mut().insert(fields.into_context());
        }
    }

    fn on_record(&self, id: &Id, record: &Record<'_>, context: Context<'_, S>) {
        let mut fields = Fields::default();
        record.record(&mut fields);
        let Some(span) = context.span(id) else { return };
        if let Some(pairs) = span.extensions_mut().get_mut::<Pairs>() {
            for (name, value) in fields.into_context() {
                entry::set(pairs, name, value);
            }
        }
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        let mut around = Pairs::new();
        for span in context.event_scope(event).into_iter().flat_map(|scope| scope.from_root()) {
            for (name, value) in span.extensions().get::<Pairs>().into_iter().flatten() {
                entry::set(&mut around, name, value.clone());
            }
        }
        let mut fields = Fields::default();
        event.record(&mut fields);
        fields.within(around);
        self.write(fields, event);
    }
}

fn file<'a>(metadata: &'a Metadata<'_>) -> &'a str {
    metadata.file().unwrap_or("???")
}
