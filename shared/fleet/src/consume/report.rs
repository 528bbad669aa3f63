//! The one log line and the counts of a message, at its end.

use jiff::Timestamp;
use tracing::Span;

use super::outcome::Outcome;
use super::settle::Seen;
use super::settlement::Settlement;
use super::station::Station;
use crate::message::Message;
use crate::service::config::LogSuccess;

/// Of this many successes one gets a line when they are sampled.
const SAMPLE_OF: u64 = 100;

/// Makes the span in which a handler runs, so that its own lines can be told apart.
pub(super) fn span(message: &Message, seen: &Seen) -> Span {
    tracing::info_span!(
        "process",
        message.id = message.id.0,
        event.type = seen.event_type,
        trace_id = trace_id(seen),
    )
}

/// Counts a settled message and logs its line.
pub(super) fn finished(
    station: &Station,
    message: &Message,
    seen: &Seen,
    outcome: &Outcome,
    settlement: &Settlement,
) {
    let took = seen.started.elapsed();
    let now = Timestamp::now();
    let handler = seen.event_type.as_deref().unwrap_or_default();
    station
        .metrics
        .handler(handler)
        .ended(outcome.as_str(), took);
    if outcome.is_done() {
        let first_sent = message
            .failure
            .as_ref()
            .map_or(message.sent_at, |f| f.first_sent_at);
        let critical = now.duration_since(first_sent);
        station
            .metrics
            .committed_after(critical.try_into().unwrap_or_default());
        if !wants_line(station, settlement) {
            return;
        }
    }
    let key = seen.key.as_ref();
    let (settled, after_secs) = match settlement {
        Settlement::Delete => ("deleted", None),
        Settlement::Retry { after } => ("retried", Some(after.as_secs())),
        Settlement::Release { after } => ("released", Some(after.as_secs())),
        Settlement::DeadLetter { .. } => ("dead_lettered", None),
        Settlement::Abandon => ("abandoned", None),
    };
    let duration_ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
    macro_rules! line {
        ($level:ident, $text:literal) => {
            tracing::$level!(
                consumer = station.limits.consumer,
                queue = station.limits.queue,
                message.id = message.id.0,
                message.receives = message.receive_count,
                event.type = seen.event_type,
                event.id = key.map(|key| key.id.as_str()),
                event.source = key.map(|key| key.source.as_str()),
                trace_id = trace_id(seen),
                outcome = outcome.as_str(),
                reason = reason(outcome),
                settlement = settled,
                after_secs,
                attempt = seen.charged + 1,
                duration_ms,
                $text
            )
        };
    }
    match outcome {
        Outcome::Processed | Outcome::Duplicate => line!(info, "message done"),
        Outcome::Interrupted => line!(info, "message given back"),
        _ => line!(warn, "message not done"),
    }
}

fn wants_line(station: &Station, settlement: &Settlement) -> bool {
    match station.limits.log_success {
        _ if *settlement == Settlement::Abandon => true,
        LogSuccess::All => true,
        LogSuccess::Sampled => station
            .progress
            .snapshot()
            .settled
            .is_multiple_of(SAMPLE_OF),
        LogSuccess::None => false,
    }
}

fn reason(outcome: &Outcome) -> Option<String> {
    match outcome {
        Outcome::Failed { reason, .. } => Some(reason.to_string()),
        Outcome::Rejected { reason, detail } => Some(match detail {
            Some(detail) => format!("{reason}: {detail}"),
            None => reason.to_string(),
        }),
        Outcome::Unavailable { dependency } => Some(format!(
            "{} is unavailable",
            dependency.as_deref().unwrap_or("the way")
        )),
        Outcome::Undecodable(error) => Some(error.to_string()),
        _ => None,
    }
}

/// Returns the trace id of a W3C `traceparent`: the second of its four parts.
fn trace_id(seen: &Seen) -> Option<&str> {
    seen.trace_parent.as_deref()?.split('-').nth(1)
}
