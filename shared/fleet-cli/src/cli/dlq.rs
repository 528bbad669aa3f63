//! What may be typed behind `dlq`.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

use super::edit::Edit;
pub(crate) use super::filter::FilterArgs;

/// How many messages a look goes through when nobody says how many.
pub(crate) const SCAN_DEFAULT: u64 = 10_000;

/// The most messages of one look: SQS hands out about 120,000 at once, and the fleet needs some.
///
/// Source: SQS developer guide, "In-flight messages".
pub(crate) const SCAN_MAX: u64 = 100_000;

#[derive(Debug, Args)]
pub(crate) struct Dlq {
    #[command(subcommand)]
    pub(crate) command: DlqCommand,
}

#[derive(Debug, Subcommand)]
pub(crate) enum DlqCommand {
    /// Count what is in it, by what ended it and by type
    #[command(
        after_help = "Examples:\n  {program} dlq stats billing\n  {program} dlq stats orders-dlq --json"
    )]
    Stats(Look),
    /// List what is in it, a row an event
    ///
    /// Copies of one event are one row. A message that a redrive policy moved has no attempts and
    /// no time of death, since nobody wrote them down.
    #[command(
        after_help = "Examples:\n  {program} dlq ls billing\n  {program} dlq ls billing --type order.placed --newer-than 1h\n  {program} dlq ls billing --class crash_suspect --wide"
    )]
    Ls(List),
    /// Group what is in it by what it died of, and say how to replay each group
    ///
    /// Two events died of the same when the handler, their type and the reason are the same, whatever
    /// numbers, ids and quotes stand in the reason. The fingerprint of a failure stays the same
    /// across releases.
    #[command(
        after_help = "Examples:\n  {program} dlq group billing\n  {program} dlq group billing --by version\n  {program} dlq group billing --by hour --class permanent"
    )]
    Group(Grouping),
    /// Show one message: envelope, attributes, body, what went wrong, and why it is here
    ///
    /// Numbers of the body stand there exactly as they were written. All copies of an event are
    /// shown when its id is given.
    #[command(
        after_help = "Examples:\n  {program} dlq show billing 536365\n  {program} dlq show billing 536365 --raw > body.json"
    )]
    Show(Show),
    /// Change one dead letter by hand, and send it to its consumer in place of what it was
    ///
    /// Its data is opened in $VISUAL or $EDITOR; with --set only the bytes of that value change, and
    /// --body takes everything from a file. The id and the source of the event are locked, and what
    /// is sent has to fit the type that the consumer has registered. --as-new makes a new event,
    /// whose `causationid` is the id of the old one. Needs the database, where it stands in the
    /// journal like a replay of one; killed anywhere, it can be run again. Exit code 3 when an
    /// earlier one had sent the message already.
    #[command(
        after_help = "Examples:\n  {program} dlq edit billing 536365\n  {program} dlq edit billing 536365 --set lines[0].quantity=3 --dry-run\n  {program} dlq edit billing 536365 --set /customer_id=17850 --yes\n  {program} dlq edit billing 536365 --body body.json"
    )]
    Edit(Edit),
    /// Send dead letters back to where they came from, or elsewhere
    ///
    /// Shows a plan and asks. Each message is written down, sent, and deleted, in this order, so
    /// that a replay that was killed can be gone on with, and nothing is lost or done twice. Only
    /// what is dead before the plan goes. It stops when a message dies again of what it had died
    /// of before, and exits with 3 when some are replayed and some are not.
    #[command(
        after_help = "Examples:\n  {program} dlq replay billing --rehearse\n  {program} dlq replay billing\n  {program} dlq replay billing --fingerprint f50704ceeb98 --canary 10 --rate 50/s\n  {program} dlq replay billing --resume 7"
    )]
    Replay(Box<super::replay::Replay>),
    /// List what was replayed: by whom, when, how far, and why it was stopped
    #[command(
        after_help = "Examples:\n  {program} dlq replays\n  {program} dlq replays billing --json"
    )]
    Replays(super::replay::Replays),
    /// Write its messages as JSON lines, byte by byte and with all attributes
    ///
    /// Each line is one message. `dlq import` sends the lines back. A file has its name only when it
    /// is complete; until then it ends in `.partial`.
    #[command(
        after_help = "Examples:\n  {program} dlq export billing --out dead.jsonl\n  {program} dlq export billing --class undecodable | jq -r .body"
    )]
    Export(Export),
    /// Send exported messages back into a dead-letter queue
    ///
    /// Events that are in the queue already, or twice in the file, are sent once; with DATABASE_URL
    /// those that are done are named and left out. Broken lines are named, and nothing of them is
    /// sent. An import that was interrupted is finished by the same command.
    #[command(
        after_help = "Examples:\n  {program} dlq import billing dead.jsonl\n  {program} dlq import billing dead.jsonl --dry-run\n  zcat dead.jsonl.gz | {program} dlq import billing - --yes"
    )]
    Import(Import),
    /// Delete messages, once they are in a file
    ///
    /// Only what was dead when it was confirmed is deleted, and only what this command has written
    /// to the file before. `dlq import` puts it back.
    #[command(
        after_help = "Examples:\n  {program} dlq purge billing --class undecodable --older-than 7d\n  {program} dlq purge billing --all --export /backup/dead.jsonl --yes"
    )]
    Purge(Purge),
}

#[derive(Debug, Args)]
pub(crate) struct Export {
    #[command(flatten)]
    pub(crate) queue: QueueArg,
    #[command(flatten)]
    pub(crate) scan: ScanArgs,
    /// Write a new file, which only its owner can read; without it, stdout
    #[arg(long, value_name = "FILE")]
    pub(crate) out: Option<PathBuf>,
    /// Replace a file that is there
    #[arg(long, requires = "out")]
    pub(crate) force: bool,
    #[command(flatten)]
    pub(crate) filter: FilterArgs,
}

#[derive(Debug, Args)]
pub(crate) struct Import {
    #[command(flatten)]
    pub(crate) queue: QueueArg,
    /// A file of `dlq export` or `dlq purge`; `-` reads stdin
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
    /// Say what would be sent, and send nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Go on without a question
    #[arg(long)]
    pub(crate) yes: bool,
    /// Send also what is done, or so old that nobody knows: it may be done twice
    #[arg(long)]
    pub(crate) force: bool,
    /// Write the outcome as JSON
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Purge {
    #[command(flatten)]
    pub(crate) queue: QueueArg,
    #[command(flatten)]
    pub(crate) scan: ScanArgs,
    /// Delete everything
    #[arg(long)]
    pub(crate) all: bool,
    /// Write what is deleted to this new file; without it, QUEUE-TIME.jsonl in this directory
    #[arg(long, value_name = "FILE")]
    pub(crate) export: Option<PathBuf>,
    /// Replace a file that is there
    #[arg(long, requires = "export")]
    pub(crate) force: bool,
    /// Go on without a question
    #[arg(long)]
    pub(crate) yes: bool,
    /// Write the outcome as JSON
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) filter: FilterArgs,
}

#[derive(Debug, Args)]
pub(crate) struct List {
    #[command(flatten)]
    pub(crate) look: Look,
    /// Show everything that fits in a row: whole reasons, handlers, builds, sizes, MessageIds
    #[arg(long, conflicts_with = "json")]
    pub(crate) wide: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Grouping {
    #[command(flatten)]
    pub(crate) look: Look,
    /// What events of a group have in common
    #[arg(long, value_name = "WHAT", value_enum, default_value_t = By::Reason)]
    pub(crate) by: By,
}

/// What dead letters are grouped by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum By {
    /// The failure: handler, type, and reason without numbers, ids and quotes
    Reason,
    /// The type of the event
    Type,
    /// The handler that gave up, or the queue that it was moved from
    Handler,
    /// The build that gave up
    Version,
    /// The hour of death
    Hour,
}

#[derive(Debug, Args)]
pub(crate) struct Show {
    #[command(flatten)]
    pub(crate) queue: QueueArg,
    /// The MessageId, or the id of the event
    #[arg(value_name = "ID")]
    pub(crate) id: String,
    #[command(flatten)]
    pub(crate) scan: ScanArgs,
    /// Write the body alone, byte by byte
    #[arg(long, conflicts_with = "json")]
    pub(crate) raw: bool,
    /// Write JSON
    #[arg(long)]
    pub(crate) json: bool,
}

/// A look at a dead-letter queue.
#[derive(Debug, Args)]
pub(crate) struct Look {
    #[command(flatten)]
    pub(crate) queue: QueueArg,
    #[command(flatten)]
    pub(crate) scan: ScanArgs,
    /// Write JSON
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) filter: FilterArgs,
}

/// Which dead-letter queue.
#[derive(Debug, Args)]
pub(crate) struct QueueArg {
    /// A consumer of this program, the name of a dead-letter queue, or its URL
    #[arg(value_name = "DLQ")]
    pub(crate) name: String,
}

/// How far to look.
#[derive(Debug, Args)]
pub(crate) struct ScanArgs {
    /// Look at no more messages than this
    #[arg(long, value_name = "N", default_value_t = SCAN_DEFAULT,
        value_parser = clap::value_parser!(u64).range(1..=SCAN_MAX))]
    pub(crate) scan: u64,
}
