//! The one log line and the counts of a message, at its end.

use std::borrow::Cow;

use tracing::Span;
use tracing::field::display;

use super::outcome::{Ending, Outcome};
use super::seen::Seen;
use super::settlement::Settlement;
use super::station::Station;
use crate::message::{Message, RawEnvelope};
use crate::service::config::LogSuccess;
use crate::service::metrics::NO_HANDLER;

/// Of this many successes one gets a line when they are sampled.
const SAMPLE_OF: u64 = 100;

/// Makes the span in which a handler runs, so that its own lines can be told apart.
pub(super) fn span(message: &Message, event: &RawEnvelope<'_>, seen: &Seen) -> Span {
    tracing::info_span!(
        "process",
        message.id = message.id.0,
        event.type = event.event_type.as_ref(),
        trace_id = seen.trace_id(),
    )
}

/// Counts a settled message and logs its line.
pub(super) fn finished(
    station: &Station,
    message: &Message,
    seen: &Seen,
    ending: &Ending,
    settlement: &Settlement,
) {
    let Ending { outcome, cause } = ending;
    let took = seen.started.elapsed();
    let handler = seen.event_type.as_deref().unwrap_or(NO_HANDLER);
    let metrics = &station.metrics;
    metrics.handler(handler).ended(outcome.as_str(), took);
    station.progress.took(took);
    let is_replayed = message
        .failure
        .as_ref()
        .is_some_and(|past| past.replay_no > 0);
    if is_replayed && settlement.is_final() {
        metrics.replayed.increment(1);
    }
    if outcome.is_done() {
        let done_before = station.progress.done(*outcome == Outcome::Duplicate);
        let failure = message.failure.as_deref();
        let first_sent = failure.map_or(message.sent_at, |failure| failure.first_sent_at);
        let critical = station.clock.now().duration_since(first_sent);
        metrics.committed_after(critical.try_into().unwrap_or_default());
        if !wants_line(station.limits.log_success, done_before, settlement) {
            return;
        }
    }
    let after_secs = match settlement {
        Settlement::Retry { after }
        | Settlement::Release { after }
        | Settlement::Halt { after, .. } => Some(after.as_secs()),
        Settlement::Delete | Settlement::DeadLetter { .. } | Settlement::Abandon => None,
    };
    // Of a trace that is not recorded no span can be found.
    let recorded = seen.trace.as_ref().filter(|trace| trace.is_sampled());
    let span_id = recorded.map(|trace| display(trace.span_id()));
    let key = seen.key.as_ref();
    let duration_ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
    macro_rules! line {
        ($level:ident, $text:literal) => {
            tracing::$level!(
                consumer = station.limits.consumer,
                queue = station.limits.queue,
                message.id = message.id.0,
                message.receives = message.receive_count,
                event.type = seen.event_type.as_deref(),
                event.id = key.map(|key| key.id.as_str()),
                event.source = key.map(|key| key.source.as_str()),
                trace_id = seen.trace_id(),
                span_id,
                outcome = outcome.as_str(),
                reason = reason(outcome),
                error = cause.as_deref(),
                settlement = settlement.as_str(),
                after_secs,
                attempt = seen.attempt(station.limits.attempts_max),
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

/// Tells whether a success gets a line; one that could not be acknowledged always does.
fn wants_line(log_success: LogSuccess, done_before: u64, settlement: &Settlement) -> bool {
    match log_success {
        LogSuccess::All => true,
        LogSuccess::Sampled if done_before.is_multiple_of(SAMPLE_OF) => true,
        LogSuccess::Sampled | LogSuccess::None => *settlement == Settlement::Abandon,
    }
}

fn reason(outcome: &Outcome) -> Option<String> {
    match outcome {
        Outcome::Rejected {
            reason,
            detail: Some(detail),
        } => Some(format!("{reason}: {detail}")),
        Outcome::Failed { .. }
        | Outcome::Rejected { .. }
        | Outcome::Unavailable { .. }
        | Outcome::Undecodable(_) => outcome.reason().map(Cow::into_owned),
        _ => None,
    }
}
