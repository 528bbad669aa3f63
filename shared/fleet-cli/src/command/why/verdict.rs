use std::collections::BTreeSet;

use fleet::store::{Death, Dispatch, Replayed, Story, Try};
use jiff::Timestamp;
use serde::Serialize;

use crate::output::counted;

/// How an event stands with one consumer, in a sentence.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Verdict {
    pub(super) consumer: String,
    pub(super) state: State,
    pub(super) since: Timestamp,
    pub(super) text: String,
}

/// What there is to do about it: nothing, wait, or something.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum State {
    /// Its effect is committed.
    Done,
    /// It lies in a dead-letter queue.
    Dead,
    /// It was replayed from there and is not done.
    Replayed,
    /// SQS cannot take it.
    Parked,
    /// An operator gave it up.
    Discarded,
    /// It is not sent yet.
    Waiting,
    /// It was received, and is not done.
    Tried,
    /// It was sent, and nothing more is on record.
    Sent,
}

/// What is on record of an event with one consumer.
struct Chapter<'s> {
    dispatch: Option<&'s Dispatch>,
    done_at: Option<Timestamp>,
    tries: Vec<&'s Try>,
    deaths: Vec<&'s Death>,
    replays: Vec<&'s Replayed>,
}

/// Says for each consumer how the event stands.
pub(super) fn verdicts(story: &Story) -> Vec<Verdict> {
    let dispatches = story.outbox.iter().map(|row| &row.consumer);
    let done = story.inbox.iter().map(|row| &row.consumer);
    let tries = story.attempts.iter().map(|row| &row.consumer);
    let deaths = story.dead_letters.iter().map(|row| &row.consumer);
    let replays = story.replays.iter().filter_map(|row| row.consumer.as_ref());
    let consumers: BTreeSet<&String> = dispatches
        .chain(done)
        .chain(tries)
        .chain(deaths)
        .chain(replays)
        .collect();
    let verdict = |consumer: &String| {
        let (state, since, text) = Chapter::of(story, consumer).judge()?;
        Some(Verdict {
            consumer: consumer.clone(),
            state,
            since,
            text,
        })
    };
    consumers.into_iter().filter_map(verdict).collect()
}

impl<'s> Chapter<'s> {
    fn of(story: &'s Story, consumer: &str) -> Self {
        let done = story.inbox.iter().find(|row| row.consumer == consumer);
        Self {
            dispatch: story.outbox.iter().find(|row| row.consumer == consumer),
            done_at: done.map(|row| row.processed_at),
            tries: of_consumer(&story.attempts, |row| row.consumer == consumer),
            deaths: of_consumer(&story.dead_letters, |row| row.consumer == consumer),
            replays: of_consumer(&story.replays, |row| {
                row.consumer.as_deref() == Some(consumer)
            }),
        }
    }

    fn judge(&self) -> Option<(State, Timestamp, String)> {
        if let Some(at) = self.done_at {
            return Some((State::Done, at, self.done(at)));
        }
        if let Some(death) = self.deaths.iter().rfind(|death| !self.is_replayed(death)) {
            return Some((State::Dead, death.failed_at, self.dead(death)));
        }
        if let Some((replay, at)) = self.last_replay() {
            return Some((State::Replayed, at, self.replayed(replay, at)));
        }
        let unsent = self.dispatch.and_then(unsent);
        unsent.or_else(|| self.tried()).or_else(|| self.sent())
    }

    fn done(&self, at: Timestamp) -> String {
        let charged = count(&self.tries, |row| row.charged && row.at <= at);
        let deaths = count(&self.deaths, |row| row.failed_at <= at);
        // A consumer may be quicker than the journal.
        let replays = count(&self.replays, |row| {
            row.planned_at <= at && row.sent_at.is_some()
        });
        let before = [
            (charged, "failed attempt"),
            (deaths, "dead letter"),
            (replays, "replay"),
        ];
        let before: Vec<_> = before
            .into_iter()
            .filter(|(count, _)| *count > 0)
            .map(|(count, noun)| counted(count, noun))
            .collect();
        let mut text = format!("done exactly once, at {at:.0}");
        if !before.is_empty() {
            text = format!("{text}, after {}", before.join(", "));
        }
        if let Some(death) = self.deaths.iter().rfind(|row| row.failed_at > at) {
            text = format!(
                "{text}; another copy of it was dead-lettered at {:.0}",
                death.failed_at
            );
        }
        text
    }

    fn dead(&self, death: &Death) -> String {
        let planned = self
            .replays
            .iter()
            .any(|row| row.message_id == death.copy_id && row.ended_at.is_none());
        let plan = match planned {
            true => "; a replay is about to send it again",
            false => "",
        };
        format!(
            "dead since {:.0}, in {}: {} ({}){plan}",
            death.failed_at, death.queue, death.reason, death.class
        )
    }

    fn is_replayed(&self, death: &Death) -> bool {
        self.replays
            .iter()
            .any(|row| row.message_id == death.copy_id && row.sent_at.is_some())
    }

    fn last_replay(&self) -> Option<(&'s Replayed, Timestamp)> {
        let sent = self
            .replays
            .iter()
            .filter_map(|row| Some((*row, row.sent_at?)));
        sent.max_by_key(|(_, at)| *at)
    }

    fn replayed(&self, replay: &Replayed, at: Timestamp) -> String {
        let text = format!(
            "replayed at {at:.0} by {} to {}, and not done yet",
            replay.who, replay.destination
        );
        let since = |row: &&&Try| replay.sent_message_id.as_ref() == Some(&row.message_id);
        match self.tries.iter().rfind(since) {
            Some(last) => format!("{text}; {}", self.so_far(last)),
            None => text,
        }
    }

    fn tried(&self) -> Option<(State, Timestamp, String)> {
        let last = self.tries.last()?;
        Some((State::Tried, last.at, self.so_far(last)))
    }

    /// Says how far a message came whose last receive on record is this.
    fn so_far(&self, last: &Try) -> String {
        let charged = count(&self.tries, |row| {
            row.charged && row.message_id == last.message_id
        });
        let (at, reason) = (last.at, &last.reason);
        if last.outcome == "started" {
            return format!(
                "its handler was started at {at:.0}, and no end of it is on record: it runs, or its \
                 process died"
            );
        }
        let attempts = counted(charged, "attempt");
        match last.charged {
            true => format!(
                "tried with {attempts} so far, the last at {at:.0}: {reason}; waits for its next attempt"
            ),
            false => format!(
                "given back at {at:.0}, not charged: {reason}; {attempts} so far, waits for its next \
                 receive"
            ),
        }
    }

    fn sent(&self) -> Option<(State, Timestamp, String)> {
        let at = self.dispatch?.sent_at?;
        let text = format!(
            "sent at {at:.0}, and neither done nor failed: in its queue, or being worked on"
        );
        Some((State::Sent, at, text))
    }
}

fn unsent(row: &Dispatch) -> Option<(State, Timestamp, String)> {
    if let Some(at) = row.discarded_at {
        let by = row.discarded_by.as_deref().unwrap_or("unknown");
        let why = row.discard_reason.as_deref().unwrap_or_default();
        let text = format!("never sent, discarded at {at:.0} by {by}: {why}");
        return Some((State::Discarded, at, text));
    }
    if row.sent_at.is_some() {
        return None;
    }
    if let Some(at) = row.parked_at {
        let reason = row.parked_reason.as_deref().unwrap_or("unknown");
        let text = format!(
            "parked in the outbox since {at:.0}, row {}: {reason}; `outbox retry` or `outbox discard` \
             decides",
            row.id
        );
        return Some((State::Parked, at, text));
    }
    let since = row.created_at;
    let halted = row
        .halted_by
        .map(|head| format!(", behind row {head} of its ordering key, which is parked"));
    let text = format!(
        "waiting in the outbox since {since:.0}{}",
        halted.unwrap_or_default()
    );
    Some((State::Waiting, since, text))
}

fn of_consumer<T>(rows: &[T], is_its: impl Fn(&T) -> bool) -> Vec<&T> {
    rows.iter().filter(|row| is_its(row)).collect()
}

fn count<T>(rows: &[&T], counts: impl Fn(&T) -> bool) -> u64 {
    rows.iter().filter(|row| counts(row)).count() as u64
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    /// A time of the day on which everything happened.
    fn at(minute: u32) -> Value {
        json!(format!("2026-11-20T12:{minute:02}:00Z"))
    }

    fn sent() -> Value {
        json!({
            "id": 41, "consumer": "billing", "event_type": "order.placed", "created_at": at(0),
            "sent_at": at(1),
        })
    }

    fn tried(message_id: &str, outcome: &str, charged: bool, minute: u32) -> Value {
        json!({
            "consumer": "billing", "message_id": message_id, "receive": minute,
            "receive_last": minute, "outcome": outcome, "charged": charged,
            "reason": "handler timed out", "at": at(minute),
        })
    }

    fn died(copy_id: &str, minute: u32) -> Value {
        json!({
            "copy_id": copy_id, "message_id": "m-1", "queue": "billing-dlq", "consumer": "billing",
            "class": "permanent", "reason": "no customer", "attempts": 1, "receives": 1,
            "first_sent_at": at(1), "failed_at": at(minute),
        })
    }

    fn replayed(message_id: &str, state: &str, sent_at: Option<u32>) -> Value {
        json!({
            "replay_id": 7, "kind": "replay", "consumer": "billing", "message_id": message_id,
            "queue": "billing-dlq", "destination": "billing", "who": "ann@desk", "edited": false,
            "state": state, "sent_message_id": "m-2", "planned_at": at(20),
            "sent_at": sent_at.map(at),
        })
    }

    fn story(parts: Value) -> Story {
        let mut story = json!({
            "outbox": [], "attempts": [], "attempts_left_out": 0, "inbox": [], "dead_letters": [],
            "replays": [],
        });
        for (table, rows) in parts.as_object().unwrap() {
            story[table] = rows.clone();
        }
        serde_json::from_value(story).unwrap()
    }

    #[track_caller]
    fn check(parts: Value, state: State, text: &str) {
        let verdicts = verdicts(&story(parts));
        assert_eq!(verdicts.len(), 1, "{verdicts:?}");
        assert_eq!((&verdicts[0].text[..], verdicts[0].state), (text, state));
    }

    fn with(mut row: Value, columns: Value) -> Value {
        for (name, value) in columns.as_object().unwrap() {
            row[name] = value.clone();
        }
        row
    }

    #[test]
    fn an_event_in_the_outbox_waits_or_is_parked_or_given_up() {
        let unsent = with(sent(), json!({ "sent_at": null }));
        check(
            json!({ "outbox": [unsent.clone()] }),
            State::Waiting,
            "waiting in the outbox since 2026-11-20T12:00:00Z",
        );
        check(
            json!({ "outbox": [with(unsent.clone(), json!({ "halted_by": 40 }))] }),
            State::Waiting,
            "waiting in the outbox since 2026-11-20T12:00:00Z, behind row 40 of its ordering key, \
             which is parked",
        );
        let parked = json!({ "parked_at": at(1), "parked_reason": "too large" });
        let parked = with(unsent, parked);
        check(
            json!({ "outbox": [parked.clone()] }),
            State::Parked,
            "parked in the outbox since 2026-11-20T12:01:00Z, row 41: too large; `outbox retry` or \
             `outbox discard` decides",
        );
        let discarded = json!({
            "sent_at": at(2), "discarded_at": at(2), "discarded_by": "ann@desk",
            "discard_reason": "a test",
        });
        check(
            json!({ "outbox": [with(parked, discarded)] }),
            State::Discarded,
            "never sent, discarded at 2026-11-20T12:02:00Z by ann@desk: a test",
        );
    }

    #[test]
    fn an_event_that_was_sent_is_on_its_way_or_was_tried() {
        let check = |attempts: Value, state, text: &str| {
            check(
                json!({ "outbox": [sent()], "attempts": attempts }),
                state,
                text,
            );
        };
        check(
            json!([]),
            State::Sent,
            "sent at 2026-11-20T12:01:00Z, and neither done nor failed: in its queue, or being \
             worked on",
        );
        let failed = tried("m-1", "timed_out", true, 2);
        check(
            json!([failed, tried("m-1", "failed", true, 3)]),
            State::Tried,
            "tried with 2 attempts so far, the last at 2026-11-20T12:03:00Z: handler timed out; \
             waits for its next attempt",
        );
        check(
            json!([failed, tried("m-1", "released", false, 3)]),
            State::Tried,
            "given back at 2026-11-20T12:03:00Z, not charged: handler timed out; 1 attempt so far, \
             waits for its next receive",
        );
        check(
            json!([tried("m-1", "started", false, 3)]),
            State::Tried,
            "its handler was started at 2026-11-20T12:03:00Z, and no end of it is on record: it \
             runs, or its process died",
        );
    }

    #[test]
    fn a_dead_event_is_dead_until_its_own_copy_is_sent_again() {
        let dead = "dead since 2026-11-20T12:05:00Z, in billing-dlq: no customer (permanent)";
        let died = || json!([died("copy-1", 5)]);
        check(json!({ "dead_letters": died() }), State::Dead, dead);
        let other = replayed("another", "sent", Some(21));
        check(
            json!({ "dead_letters": died(), "replays": [other] }),
            State::Dead,
            dead,
        );
        let planned = replayed("copy-1", "planned", None);
        check(
            json!({ "dead_letters": died(), "replays": [planned] }),
            State::Dead,
            &format!("{dead}; a replay is about to send it again"),
        );
        let again = replayed("copy-1", "sent", Some(21));
        let text = "replayed at 2026-11-20T12:21:00Z by ann@desk to billing, and not done yet";
        check(
            json!({ "dead_letters": died(), "replays": [again] }),
            State::Replayed,
            text,
        );
        check(
            json!({
                "dead_letters": died(), "replays": [again],
                "attempts": [tried("m-1", "failed", true, 4), tried("m-2", "failed", true, 22)],
            }),
            State::Replayed,
            &format!(
                "{text}; tried with 1 attempt so far, the last at 2026-11-20T12:22:00Z: handler \
                 timed out; waits for its next attempt"
            ),
        );
    }

    #[test]
    fn what_is_done_is_done_once_whatever_came_before_and_comes_after() {
        let done = json!([{ "consumer": "billing", "processed_at": at(30) }]);
        check(
            json!({ "inbox": done }),
            State::Done,
            "done exactly once, at 2026-11-20T12:30:00Z",
        );
        check(
            json!({
                "inbox": done, "outbox": [sent()],
                "attempts": [tried("m-1", "failed", true, 2), tried("m-1", "released", false, 3)],
                "dead_letters": [died("copy-1", 5), died("copy-2", 31)],
                "replays": [replayed("copy-1", "deleted", Some(21))],
            }),
            State::Done,
            "done exactly once, at 2026-11-20T12:30:00Z, after 1 failed attempt, 1 dead letter, 1 \
             replay; another copy of it was dead-lettered at 2026-11-20T12:31:00Z",
        );
    }

    #[test]
    fn every_consumer_has_a_verdict_of_its_own() {
        let done = json!({ "consumer": "mail", "processed_at": at(2) });
        let verdicts = verdicts(&story(json!({ "outbox": [sent()], "inbox": [done] })));
        let states: Vec<_> = verdicts
            .iter()
            .map(|verdict| (&verdict.consumer[..], verdict.state))
            .collect();
        assert_eq!(states, [("billing", State::Sent), ("mail", State::Done)]);
    }
}
