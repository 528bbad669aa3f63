//! The command line: what may be typed, and its help.

pub(crate) mod filter;

pub(crate) mod dlq;
pub(crate) mod replay;

pub(crate) mod doctor;

mod completions;

mod man;

pub(crate) mod edit;

mod queues;

mod pause;

mod top;

pub(crate) mod why;

pub(crate) mod outbox;

#[cfg(test)]
mod examples;

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};

pub(crate) use completions::Completions;
pub(crate) use man::Man;
pub(crate) use pause::{Pause, Resume};
pub(crate) use queues::Queues;
pub(crate) use top::Top;

/// Runs and operates a fleet of SQS workers. Configuration comes from the environment alone.
#[derive(Debug, Parser)]
#[command(
    arg_required_else_help = true,
    max_term_width = 100,
    after_help = "Examples:\n  {program} run billing\n  {program} top\n  {program} dlq stats billing"
)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run consumers until SIGTERM
    ///
    /// The first SIGTERM or Ctrl-C stops receiving and lets handlers finish within SHUTDOWN_GRACE;
    /// a second one ends the process at once.
    #[command(
        after_help = "Examples:\n  {program} run\n  {program} run billing\n  {program} run --drain --timeout 5m"
    )]
    Run(Run),
    /// Publish the outbox to the queues until SIGTERM
    ///
    /// Any number may run side by side.
    #[command(after_help = "Examples:\n  {program} relay")]
    Relay,
    /// Run everything on this machine: SQS stand-in, private Postgres, consumers, relay
    ///
    /// Needs nothing and contacts only loopback addresses. DATABASE_URL may name a database on
    /// this machine; without it a private one is made and thrown away at the end.
    #[command(after_help = "Examples:\n  {program} dev\n  {program} dev --drain --json")]
    #[cfg(feature = "dev")]
    Dev(Dev),
    /// Send JSON lines to a queue, one event a line
    ///
    /// Each line is the data of an event and travels in a CloudEvents envelope. Lines that are no
    /// JSON, or do not fit the type that a consumer of this program has registered, are named and
    /// not sent. Exit code 3 when some lines were sent and some were not.
    #[command(
        after_help = "Examples:\n  {program} enqueue billing --type order.placed orders.jsonl\n  generate | {program} enqueue billing --type order.placed --id-field order_id"
    )]
    Enqueue(Enqueue),
    /// Show each consumer's queue: backlog, in flight, delayed, dead letters, settings
    ///
    /// With DATABASE_URL also how many processes serve it, and whether it is paused, by whom and
    /// why. How old the oldest message is, SQS does not tell. Exit code 3 when something could not
    /// be asked.
    #[command(
        after_help = "Examples:\n  {program} queues\n  {program} queues --wide\n  {program} queues --json"
    )]
    Queues(Queues),
    /// Look into dead-letter queues, mend what is in them, and replay it
    ///
    /// A dead-letter queue is named by its consumer, by its own name, or by its URL; it need not be
    /// one of the fleet's. Looking changes nothing but receive counts, and needs no database.
    ///
    /// When messages have died: `group` says of what, `show` has one of them in full. Mend what is
    /// wrong, and let `replay --rehearse` try whether they would pass now. `edit` changes one by
    /// hand. `replay --canary 10` sends ten, waits for their outcome, and then sends the rest. If
    /// it is interrupted, `replay --resume` goes on. `why EVENT_ID`, beside `dlq`, proves that an
    /// event was done once.
    #[command(
        after_help = "Examples:\n  {program} dlq group billing\n  {program} dlq show billing EVENT_ID\n  {program} dlq replay billing --rehearse\n  {program} dlq edit billing EVENT_ID --set currency=EUR\n  {program} dlq replay billing --canary 10 --max 10\n  {program} dlq replay billing --rate 50/s\n  {program} dlq replay billing --resume 7"
    )]
    Dlq(dlq::Dlq),
    /// Watch the whole fleet: consumers, processes, outbox, recent failures
    ///
    /// It looks anew all the time, at SQS and, with DATABASE_URL, at the database; while one of
    /// them does not answer, what was known last is shown, and since when. It changes nothing.
    /// With --once, exit code 3 when something could not be asked.
    #[command(
        after_help = "Examples:\n  {program} top\n  {program} top --every 10s\n  {program} top --once\n  {program} top --json"
    )]
    Top(Top),
    /// Check queues, database and configuration against each other
    ///
    /// Every finding says what is wrong, why that matters, and what to type against it; each code
    /// is explained in docs/doctor.md. What could not be checked is a finding, too. Exit code 1
    /// when there is a finding other than an info. Nothing is changed and no message received.
    #[command(
        after_help = "Examples:\n  {program} doctor\n  {program} doctor billing --verbose\n  {program} doctor --json --accept encryption-off"
    )]
    Doctor(doctor::Doctor),
    /// Tell what became of an event: one timeline, from Postgres alone
    ///
    /// For each consumer first how it stands: done exactly once, dead and why, parked, waiting.
    /// Then what is on record, in order: enqueued, sent, receives that did not end well, effects
    /// that are committed, dead letters, replays. A delivery that came once more after the effect
    /// was committed leaves no row. The data of the event is neither read nor shown. Exit code 1
    /// when nothing is on record.
    #[command(
        after_help = "Examples:\n  {program} why 536365\n  {program} why 536365 --source /fleet/orders --json\n  {program} why 1f0a3c5e-8d2b-4b6e-9c7f-2a1b3c4d5e6f"
    )]
    Why(why::Why),
    /// Show what waits in the outbox, and decide on what SQS could not take
    ///
    /// A row is parked when SQS can never take it as it is, such as one that is too large. It
    /// halts its ordering key until an operator retries or discards it.
    #[command(
        after_help = "Examples:\n  {program} outbox stats\n  {program} outbox ls billing --parked\n  {program} outbox retry --destination billing"
    )]
    Outbox(outbox::Outbox),
    /// Stop a consumer's receiving in every process
    ///
    /// Processes that run heed it within 5 s, and those that start later too. Messages that are
    /// being worked on are finished, the others wait in their queue. Who paused it, when and why
    /// is recorded. A consumer that is already paused is refused.
    #[command(
        after_help = "Examples:\n  {program} pause billing --reason 'prices are wrong since 14:00'\n  {program} pause billing --reason 'database upgrade' --for 1h"
    )]
    Pause(Pause),
    /// Let a paused consumer receive again
    ///
    /// Nothing changes when it is not paused.
    #[command(after_help = "Examples:\n  {program} resume billing")]
    Resume(Resume),
    /// Apply the migrations of the runtime and the domains
    ///
    /// Works under a lock; the previous release runs on the new schema. Refuses a database that is
    /// newer than this program.
    #[command(after_help = "Examples:\n  {program} migrate --plan\n  {program} migrate")]
    Migrate(Migrate),
    /// Show the effective configuration and where each value comes from
    #[command(after_help = "Examples:\n  {program} config\n  {program} config --json")]
    Config(Reading),
    /// Ask /readyz of ADMIN_ADDR: exit code 0 when ready, else 1
    #[command(after_help = "Examples:\n  {program} healthcheck")]
    Healthcheck,
    /// Write what a shell needs to complete the commands
    ///
    /// Most shells look for such scripts in a folder of their own.
    #[command(
        after_help = "Examples:\n  {program} completions bash > ~/.local/share/bash-completion/completions/{program}\n  {program} completions zsh > ~/.zfunc/_{program}\n  {program} completions fish > ~/.config/fish/completions/{program}.fish"
    )]
    Completions(Completions),
    /// Write the manual page, or with --dir one of each command
    #[command(
        after_help = "Examples:\n  {program} man > {program}.1\n  {program} man --dir ~/.local/share/man/man1"
    )]
    Man(Man),
}

#[derive(Debug, Args)]
pub(crate) struct Run {
    /// The consumers to run; all when none is named
    #[arg(value_name = "CONSUMER")]
    pub(crate) consumers: Vec<String>,
    /// End with 0 when the queues are empty
    ///
    /// Empty means: three full long polls in a row brought nothing, the queue's counts were 0
    /// between them, and nothing waits for a retry.
    #[arg(long)]
    pub(crate) drain: bool,
    /// Give a drain up after this time with exit code 3, naming what remains (such as 90s, 5m)
    #[arg(long, requires = "drain", value_parser = duration)]
    pub(crate) timeout: Option<Duration>,
}

#[derive(Debug, Args)]
pub(crate) struct Reading {
    /// Write JSON
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Migrate {
    /// List what would be applied and change nothing
    #[arg(long)]
    pub(crate) plan: bool,
    /// Write JSON
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Enqueue {
    /// A consumer of this program, the name of a queue, or its URL
    pub(crate) queue: String,
    /// The type of the events, such as order.placed
    #[arg(long = "type", value_name = "TYPE")]
    pub(crate) event_type: String,
    /// Files of JSON lines; `-` or none reads stdin
    #[arg(value_name = "FILE")]
    pub(crate) files: Vec<PathBuf>,
    /// The source of the events; consumers drop a second event with the same source and id
    #[arg(long, default_value = "/fleet/enqueue")]
    pub(crate) source: String,
    /// The field of the data that is the event's id; without it every line is a new event
    #[arg(long, value_name = "FIELD")]
    pub(crate) id_field: Option<String>,
    /// Write the outcome as JSON
    #[arg(long)]
    pub(crate) json: bool,
}

#[cfg(feature = "dev")]
#[derive(Debug, Args)]
pub(crate) struct Dev {
    /// End when everything that was placed is done, and print a summary
    #[arg(long)]
    pub(crate) drain: bool,
    /// Write the summary as JSON
    #[arg(long, requires = "drain")]
    pub(crate) json: bool,
}

/// Writes the program's own name into the examples of its commands, at every depth.
pub(crate) fn with_name(line: clap::Command, name: &'static str) -> clap::Command {
    with_examples(line.name(name).bin_name(name), name)
}

fn with_examples(command: clap::Command, name: &'static str) -> clap::Command {
    let command = match command.get_after_help() {
        Some(examples) => {
            let examples = examples.to_string().replace("{program}", name);
            command.after_help(examples)
        }
        None => command,
    };
    command.mut_subcommands(|below| with_examples(below, name))
}

fn duration(text: &str) -> Result<Duration, String> {
    text.parse::<jiff::SignedDuration>()
        .map_err(|error| error.to_string())
        .and_then(|duration| Duration::try_from(duration).map_err(|error| error.to_string()))
}

/// Reads a time span that may have days and weeks of exactly 24 hours and 7 days.
pub(crate) fn age(text: &str) -> Result<Duration, String> {
    let span: jiff::Span = text
        .parse()
        .map_err(|error: jiff::Error| error.to_string())?;
    let duration = span
        .to_duration(jiff::SpanRelativeTo::days_are_24_hours())
        .map_err(|error| error.to_string())?;
    Duration::try_from(duration).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn durations_are_read_with_their_unit() {
        assert_eq!(duration("90s"), Ok(Duration::from_secs(90)));
        assert_eq!(duration("1h30m"), Ok(Duration::from_secs(5_400)));
        assert!(duration("90").is_err());
        assert!(duration("-1s").is_err());
        assert_eq!(age("2d12h"), Ok(Duration::from_secs(216_000)));
        assert_eq!(age("1w"), Ok(Duration::from_secs(604_800)));
        assert!(age("1 month").is_err() && age("-1d").is_err() && age("7").is_err());
    }
}
