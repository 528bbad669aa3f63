//! A replay of a dead-letter queue without a rate limit, and the same without a journal.

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use fleet::message::{EventKey, MessageId, NewEvent, Outgoing, Receipt};
use fleet::queue::{ClientOptions, Queue, Sqs, SqsQueue};
use futures_util::future::try_join_all;
use jiff::Timestamp;

use crate::noop::Database;
use crate::report::Report;
use crate::server::{Server, sibling};
use crate::{Outcome, meter};

/// Messages of the replay.
pub(crate) const MESSAGES: usize = 100_000;

/// How long they may take: 2,000 a second.
const SECONDS_MAX: f64 = 50.0;

/// Messages of the loop that it is compared with, which is quick.
const BARE_MESSAGES: usize = 20_000;

/// Lanes of that loop: as many as a replay has.
const LANES: usize = 8;

/// Measures a replay of so many messages.
pub(crate) async fn measure(
    report: &mut Report,
    database: &Database,
    messages: usize,
) -> Outcome<()> {
    let bare = bare(messages.min(BARE_MESSAGES)).await?;
    let server = Server::start()?;
    let destination = server.queue();
    fill(&server, messages).await?;
    let begun = Instant::now();
    let mut child = Command::new(sibling("fleet")?)
        .args([
            "dlq", "replay", "billing", "--yes", "--json", "--scan", "1000",
        ])
        .env_clear()
        .env("DATABASE_URL", database.url())
        .env("AWS_ENDPOINT_URL_SQS", server.endpoint())
        .env("AWS_ACCESS_KEY_ID", "test")
        .env("AWS_SECRET_ACCESS_KEY", "test")
        .env("AWS_REGION", "us-east-1")
        .env("BILLING_QUEUE_URL", destination.url())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()?;
    let arrived = async || Outcome::Ok(destination.attributes().await?.visible);
    let wanted = messages as u64;
    while arrived().await? < wanted {
        if child.try_wait()?.is_some() && arrived().await? < wanted {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let seconds = begun.elapsed().as_secs_f64();
    // None, if it ended at once: its status tells then.
    let memory = meter::peak_rss_mib(child.id()).unwrap_or_default();
    let ended = child.wait_with_output()?;
    if !ended.status.success() {
        return Err(String::from_utf8_lossy(&ended.stderr).into());
    }
    #[expect(clippy::cast_precision_loss, reason = "a count for people")]
    let a_second = messages as f64 / seconds;
    let what = format!("replay: {messages} messages, plan included");
    report.line(&what, seconds, "s", SECONDS_MAX);
    report.note("replay: messages a second", a_second, "/s");
    report.note("the same loop without a journal", bare, "/s");
    report.note("replay: time against that loop", bare / a_second, "×");
    report.note("replay: peak resident memory", memory, "MiB");
    Ok(())
}

/// Receives, sends and deletes in tens, with nothing in between; returns messages a second.
async fn bare(messages: usize) -> Outcome<f64> {
    let server = Server::start()?;
    fill(&server, messages).await?;
    let begun = Instant::now();
    let server = &server;
    let lanes = (0..LANES).map(|_| async move {
        let (queue, destination) = (dead(server), server.queue());
        loop {
            let received = queue.receive(10, Duration::ZERO).await?;
            if received.is_empty() {
                return Outcome::Ok(());
            }
            let (receipts, copies): (Vec<Receipt>, Vec<Outgoing>) = received
                .into_iter()
                .map(|message| (message.receipt, Outgoing::new(message.body)))
                .unzip();
            all(destination.send(&copies).await?)?;
            all(queue.delete(&receipts).await?)?;
        }
    });
    try_join_all(lanes).await?;
    #[expect(clippy::cast_precision_loss, reason = "a count for people")]
    Ok(messages as f64 / begun.elapsed().as_secs_f64())
}

/// Returns the dead-letter queue that sqs-local makes beside each queue.
fn dead(server: &Server) -> SqsQueue {
    let url = format!("{}-dlq", server.queue_url());
    Sqs::local(server.endpoint()).queue(&url, ClientOptions::calling())
}

/// Puts messages into the dead-letter queue, each an event of its own.
async fn fill(server: &Server, messages: usize) -> Outcome<()> {
    let lanes = (0..LANES).map(|lane| async move {
        let queue = dead(server);
        for ten in (lane..messages / 10).step_by(LANES) {
            let batch: Vec<_> = (ten * 10..ten * 10 + 10).map(dead_letter).collect();
            let sent: Vec<Result<MessageId, _>> = queue.send(&batch).await?;
            all(sent)?;
        }
        Outcome::Ok(())
    });
    try_join_all(lanes).await?;
    Ok(())
}

fn dead_letter(number: usize) -> Outgoing {
    let event = NewEvent {
        key: EventKey::new("/bench", format!("event-{number}")),
        event_type: "order.placed".to_owned(),
        time: Timestamp::now(),
        data: r#"{"note":"about two hundred and twenty bytes in all"}"#.to_owned(),
        ordering_key: None,
        trace: None,
    };
    event.to_message()
}

fn all<T>(entries: fleet::queue::Entries<T>) -> Outcome<()> {
    for entry in entries {
        entry?;
    }
    Ok(())
}
