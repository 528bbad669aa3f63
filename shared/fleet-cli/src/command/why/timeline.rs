use fleet::store::{Death, Dispatch, Effect, Replayed, Story, Try};
use jiff::Timestamp;

use crate::output::counted;

/// One thing that happened to an event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) at: Timestamp,
    pub(super) consumer: String,
    pub(super) what: String,
    pub(super) detail: String,
}

/// Puts everything that is on record of an event in the order in which it happened.
///
/// Rows have the times of several clocks, that of the database and those of the processes: what
/// is less than their difference apart may stand in another order.
pub(super) fn timeline(story: &Story) -> Vec<Entry> {
    let mut entries = Vec::new();
    story
        .outbox
        .iter()
        .for_each(|row| of_dispatch(row, &mut entries));
    entries.extend(story.attempts.iter().map(of_try));
    entries.extend(story.inbox.iter().map(of_effect));
    entries.extend(story.dead_letters.iter().map(of_death));
    story
        .replays
        .iter()
        .for_each(|row| of_replay(row, &mut entries));
    entries.sort_by_key(|entry| entry.at);
    entries
}

/// Returns the trace that an event belongs to.
pub(super) fn trace_id(story: &Story) -> Option<&str> {
    let parents = story
        .outbox
        .iter()
        .filter_map(|row| row.trace_parent.as_deref());
    parents.filter_map(|parent| parent.split('-').nth(1)).next()
}

fn of_dispatch(row: &Dispatch, entries: &mut Vec<Entry>) {
    let mut add = |at: Option<Timestamp>, what: &str, detail: String| {
        let consumer = row.consumer.clone();
        entries.extend(at.map(|at| Entry {
            at,
            consumer,
            what: what.to_owned(),
            detail,
        }));
    };
    let key = row
        .ordering_key
        .as_ref()
        .map(|key| format!(", ordering key {key}"));
    let enqueued = format!("outbox row {}{}", row.id, key.unwrap_or_default());
    add(Some(row.created_at), "enqueued", enqueued);
    let reason = row.parked_reason.clone().unwrap_or_default();
    let by = row.retried_by.as_deref().unwrap_or("unknown");
    let retried = match row.parked_at {
        // Parked once more: the reason is that of the second time.
        Some(_) => format!("by {by}"),
        None => format!("by {by}; it had been parked: {reason}"),
    };
    add(row.retried_at, "made sendable", retried);
    add(row.parked_at, "parked", reason);
    let by = row.discarded_by.as_deref().unwrap_or("unknown");
    let why = row.discard_reason.as_deref().unwrap_or_default();
    add(row.discarded_at, "discarded", format!("by {by}: {why}"));
    if row.discarded_at.is_none() {
        add(row.sent_at, "sent", "by a relay to its queue".to_owned());
    }
}

fn of_try(row: &Try) -> Entry {
    let receives = match row.receive_last > row.receive {
        true => format!("receives {} to {}", row.receive, row.receive_last),
        false => format!("receive {}", row.receive),
    };
    let charge = match row.charged {
        true => "charged",
        false => "not charged",
    };
    Entry {
        at: row.at,
        consumer: row.consumer.clone(),
        what: row.outcome.replace('_', " "),
        detail: format!("{}; {receives} of {}, {charge}", row.reason, row.message_id),
    }
}

fn of_effect(row: &Effect) -> Entry {
    Entry {
        at: row.processed_at,
        consumer: row.consumer.clone(),
        what: "effect committed".to_owned(),
        detail: "done; whatever comes after it changes nothing".to_owned(),
    }
}

fn of_death(row: &Death) -> Entry {
    let particular = row.detail.as_ref().map(|detail| format!(": {detail}"));
    let detail = format!(
        "{}{} ({}); {}, {}; {} became {} in {}",
        row.reason,
        particular.unwrap_or_default(),
        row.class,
        counted(row.attempts.into(), "attempt"),
        counted(row.receives.into(), "receive"),
        row.message_id,
        row.copy_id,
        row.queue,
    );
    Entry {
        at: row.failed_at,
        consumer: row.consumer.clone(),
        what: "dead-lettered".to_owned(),
        detail,
    }
}

fn of_replay(row: &Replayed, entries: &mut Vec<Entry>) {
    let Replayed {
        replay_id,
        kind,
        message_id,
        destination,
        who,
        ..
    } = row;
    let consumer = row.consumer.as_deref().unwrap_or("-");
    let mut add = |at: Option<Timestamp>, what: &str, detail: String| {
        entries.extend(at.map(|at| Entry {
            at,
            consumer: consumer.to_owned(),
            what: what.to_owned(),
            detail,
        }));
    };
    let planned = format!("{kind} {replay_id} by {who}: {message_id} to {destination}");
    add(Some(row.planned_at), "replay planned", planned);
    let new = row.sent_message_id.as_deref().unwrap_or("unknown");
    let edited = match row.edited {
        true => ", edited",
        false => "",
    };
    add(
        row.sent_at,
        "replayed",
        format!("{kind} {replay_id}: {message_id} became {new} in {destination}{edited}"),
    );
    let deleted = format!("{kind} {replay_id}: {message_id} in {}", row.queue);
    add(row.deleted_at, "dead letter deleted", deleted);
}
