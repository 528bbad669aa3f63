//! Carries out what was decided for one message.

use std::borrow::Cow;
use std::time::Duration;

use tokio::time::{Instant, timeout};

use super::acknowledger::{Ack, Action};
use super::delivery::Delivery;
use super::error::DATABASE;
use super::lease::EndedLease;
use super::outcome::{Ending, Outcome};
use super::probe::Role;
use super::report;
use super::seen::Seen;
use super::settlement::{self, Facts, Settlement};
use super::station::Station;
use crate::message::{EventKey, Message, RawEnvelope};
use crate::service::failpoint;
use crate::service::traces::Span;
use crate::store::{Attempt, AttemptOutcome, StoreErrorClass};

/// How long a message waits whose dead-letter copy could not be sent.
const DEAD_LETTER_RETRY: Duration = Duration::from_secs(30);

/// How long the ledger may keep an end waiting that charges nobody: at a shutdown there is
/// little time, and a row that does not get through in it is held.
const UNCHARGED_RECORD_MAX: Duration = Duration::from_secs(1);

/// One receive of a message, with what was learnt and those that it absorbed.
struct Spell<'a> {
    message: &'a Message,
    seen: &'a Seen,
    receive_last: u32,
    /// Until when the message is ours; `None` if it is not any more.
    until: Option<Instant>,
}

impl Station {
    /// Settles one delivery by its outcome; its permit comes back when its acknowledgement is queued.
    ///
    /// # Cancellation
    ///
    /// It is never cancelled: the shutdown waits for it.
    pub(super) async fn settle(&self, delivery: Delivery, mut seen: Seen, mut ending: Ending) {
        let Delivery {
            message,
            lease,
            received,
            role,
            place,
            successor,
            ..
        } = delivery;
        let lease = lease.end().await.ok();
        failpoint::reach("settle.ended");
        // Work that is committed stays done, whoever holds the message now.
        if lease.is_none() && !ending.outcome.is_done() {
            ending.outcome = Outcome::LeaseLost;
        }
        self.learn(role, &seen, &ending.outcome);
        seen.conclude(&ending.outcome);
        let mut span = Span::settle(&self.limits.queue, seen.trace.as_ref());
        span.message(&message.id.0);
        let receive_last = lease.as_ref().map(|lease| lease.receive_last);
        let spell = Spell {
            message: &message,
            seen: &seen,
            receive_last: receive_last.unwrap_or(message.receive_count),
            until: lease.as_ref().map(|lease| lease.deadline),
        };
        let facts = Facts {
            charged: seen.history.charged,
            crashes: seen.history.crashes,
            attempts_max: self.limits.attempts_max,
            receives: message.receive_count,
            held_for: received.elapsed(),
            unknown_type_grace: self.limits.unknown_type_grace,
            group_policy: self.limits.group_policy,
            now: self.clock.now(),
        };
        let decided = match lease {
            Some(_) => settlement::decide(&ending.outcome, &facts, &self.jitter),
            None => Settlement::Abandon,
        };
        failpoint::reach("settle.decided");
        let settlement = self.carry_out(&spell, &ending.outcome, decided).await;
        if let Some(lease) = lease {
            span.text("fleet.settlement", settlement.as_str());
            self.acknowledge(lease, &settlement, span).await;
        }
        if let Some(halted) = &self.halted {
            halted.learn(&message, seen.trace.as_ref(), &settlement);
        }
        report::finished(self, &message, &seen, &ending, &settlement);
        drop(place);
        if let Some(successor) = successor
            && settlement.is_final()
        {
            successor.take_over();
        }
    }

    /// Learns what an end says about the handlers and what they need.
    fn learn(&self, role: Role, seen: &Seen, outcome: &Outcome) {
        let event_type = seen.event_type.as_deref();
        if let (Outcome::Processed, Some(event_type)) = (outcome, event_type) {
            self.successes.note(event_type, self.clock.now());
        }
        self.breaker.ended(&role, outcome, event_type);
    }

    /// Writes down and copies what has to be before the acknowledgement, and returns what it came to.
    async fn carry_out(
        &self,
        spell: &Spell<'_>,
        outcome: &Outcome,
        decided: Settlement,
    ) -> Settlement {
        let row = self.row(spell, outcome);
        match &decided {
            Settlement::Delete | Settlement::Abandon | Settlement::Release { .. } => {
                self.record_uncharged(row).await;
            }
            // What cannot be written now is charged later, and counts all the same.
            Settlement::Retry { .. } => self.record(row).await,
            Settlement::Halt { reason, .. } => {
                let unwritten = || self.halted_row(spell, reason);
                self.record([row.unwrap_or_else(unwritten)]).await;
            }
            Settlement::DeadLetter {
                class,
                reason,
                detail,
            } => {
                self.record(row).await;
                let failure = self
                    .failure(spell.message, spell.seen, *class, reason, detail.as_deref())
                    .await;
                // The ledger may have taken long: by now somebody else may have got it done.
                if spell.until.is_none_or(|until| until <= Instant::now()) {
                    return Settlement::Abandon;
                }
                if let Err(error) = self.bury(spell.message, spell.seen, failure).await {
                    tracing::error!(
                        message.id = %spell.message.id,
                        trace_id = spell.seen.trace_id(),
                        queue = self.dead_letters.name(),
                        error = &error as &dyn std::error::Error,
                        "message was not dead-lettered, it comes back"
                    );
                    return Settlement::Release {
                        after: DEAD_LETTER_RETRY,
                    };
                }
            }
        }
        decided
    }

    async fn acknowledge(&self, lease: EndedLease, settlement: &Settlement, span: Span) {
        let action = match settlement {
            Settlement::Delete | Settlement::DeadLetter { .. } => Action::Delete,
            Settlement::Retry { after }
            | Settlement::Release { after }
            | Settlement::Halt { after, .. } => {
                self.progress.comes_back_in(*after);
                Action::Show(*after)
            }
            Settlement::Abandon => return,
        };
        self.queue_ack(lease, action, span).await;
    }

    /// Makes messages visible again that nobody has worked on.
    pub(super) async fn give_back(&self, untouched: Vec<(Message, EndedLease)>) {
        let rows = untouched.iter().map(|(message, lease)| {
            let event = RawEnvelope::open(message, &self.limits.queue).ok();
            let key = event.as_ref().map(|event| &event.key);
            Attempt {
                receive_last: lease.receive_last,
                ..self.attempt(message, key, AttemptOutcome::Released, "not worked on")
            }
        });
        self.record_uncharged(rows.collect::<Vec<_>>()).await;
        for (_, lease) in untouched {
            let action = Action::Show(Duration::ZERO);
            self.queue_ack(lease, action, Span::default()).await;
        }
    }

    async fn queue_ack(&self, lease: EndedLease, action: Action, span: Span) {
        let ack = Ack {
            receipt: lease.receipt,
            action,
            until: lease.deadline,
            span,
        };
        if self.acks.send(ack).await.is_err() {
            tracing::error!("the acknowledger ended before the work did");
        }
        failpoint::reach("settle.queued");
    }

    /// Makes a row of the ledger for the receive of a message.
    pub(super) fn attempt(
        &self,
        message: &Message,
        key: Option<&EventKey>,
        outcome: AttemptOutcome,
        reason: &str,
    ) -> Attempt {
        Attempt {
            consumer: self.limits.consumer.to_owned(),
            message_id: message.id.clone(),
            receive: message.receive_count,
            receive_last: message.receive_count,
            key: key.cloned(),
            outcome,
            reason: reason.to_owned(),
            at: self.clock.now(),
        }
    }

    /// Makes the row that an outcome leaves in the ledger, if any.
    fn row(&self, spell: &Spell<'_>, outcome: &Outcome) -> Option<Attempt> {
        let Spell { message, seen, .. } = spell;
        let (kind, reason) = outcome
            .ledger_entry()
            // It said that it started, and must not be taken for dead.
            .or_else(|| seen.started_on_record.then(finished))?;
        if seen.is_used_up(self.limits.attempts_max) && kind.is_charged() {
            return None;
        }
        Some(Attempt {
            receive_last: spell.receive_last,
            ..self.attempt(message, seen.key.as_ref(), kind, &reason)
        })
    }

    /// Makes the row of a message that failed for good and comes back nevertheless.
    fn halted_row(&self, spell: &Spell<'_>, reason: &str) -> Attempt {
        let Spell { message, seen, .. } = spell;
        Attempt {
            receive_last: spell.receive_last,
            ..self.attempt(message, seen.key.as_ref(), AttemptOutcome::Released, reason)
        }
    }

    /// Writes a row into the attempts ledger, or leaves it to the ledger to write it later.
    async fn record(&self, rows: impl IntoIterator<Item = Attempt>) {
        if self.breaker.is_down(DATABASE) {
            return self.ledger.hold(rows);
        }
        if let Err(error) = self.ledger.write(rows).await {
            tracing::warn!(
                consumer = self.limits.consumer,
                error = &error as &dyn std::error::Error,
                "attempts were not written down yet"
            );
            if error.class == StoreErrorClass::Unavailable {
                self.breaker.lose_database();
            }
        }
        failpoint::reach("settle.recorded");
    }

    async fn record_uncharged(&self, rows: impl IntoIterator<Item = Attempt>) {
        let mut rows = rows.into_iter().peekable();
        if rows.peek().is_some() {
            // What does not get through in time is held.
            let _ = timeout(UNCHARGED_RECORD_MAX, self.record(rows)).await;
        }
    }
}

fn finished() -> (AttemptOutcome, Cow<'static, str>) {
    (AttemptOutcome::Finished, "handler ended".into())
}
