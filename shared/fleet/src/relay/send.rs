use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering};

use futures_util::stream::{self, StreamExt as _};

use super::fate::{self, Fate};
use super::outgoing::render;
use crate::message::Outgoing;
use crate::queue::{Queue, QueueErrorKind, split};
use crate::service::health::Pulse;
use crate::service::traces::Span;
use crate::store::OutboxRow;

/// The most requests to one queue at a time. At 10 ms a request these carry
/// 100,000 messages a second, which is more than the database marks.
const SENDS_MAX: usize = 100;

/// Sends the rows of a claim and returns what became of each, in their order.
///
/// After a request that failed as a whole no further one is begun: its rows
/// wait. Rows of one ordering key never meet here, so the order of the requests
/// does not matter.
///
/// # Cancellation
///
/// Not to be dropped: what SQS has taken meanwhile would be sent again.
pub(super) async fn send(queue: &dyn Queue, rows: &[OutboxRow], pulse: &Pulse) -> Vec<Fate> {
    let (messages, mut spans): (Vec<_>, Vec<_>) =
        rows.iter().map(|row| message(queue, row)).unzip();
    let mut fates: Vec<_> = messages
        .iter()
        .map(|message| fate::of_size(message.size_bytes()))
        .collect();
    let (places, messages): (Vec<usize>, Vec<Outgoing>) = messages
        .into_iter()
        .enumerate()
        .filter(|(place, _)| fates[*place].is_none())
        .unzip();

    let is_blocked = AtomicBool::new(false);
    let request = |batch: Range<usize>| {
        let (messages, is_blocked) = (&messages[batch.clone()], &is_blocked);
        async move {
            if is_blocked.load(Ordering::Relaxed) {
                return (
                    batch,
                    vec![Fate::Waits("blocked".to_owned()); messages.len()],
                );
            }
            let fates = send_batch(queue, messages, is_blocked).await;
            pulse.tick();
            (batch, fates)
        }
    };
    let mut answers =
        stream::iter(split(&messages).into_iter().map(request)).buffer_unordered(SENDS_MAX);
    while let Some((batch, answered)) = answers.next().await {
        for (place, fate) in places[batch].iter().zip(answered) {
            fates[*place] = Some(fate);
        }
    }
    let fates = fates.into_iter().zip(&mut spans).map(|(fate, span)| {
        let fate = fate.expect("every row was too large or in a batch");
        match &fate {
            Fate::Sent => {}
            Fate::Parked(_) => span.fail("parked"),
            Fate::Waits(code) => span.fail(code.clone()),
        }
        fate
    });
    fates.collect()
}

/// Makes the message of a row; whoever works on it goes on in the span of its sending.
fn message(queue: &dyn Queue, row: &OutboxRow) -> (Outgoing, Span) {
    let OutboxRow { event, .. } = row;
    let mut message = render(event, queue.is_fifo());
    let mut span = Span::send(queue.name(), event.trace.as_ref());
    span.event(&event.event_type, &event.key.source, &event.key.id);
    if let Some(trace) = span.context() {
        message.carry(&trace);
    }
    (message, span)
}

async fn send_batch(
    queue: &dyn Queue,
    messages: &[Outgoing],
    is_blocked: &AtomicBool,
) -> Vec<Fate> {
    match queue.send(messages).await {
        Ok(entries) => entries.iter().map(fate::of_entry).collect(),
        // One of them is at fault; one by one it shows which.
        Err(error) if error.kind == QueueErrorKind::Refused && messages.len() > 1 => {
            send_singly(queue, messages, is_blocked).await
        }
        Err(error) => {
            let fate = fate::of_request(&error, messages.len() == 1);
            if matches!(fate, Fate::Waits(_)) {
                is_blocked.store(true, Ordering::Relaxed);
            }
            vec![fate; messages.len()]
        }
    }
}

async fn send_singly(
    queue: &dyn Queue,
    messages: &[Outgoing],
    is_blocked: &AtomicBool,
) -> Vec<Fate> {
    let mut fates = Vec::with_capacity(messages.len());
    for message in messages {
        fates.push(match queue.send(std::slice::from_ref(message)).await {
            Ok(entries) => entries
                .first()
                .map_or_else(|| Fate::Waits("NotMentioned".to_owned()), fate::of_entry),
            Err(error) => fate::of_request(&error, true),
        });
    }
    if fates.iter().any(|fate| matches!(fate, Fate::Waits(_))) {
        is_blocked.store(true, Ordering::Relaxed);
    }
    fates
}
