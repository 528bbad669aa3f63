use std::cell::RefCell;

use jiff::Timestamp;
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Subscriber};
use tracing_subscriber::layer::{Context, Layer};
use tracing_subscriber::registry::LookupSpan;

use super::line::{Line, SpanFields, Style};
use super::output::Output;

thread_local! {
    /// The buffers of this thread's lines, taken while one is being made.
    static LINE: RefCell<Line> = RefCell::default();
}

/// Turns every event into a line.
///
/// The formatters of `tracing-subscriber` nest the fields of spans, pass on
/// control characters in text, and panic when stderr is closed.
#[derive(Debug)]
pub(super) struct LogLayer {
    style: Style,
    output: Output,
}

impl LogLayer {
    /// Makes a layer that writes to `output`.
    pub(super) fn new(style: Style, output: Output) -> Self {
        Self { style, output }
    }

    /// Adds the fields of the spans around the event, the innermost first; a
    /// name that is taken is left out.
    fn add_spans<S>(&self, line: &mut Line, event: &Event<'_>, context: &Context<'_, S>)
    where
        S: Subscriber + for<'a> LookupSpan<'a>,
    {
        let own = event.metadata().fields();
        let mut taken: Vec<&'static str> = Vec::new();
        for span in context.event_scope(event).into_iter().flatten() {
            let extensions = span.extensions();
            let Some(SpanFields(fields)) = extensions.get() else {
                continue;
            };
            for (name, value) in fields {
                if own.field(name).is_none() && !taken.contains(name) {
                    line.rendered(self.style, name, value);
                    taken.push(name);
                }
            }
        }
    }
}

impl<S> Layer<S> for LogLayer
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        if let Some(span) = context.span(id) {
            let mut fields = SpanFields::default();
            attributes.record(&mut fields.visitor(self.style));
            span.extensions_mut().insert(fields);
        }
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, context: Context<'_, S>) {
        if let Some(span) = context.span(id)
            && let Some(fields) = span.extensions_mut().get_mut::<SpanFields>()
        {
            values.record(&mut fields.visitor(self.style));
        }
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        // Taken, not borrowed: a Debug that logs would come back in here.
        let mut line = LINE.take();
        line.begin(self.style, Timestamp::now(), event.metadata());
        event.record(&mut line.visitor(self.style));
        self.add_spans(&mut line, event, &context);
        self.output.push(line.end(self.style));
        LINE.set(line);
    }
}

#[cfg(test)]
mod tests {
    use std::io;

    use proptest::prelude::*;
    use tracing_subscriber::layer::SubscriberExt;

    use super::*;

    /// Logs into memory and returns the lines without their timestamps.
    fn logged(style: Style, work: impl FnOnce()) -> String {
        let output = Output::unwritten();
        let layer = LogLayer::new(style, output.clone());
        tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), work);
        let before = match style {
            Style::Json => r#"{"timestamp":"2026-01-01T00:00:00.000000Z","#.len(),
            Style::Text => "2026-01-01T00:00:00.000000Z ".len(),
        };
        output
            .take()
            .lines()
            .map(|line| line[before..].to_owned() + "\n")
            .collect()
    }

    fn an_event_in_a_span() {
        let span = tracing::info_span!(
            "process",
            message.id = "m-1",
            trace_id = tracing::field::Empty,
            attempt = 1
        );
        span.record("trace_id", "4bf92f");
        let _inside = span.enter();
        let error = io::Error::other("connection reset");
        tracing::info!(
            target: "fleet::consume",
            outcome = "failed",
            attempt = 2,
            duration_ms = 1.5,
            error = &error as &(dyn std::error::Error + 'static),
            level = "mine",
            "message ended: {}", "retry"
        );
    }

    #[test]
    fn a_json_line_is_flat_and_the_innermost_field_wins() {
        insta::assert_snapshot!(logged(Style::Json, an_event_in_a_span), @r#""level":"INFO","target":"fleet::consume","message":"message ended: retry","outcome":"failed","attempt":2,"duration_ms":1.5,"error":"connection reset","field.level":"mine","message.id":"m-1","trace_id":"4bf92f"}"#);
    }

    #[test]
    fn a_text_line_has_the_message_first() {
        insta::assert_snapshot!(logged(Style::Text, an_event_in_a_span), @r#" INFO fleet::consume: message ended: retry outcome=failed attempt=2 duration_ms=1.5 error="connection reset" field.level=mine message.id=m-1 trace_id=4bf92f"#);
    }

    #[test]
    fn control_and_bidi_characters_are_escaped_in_both() {
        let log = || {
            let evil = "a\nERROR \u{1b}[31m\u{202e}\u{85}\u{7f}\"\\";
            tracing::warn!(target: "t", evil, empty = "", "{evil}");
        };
        insta::assert_snapshot!(logged(Style::Text, log), @r#" WARN t: a\nERROR \u001b[31m\u202e\u0085\u007f"\\ evil="a\nERROR \u001b[31m\u202e\u0085\u007f\"\\" empty="""#);
        insta::assert_snapshot!(logged(Style::Json, log), @r#""level":"WARN","target":"t","message":"a\nERROR \u001b[31m\u202e\u0085\u007f\"\\","evil":"a\nERROR \u001b[31m\u202e\u0085\u007f\"\\","empty":""}"#);
    }

    #[test]
    fn a_value_that_is_too_long_is_cut() {
        let line = logged(Style::Json, || tracing::info!(body = "ü".repeat(1_000_000)));
        assert!(
            line.len() < 9_000 && line.contains("ü…\""),
            "{}",
            line.len()
        );
    }

    proptest! {
        #[test]
        fn any_text_stays_one_line_and_valid_json(text in any::<String>()) {
            let json = logged(Style::Json, || tracing::info!(text, "{text}"));
            prop_assert_eq!(json.lines().count(), 1);
            let parsed: serde_json::Value =
                serde_json::from_str(&format!("{{{}", json.trim_end())).expect("JSON");
            prop_assert_eq!(parsed["text"].as_str(), Some(text.as_str()));
            prop_assert_eq!(parsed["message"].as_str(), Some(text.as_str()));
            let lines = logged(Style::Text, || tracing::info!(text, "{text}"));
            prop_assert_eq!(lines.lines().count(), 1);
        }
    }
}
