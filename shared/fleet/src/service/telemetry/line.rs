use std::error::Error;
use std::fmt::{self, Write};

use jiff::Timestamp;
use jiff::fmt::temporal::DateTimePrinter;
use tracing::field::{Field, Visit};
use tracing::{Level, Metadata};

/// Digits of a second in a timestamp: enough to order the lines of a process.
const TIMESTAMP_DIGITS: u8 = 6;

/// Bytes of one value that a line shows at most: nothing worth logging is
/// longer, and a message body would be a megabyte.
const VALUE_BYTES_MAX: usize = 8 * 1024;

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
        let mut chain = value.to_string();
        let mut cause = value.source();
        while let Some(error) = cause {
            let _ = write!(chain, ": {error}");
            cause = error.source();
        }
        self.text(field, format_args!("{chain}"));
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
    let _ = match style {
        // Names of fields are Rust literals, and tracing allows no quotes in them.
        Style::Json => write!(fields, ",\"{prefix}{name}\":"),
        Style::Text => write!(fields, " {prefix}{name}="),
    };
}

/// Where a text gets quotes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Quotes {
    Always,
    /// Where it would not stand out as one value.
    WhereNeeded,
    Never,
}

/// Writes a text, escaped and, if need be, in quotes.
fn quote(out: &mut String, quotes: Quotes, text: fmt::Arguments<'_>) {
    let start = out.len();
    if quotes == Quotes::Always {
        out.push('"');
    }
    let mut escaped = Escaped {
        out: &mut *out,
        quotes,
        left_bytes: VALUE_BYTES_MAX,
        was_cut: false,
        is_one_word: true,
    };
    // Fails when a Debug or Display of somebody else fails: what it wrote stands.
    let _ = escaped.write_fmt(text);
    let (is_one_word, was_cut) = (escaped.is_one_word, escaped.was_cut);
    if was_cut {
        out.push('…');
    }
    match quotes {
        Quotes::Always => out.push('"'),
        Quotes::WhereNeeded if !is_one_word || out.len() == start => {
            out.insert(start, '"');
            out.push('"');
        }
        Quotes::WhereNeeded | Quotes::Never => {}
    }
}

/// Escapes as JSON does, and also what moves the cursor or the reading direction.
struct Escaped<'a> {
    out: &'a mut String,
    quotes: Quotes,
    left_bytes: usize,
    was_cut: bool,
    is_one_word: bool,
}

impl fmt::Write for Escaped<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let shown = &text[..text.floor_char_boundary(self.left_bytes)];
        self.was_cut |= shown.len() < text.len();
        self.left_bytes = if self.was_cut {
            0
        } else {
            self.left_bytes - shown.len()
        };
        let text = shown;
        let mut copied = 0;
        for (at, c) in text.char_indices() {
            let escapes = match c {
                '"' => self.quotes != Quotes::Never,
                '\\' => true,
                _ => is_hidden(c),
            };
            self.is_one_word &= !escapes && c != ' ' && c != '=';
            if escapes {
                self.out.push_str(&text[copied..at]);
                copied = at + c.len_utf8();
                self.escape(c);
            }
        }
        self.out.push_str(&text[copied..]);
        Ok(())
    }
}

impl Escaped<'_> {
    fn escape(&mut self, c: char) {
        match c {
            '"' => self.out.push_str("\\\""),
            '\\' => self.out.push_str("\\\\"),
            '\n' => self.out.push_str("\\n"),
            '\r' => self.out.push_str("\\r"),
            '\t' => self.out.push_str("\\t"),
            // Every hidden character lies in the basic plane, so four digits do.
            other => {
                let _ = write!(self.out, "\\u{:04x}", u32::from(other));
            }
        }
    }
}

/// Tells whether a character is a control, ends a line somewhere, or changes
/// the reading direction.
fn is_hidden(c: char) -> bool {
    match c {
        ' '..='~' => false,
        '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' => true,
        '\u{2066}'..='\u{2069}' | '\u{feff}' => true,
        _ => c.is_control(),
    }
}
