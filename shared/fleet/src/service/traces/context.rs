use std::fmt;
use std::str::FromStr as _;

use opentelemetry::trace::{SpanContext, SpanId, TraceFlags, TraceId, TraceState};

/// The bytes of a `traceparent` of version 00, and the least of any later one.
const PARENT_BYTES: usize = 55;

/// The most bytes of a `tracestate` that are passed on.
///
/// Source: W3C Trace Context, "tracestate Limits": a longer one may be dropped.
const STATE_BYTES_MAX: usize = 512;

/// A place in a trace: what a producer hands on to whoever works on its event.
///
/// Only well-formed ones exist, so that none can forge a log line: it shows as
/// the `traceparent` of W3C Trace Context.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TraceContext(SpanContext);

impl TraceContext {
    /// Reads a `traceparent` and the `tracestate` beside it; `None` when the first is malformed.
    ///
    /// A malformed `tracestate` is left out.
    ///
    /// Source: W3C Trace Context, "traceparent Header Field Values".
    pub fn parse(parent: &str, state: Option<&str>) -> Option<Self> {
        let known = parent.get(..PARENT_BYTES)?;
        let mut parts = known.split('-');
        let mut hex = |digits| parts.next().and_then(|part| lower_hex(part, digits));
        let (version, trace_id, span_id, flags) = (hex(2)?, hex(32)?, hex(16)?, hex(2)?);
        // Later versions may add parts, and ff is none.
        let is_whole = match version {
            0 => parent.len() == PARENT_BYTES,
            0xff => false,
            _ => parent.len() == PARENT_BYTES || parent[PARENT_BYTES..].starts_with('-'),
        };
        let is_sampled = flags & 1 == 1;
        let read = Self::new(trace_id, u64::try_from(span_id).ok()?, is_sampled, state)?;
        is_whole.then_some(read)
    }

    /// Reads an `AWSTraceHeader`: `Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1`.
    ///
    /// Source: AWS X-Ray developer guide, "Tracing header".
    pub fn parse_xray(header: &str) -> Option<Self> {
        let field = |name: &str| {
            let mut fields = header
                .split(';')
                .filter_map(|field| field.trim().split_once('='));
            fields.find(|(key, _)| *key == name).map(|(_, value)| value)
        };
        let (time, unique) = field("Root")?.strip_prefix("1-")?.split_once('-')?;
        let trace_id = (lower_hex(time, 8)? << 96) | lower_hex(unique, 24)?;
        let span_id = u64::try_from(lower_hex(field("Parent")?, 16)?).ok()?;
        Self::new(trace_id, span_id, field("Sampled") == Some("1"), None)
    }

    fn new(trace_id: u128, span_id: u64, is_sampled: bool, state: Option<&str>) -> Option<Self> {
        let flags = TraceFlags::default().with_sampled(is_sampled);
        let state = state.and_then(legal_state).unwrap_or_default();
        let context = SpanContext::new(
            TraceId::from(trace_id),
            SpanId::from(span_id),
            flags,
            true,
            state,
        );
        // Zeros are no id.
        context.is_valid().then_some(Self(context))
    }

    pub(super) fn of(context: &SpanContext) -> Option<Self> {
        context.is_valid().then(|| Self(context.clone()))
    }

    pub(super) fn as_span_context(&self) -> &SpanContext {
        &self.0
    }

    /// Returns the id of the trace, as 32 hexadecimal digits.
    pub fn trace_id(&self) -> impl fmt::Display + fmt::Debug + use<> {
        self.0.trace_id()
    }

    /// Returns the id of the span, as 16 hexadecimal digits.
    pub fn span_id(&self) -> impl fmt::Display + fmt::Debug + use<> {
        self.0.span_id()
    }

    /// Tells whether the trace is recorded.
    pub fn is_sampled(&self) -> bool {
        self.0.is_sampled()
    }

    /// Returns the `tracestate`, if there is one.
    pub fn state(&self) -> Option<String> {
        Some(self.0.trace_state().header()).filter(|state| !state.is_empty())
    }
}

impl fmt::Display for TraceContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let flags = u8::from(self.is_sampled());
        write!(f, "00-{}-{}-{flags:02x}", self.trace_id(), self.span_id())
    }
}

/// Reads exactly so many hexadecimal digits, none of them in upper case.
fn lower_hex(text: &str, digits: usize) -> Option<u128> {
    let append = |number: u128, byte: u8| {
        let digit = match byte {
            b'0'..=b'9' => byte - b'0',
            b'a'..=b'f' => byte - b'a' + 10,
            _ => return None,
        };
        Some((number << 4) | u128::from(digit))
    };
    (text.len() == digits).then(|| text.bytes().try_fold(0, append))?
}

fn legal_state(state: &str) -> Option<TraceState> {
    let is_legal = state.len() <= STATE_BYTES_MAX
        && state
            .bytes()
            .all(|byte| matches!(byte, b' '..=b'~' | b'\t'));
    is_legal.then(|| TraceState::from_str(state).ok())?
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const PARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    #[test]
    fn a_traceparent_is_read_and_written_alike() {
        let context = TraceContext::parse(PARENT, Some("a=1,b=2")).expect("well formed");
        assert_eq!(context.to_string(), PARENT);
        assert_eq!(context.state().as_deref(), Some("a=1,b=2"));
        assert!(context.is_sampled());
        assert_eq!(context.trace_id().to_string(), PARENT[3..35]);
        assert_eq!(context.span_id().to_string(), PARENT[36..52]);
        let unsampled = PARENT.replace("-01", "-00");
        assert!(
            !TraceContext::parse(&unsampled, None)
                .expect("well formed")
                .is_sampled()
        );
    }

    #[test]
    fn what_is_no_traceparent_is_ignored() {
        for hostile in [
            "",
            "not one",
            &PARENT.to_uppercase(),
            &PARENT[..54],
            &format!("{PARENT}-more"),
            &format!("{PARENT}\n"),
            &PARENT.replace("4bf9", "4b\n9"),
            &PARENT.replace("4bf92f3577b34da6a3ce929d0e0e4736", &"0".repeat(32)),
            &PARENT.replace("00f067aa0ba902b7", &"0".repeat(16)),
            &PARENT.replace("00-4", "ff-4"),
            &PARENT.replace("00-4", "01-4").replace("-01", "-01x"),
            &"é".repeat(55),
            &"0".repeat(10_240),
        ] {
            assert_eq!(TraceContext::parse(hostile, None), None, "{hostile:?}");
        }
    }

    #[test]
    fn a_later_version_is_read_as_far_as_it_is_known() {
        let later = PARENT.replacen("00-", "cc-", 1) + "-what-is-to-come";
        let read = TraceContext::parse(&later, None).expect("well formed");
        assert_eq!(read.to_string(), PARENT);
    }

    #[test]
    fn a_tracestate_that_is_none_is_left_out() {
        for hostile in [
            "a=\u{1b}[31m",
            "a",
            "A=1",
            "a=1\nERROR",
            &"a=1,".repeat(200),
        ] {
            let context = TraceContext::parse(PARENT, Some(hostile)).expect("well formed");
            assert_eq!(context.state(), None, "{hostile:?}");
        }
    }

    #[test]
    fn the_header_of_x_ray_is_read() {
        let read =
            |header: &str| TraceContext::parse_xray(header).map(|context| context.to_string());
        let expected = "00-5759e988bd862e3fe1be46a994272793-53995c3f42cd8ad8-0";
        for (rest, flag) in [
            ("Sampled=1", "1"),
            ("Sampled=0", "0"),
            ("Sampled=?", "0"),
            ("", "0"),
        ] {
            let header = format!(
                "Root=1-5759e988-bd862e3fe1be46a994272793; Parent=53995c3f42cd8ad8;{rest};Self=x"
            );
            assert_eq!(read(&header), Some(format!("{expected}{flag}")), "{rest}");
        }
        for hostile in [
            "",
            "Root=1-5759e988-bd862e3fe1be46a994272793",
            "Root=2-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8",
            "Root=1-5759E988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8",
            "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=0000000000000000",
            "Root=1-5759e988-bd862e3fe1be46a99427279\u{1b};Parent=53995c3f42cd8ad8",
        ] {
            assert_eq!(read(hostile), None, "{hostile}");
        }
    }

    proptest! {
        #[test]
        fn no_text_makes_the_reading_panic_or_shows_itself(
            parent in ".*|[0-9a-f-]{50,60}", state in ".*|([a-z]=[^,]*,?)*"
        ) {
            let _ = TraceContext::parse_xray(&parent);
            if let Some(context) = TraceContext::parse(&parent, Some(&state)) {
                let shown = context.to_string();
                prop_assert_eq!(shown.len(), PARENT_BYTES);
                prop_assert!(shown.bytes().all(|byte| byte.is_ascii_graphic()));
            }
        }
    }
}
