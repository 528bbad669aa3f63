use std::error::Error;
use std::fmt::{self, Write};

use jiff::Timestamp;
use jiff::fmt::temporal::DateTimePrinter;
use tracing::field::{Field, Visit};
use tracing::{Level, Metadata};

use super::cause;
use super::escape::{Quotes, quote};

/// Digits of a second in a timestamp: enough to order the lines of a process.
const TIMESTAMP_DIGITS: u8 = 6;

/// The name that tracing gives to an event's message.
const MESSAGE: &str = "message";

/// Keys that every line has; a field of that name gets a prefix.
const RESERVED: [&str; 3] = ["timestamp", "level", "target"];

/// How a line looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Style {
    /// One flat JSON object.
    Json,
    /// Text for eyes.
    Text,
}

/// One line in the making, to be used again for the next.
#[derive(Debug, Default)]
pub(super) struct Line {
    head: String,
    /// In JSON all fields, the message among them; in text those behind it.
    fields: String,
    message: String,
}

impl Line {
    /// Empties the line and begins it with the time, the level and the target.
    pub(super) fn begin(&mut self, style: Style, now: Timestamp, metadata: &Metadata<'_>) {
        self.head.clear();
        self.fields.clear();
        self.message.clear();
        let (json, level) = (style == Style::Json, metadata.level());
        self.head
            .push_str(if json { "{\"timestamp\":\"" } else { "" });
        let printer = DateTimePrinter::new().precision(Some(TIMESTAMP_DIGITS));
        // A String takes whatever is written to it, here and below.
        let _ = printer.print_timestamp(&now, &mut self.head);
        if json {
            let _ = write!(self.head, "\",\"level\":\"{level}\",\"target\":");
            quote(
                &mut self.head,
                Quotes::Always,
                format_args!("{}", metadata.target()),
            );
        } else {
            let padding = if matches!(*level, Level::INFO | Level::WARN) {
                " "
            } else {
                ""
            };
            let _ = write!(self.head, " {padding}{level} {}: ", metadata.target());
        }
    }

    /// Returns what takes the event's own fields.
    pub(super) fn visitor(&mut self, style: Style) -> Visitor<'_, Self> {
        Visitor { style, sink: self }
    }

    /// Adds a field of a span, whose value is rendered already.
    pub(super) fn rendered(&mut self, style: Style, name: &str, value: &str) {
        key(&mut self.fields, style, name);
        self.fields.push_str(value);
    }

    /// Ends the line and returns it, with its line feed.
    pub(super) fn end(&mut self, style: Style) -> &str {
        if style == Style::Text {
            self.head.push_str(&self.message);
        }
        self.head.push_str(&self.fields);
        self.head
            .push_str(if style == Style::Json { "}\n" } else { "\n" });
        &self.head
    }
}

/// The fields of a span, rendered, for the lines inside it.
#[derive(Debug, Default)]
pub(super) struct SpanFields(pub(super) Vec<(&'static str, String)>);

impl SpanFields {
    /// Returns what takes the span's fields.
    pub(super) fn visitor(&mut self, style: Style) -> Visitor<'_, Self> {
        Visitor { style, sink: self }
    }
}

/// Hands out the place that a field's value is rendered to.
pub(super) trait Sink {
    fn place(&mut self, style: Style, name: &'static str) -> &mut String;
}

impl Sink for Line {
    fn place(&mut self, style: Style, name: &'static str) -> &mut String {
        if style == Style::Text && name == MESSAGE {
            return &mut self.message;
        }
        key(&mut self.fields, style, name);
        &mut self.fields
    }
}

impl Sink for SpanFields {
    fn place(&mut self, _style: Style, name: &'static str) -> &mut String {
        self.0.retain(|(known, _)| *known != name);
        self.0.push((name, String::new()));
        let (_, value) = self.0.last_mut().expect("one was pushed");
        value
    }
}

/// Renders fields into a sink.
pub(super) struct Visitor<'a, S> {
    style: Style,
    sink: &'a mut S,
}

impl<S: Sink> Visitor<'_, S> {
    fn number(&mut self, field: &Field, value: impl fmt::Display) {
        let _ = write!(self.sink.place(self.style, field.name()), "{value}");
    }

    fn text(&mut self, field: &Field, value: fmt::Arguments<'_>) {
        let place = self.sink.place(self.style, field.name());
        let bare = self.style == Style::Text && field.name() == MESSAGE;
        let quotes = match self.style {
            _ if bare => Quotes::Never,
            Style::Json => Quotes::Always,
            Style::Text => Quotes::WhereNeeded,
        };
        quote(place, quotes, value);
    }
}

impl<S: Sink> Visit for Visitor<'_, S> {
    fn record_f64(&mut self, field: &Field, value: f64) {
        if value.is_finite() {
            self.number(field, value);
        } else {
            self.text(field, format_args!("{value}"));
        }
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.number(field, value);
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.number(field, value);
    }

    fn record_i128(&mut self, field: &Field, value: i128) {
        self.number(field, value);
    }

    fn record_u128(&mut self, field: &Field, value: u128) {
        self.number(field, value);
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.number(field, value);
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.text(field, format_args!("{value}"));
    }

    /// Writes the error and its causes, joined by colons.
    fn record_error(&mut self, field: &Field, value: &(dyn Error + 'static)) {
        self.text(field, format_args!("{}", cause::chain(value)));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.text(field, format_args!("{value:?}"));
    }
}

fn key(fields: &mut String, style: Style, name: &str) {
    let prefix = if RESERVED.contains(&name) {
        "field."
    } else {
        ""
    };
    let (before, after) = match style {
        // Names of fields are Rust literals, and tracing allows no quotes in them.
        Style::Json => (",\"", "\":"),
        Style::Text => (" ", "="),
    };
    for part in [before, prefix, name, after] {
        fields.push_str(part);
    }
}
