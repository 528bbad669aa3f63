//! What may be typed behind `dlq replay` and `dlq replays`.

use std::time::Duration;

use clap::Args;
use fleet::service::config::{RateLimit, Value as _};

use super::dlq::{FilterArgs, QueueArg, ScanArgs};
use super::duration;

/// The shortest time that a message may be hidden: a send and a delete have to fit into it.
const LEASE_MIN: Duration = Duration::from_secs(5);

/// The longest: so long nobody sees what a killed replay had received.
const LEASE_MAX: Duration = Duration::from_secs(3_600);

/// What says which messages, and is not said anew of a replay that goes on.
const CHOICE: [&str; 13] = [
    "event_type",
    "reason",
    "class",
    "fingerprint",
    "older_than",
    "newer_than",
    "attempts",
    "ids",
    "queue",
    "build",
    "pattern",
    "max",
    "to",
];

#[derive(Debug, Args)]
pub(crate) struct Replay {
    #[command(flatten)]
    pub(crate) queue: QueueArg,
    #[command(flatten)]
    pub(crate) scan: ScanArgs,
    /// Where they go: a consumer of this program, the name of a queue, or its URL; without it,
    /// where they come from
    #[arg(long, value_name = "QUEUE")]
    pub(crate) to: Option<String>,
    /// So many messages a second (50/s, 0.5/s) or a minute (600/m)
    #[arg(long, value_name = "N/s", value_parser = rate)]
    pub(crate) rate: Option<RateLimit>,
    /// No more messages than this
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) max: Option<u64>,
    /// Replay so many first, wait until each is done, and stop if one fails anew
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) canary: Option<u64>,
    /// How long to wait for the outcome of the first ones (such as 90s, 5m)
    #[arg(long, value_name = "TIME", default_value = "5m", value_parser = duration)]
    pub(crate) canary_timeout: Duration,
    /// Go on although so many messages die again of what they died of before
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(crate) tolerate: u64,
    /// Show the plan and change nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Go on without a question
    #[arg(long)]
    pub(crate) yes: bool,
    /// Replay also events that are older than the inbox remembers: they may be done twice
    #[arg(long)]
    pub(crate) force: bool,
    /// Go on with the replay of this number, which was stopped or killed
    #[arg(long, value_name = "ID", conflicts_with_all = CHOICE, conflicts_with = "dry_run")]
    pub(crate) resume: Option<i64>,
    /// Let SQS move everything by itself, without a journal: faster, and blind
    #[arg(long, conflicts_with_all = CHOICE[..12].iter().chain(&["canary", "tolerate", "force", "resume", "dry_run"]))]
    pub(crate) native: bool,
    /// Run this build's handlers on copies, in transactions that are rolled back, and say what
    /// would get done
    ///
    /// Each event is handled alone, as the database is now, and at most 1000 of them without
    /// --max. The claim and what a commit checks are part of it; nothing stays, but sequences move
    /// on. Handlers with effects outside Postgres are refused by name. Exit code 0 when all would
    /// get done or are done, 3 when some would not, 1 when none would.
    #[arg(long, conflicts_with_all = ["to", "rate", "canary", "tolerate", "dry_run", "yes", "force",
        "resume", "native", "lease"])]
    pub(crate) rehearse: bool,
    /// How long a message is hidden while it is replayed; shorter in tests
    #[arg(long, value_name = "TIME", value_parser = lease, hide = true)]
    pub(crate) lease: Option<Duration>,
    /// Write the plan of a dry run, or the outcome, as JSON
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) filter: FilterArgs,
}

#[derive(Debug, Args)]
pub(crate) struct Replays {
    /// Those of one dead-letter queue: of a consumer of this program, a name, or a URL
    #[arg(value_name = "DLQ")]
    pub(crate) queue: Option<String>,
    /// No more than this, the latest
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub(crate) last: u32,
    /// Write JSON
    #[arg(long)]
    pub(crate) json: bool,
}

/// Reads a rate: messages a second, or with `/m` a minute.
fn rate(text: &str) -> Result<RateLimit, String> {
    match text.strip_suffix("/m") {
        Some(a_minute) => {
            let a_minute = RateLimit::parse(a_minute)?;
            Ok(RateLimit::in_thousand_secs(a_minute.thousandths() / 60))
        }
        None => RateLimit::parse(text.strip_suffix("/s").unwrap_or(text)),
    }
}

/// Reads how long a message is hidden that is on its way.
pub(super) fn lease(text: &str) -> Result<Duration, String> {
    let lease = duration(text)?;
    match (LEASE_MIN..=LEASE_MAX).contains(&lease) {
        true => Ok(lease),
        false => Err("say 5s to 1h".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_is_said_a_second_or_a_minute() {
        for (text, thousandths) in [
            ("50", 50_000),
            ("50/s", 50_000),
            ("0.5/s", 500),
            ("600/m", 10_000),
            ("6/m", 100),
        ] {
            assert_eq!(
                rate(text).map(RateLimit::thousandths),
                Ok(thousandths),
                "{text}"
            );
        }
        for text in ["", "/s", "0/s", "-1", "50/h", "fast", "1/s/m"] {
            assert!(rate(text).is_err(), "{text}");
        }
    }
}
