use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::{Context as _, anyhow};
use fleet::dead_letter::replay::{self, End, Order, Report, Step};
use fleet::dead_letter::{Amendment, Destination, Filter, amend, lease_for};
use fleet::message::{Edit, Outgoing};
use fleet::queue::{ClientOptions, Sqs, name_of};
use fleet::service::config::Env;
use fleet::service::retry::Jitter;
use fleet::store::{NewReplay, PostgresStore, ReplayKind, ReplayState};
use jiff::Timestamp;

use super::draft::Edited;
use super::letter::{Letter, Recipient};
use crate::command::dlq::target::Target;
use crate::exit::Exit;
use crate::interrupt::Interrupt;
use crate::{operator, output};

/// The way of an edited letter: from where, to whom, and who writes it down.
pub(super) struct Way<'a> {
    pub(super) target: &'a Target<'a>,
    pub(super) sqs: &'a Sqs,
    pub(super) journal: &'a PostgresStore,
    pub(super) recipient: Recipient<'a>,
    pub(super) env: &'a dyn Env,
    /// How long the dead letter is hidden meanwhile.
    pub(super) lease: Duration,
}

impl Way<'_> {
    /// Sends it in place of all copies of the letter, on record like any replay.
    ///
    /// # Errors
    ///
    /// It was not sent, or not all of it could be finished.
    pub(super) async fn send(
        &self,
        letter: &Letter,
        edited: Edited,
        interrupt: &Interrupt,
    ) -> Result<(), Exit> {
        let (who, now) = (operator::who(self.env), Timestamp::now());
        let id = edited.key.id.clone();
        let amendment = Amendment {
            body: edited.body,
            attributes: edited.attributes,
            key: edited.key,
            event_type: edited.event_type,
            edit: Edit {
                by: who.clone(),
                at: now,
            },
        };
        let message = amend(&letter.message, &letter.death, amendment).ok_or_else(|| {
            Exit::refused("what is known of it does not fit into one message with it")
        })?;
        let filter = Filter {
            ids: letter.copies.clone(),
            ..Filter::default()
        };
        let number = self.begin(&filter, who, now).await?;
        let report = self
            .replace(number, &filter, &message, now, interrupt)
            .await?;
        let state = match report.end {
            End::Complete | End::Limit => ReplayState::Done,
            End::Stopped | End::Trouble(_) => ReplayState::Stopped,
        };
        let noted = self.journal.end_replay(number, state, None, None).await;
        let consumer = self.recipient.consumer.name();
        if report.sent > 0 {
            output::note(&output::escape(format!("sent event {id} to {consumer}")));
        }
        conclude(report)?;
        noted.context("the message is sent, and the journal cannot be written")?;
        Ok(())
    }

    async fn begin(&self, filter: &Filter, who: String, now: Timestamp) -> Result<i64, Exit> {
        let begun = NewReplay {
            kind: ReplayKind::Edit,
            queue: self.target.name.clone(),
            destination: name_of(self.recipient.queue_url).to_owned(),
            consumer: Some(self.recipient.consumer.name().to_owned()),
            filter: serde_json::to_string(filter).context("a filter is JSON")?,
            rate: None,
            who,
            cut_at: now,
            messages_max: None,
        };
        let begun = self.journal.begin_replay(&begun).await;
        Ok(begun.context("the journal cannot be written; nothing was done")?)
    }

    async fn replace(
        &self,
        number: i64,
        filter: &Filter,
        message: &Outgoing,
        now: Timestamp,
        interrupt: &Interrupt,
    ) -> Result<Report, Exit> {
        let source = self.target.hiding_for(self.sqs, self.lease);
        let options = ClientOptions::calling();
        let destination = self.sqs.queue(self.recipient.queue_url, options);
        let order = Order {
            id: number,
            journal: self.journal,
            source: &source,
            origin: self.target.origin(),
            lease: self.lease,
            aside: lease_for(self.target.depth()),
            destination: &destination,
            to: Destination::Fleet,
            edited: Some(message),
            matcher: filter.matcher().map_err(Exit::refused)?,
            cut: now,
            oldest: None,
            max: None,
            rate: None,
            // One event, which the caller has just looked at.
            expected: 1,
            patience: Duration::ZERO,
            jitter: Jitter::from_entropy(),
        };
        let is_told = AtomicBool::new(false);
        let see = |step: Step| {
            if let Step::Waiting(time) = step
                && !is_told.swap(true, Ordering::Relaxed)
            {
                output::note(&format!(
                    "waits up to {} s for messages that a replay still hides",
                    time.as_secs() + 1
                ));
            }
        };
        Ok(Box::pin(replay::run(&order, interrupt.token(), &see)).await)
    }
}

/// Ends as the way of the letter ended.
fn conclude(report: Report) -> Result<(), Exit> {
    let Report {
        end,
        sent,
        finished,
        kept,
        ..
    } = report;
    let trouble = match end {
        End::Complete | End::Limit => None,
        End::Stopped if sent == 0 => {
            return Err(Exit::Interrupted(anyhow!("interrupted; nothing was sent")));
        }
        End::Stopped => Some(anyhow!("interrupted")),
        End::Trouble(trouble) => Some(anyhow!(trouble)),
    };
    match (sent, finished, trouble) {
        (0, 0, Some(trouble)) => Err(Exit::Failed(trouble.context("nothing was sent"))),
        (0, 0, None) => Err(Exit::Failed(match kept.into_keys().next() {
            Some(why) => anyhow!("nothing was sent: its dead letter {why}"),
            None => anyhow!("it is no longer in the queue; nothing was sent"),
        })),
        (_, _, Some(trouble)) => Err(Exit::Partly(
            trouble
                .context("it is sent, and its dead letter is not deleted yet; a replay does that"),
        )),
        (0, _, None) => Err(Exit::Partly(anyhow!(
            "an earlier edit or replay had sent it already; this change was not sent, and what was \
             left of its dead letter is deleted"
        ))),
        (_, _, None) => Ok(()),
    }
}
