//! What may be typed behind `outbox`.

use clap::{Args, Subcommand};
use fleet::store::{UnsentFilter, UnsentState};

use super::Reading;
use super::pause::reason;

/// How many rows are listed when nobody says how many: more than that are better counted.
const LIST_DEFAULT: u32 = 100;

/// The most rows of one list, all of which are held in memory.
const LIST_MAX: i64 = 100_000;

#[derive(Debug, Args)]
pub(crate) struct Outbox {
    #[command(subcommand)]
    pub(crate) command: OutboxCommand,
}

#[derive(Debug, Subcommand)]
pub(crate) enum OutboxCommand {
    /// Count what waits and what is parked, by destination
    #[command(after_help = "Examples:\n  {program} outbox stats\n  {program} outbox stats --json")]
    Stats(Reading),
    /// List rows that wait or are parked, the oldest first
    ///
    /// The data of the events is not shown.
    #[command(
        after_help = "Examples:\n  {program} outbox ls\n  {program} outbox ls billing --parked\n  {program} outbox ls --type order.placed --limit 1000 --json"
    )]
    Ls(Ls),
    /// Let relays send parked rows again
    ///
    /// The remedy for what has parked them comes first: a row that SQS still cannot take is parked
    /// once more. Rows keep their place within their ordering key. Exit code 3 when some rows that
    /// were named are not parked.
    #[command(
        after_help = "Examples:\n  {program} outbox retry 41 42\n  {program} outbox retry --destination billing\n  {program} outbox retry --all"
    )]
    Retry(Retry),
    /// Give parked rows up: they are never sent
    ///
    /// Asks first, and needs --yes where there is no terminal. The rows halt their ordering keys no
    /// more. Who did it, when and why stays on record for `why`, as long as for rows that were
    /// sent. Exit code 3 when some rows that were named are not parked.
    #[command(
        after_help = "Examples:\n  {program} outbox discard 41 --reason 'a test order'\n  {program} outbox discard --destination mail --reason 'sent by hand' --yes"
    )]
    Discard(Discard),
}

#[derive(Debug, Args)]
pub(crate) struct Ls {
    /// Only rows to this consumer
    #[arg(value_name = "DESTINATION")]
    destination: Option<String>,
    /// Only rows that are parked
    #[arg(long, conflicts_with = "waiting")]
    parked: bool,
    /// Only rows that wait to be sent
    #[arg(long)]
    waiting: bool,
    /// Only events of this type
    #[arg(long = "type", value_name = "TYPE")]
    event_type: Option<String>,
    /// List no more rows than this
    #[arg(long, value_name = "N", default_value_t = LIST_DEFAULT,
        value_parser = clap::value_parser!(u32).range(1..=LIST_MAX))]
    pub(crate) limit: u32,
    /// Write JSON
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Retry {
    #[command(flatten)]
    pub(crate) rows: Rows,
}

#[derive(Debug, Args)]
pub(crate) struct Discard {
    #[command(flatten)]
    pub(crate) rows: Rows,
    /// Why, for those who wonder
    #[arg(long, value_name = "TEXT", value_parser = reason)]
    pub(crate) reason: String,
    /// Do not ask
    #[arg(long)]
    pub(crate) yes: bool,
}

/// Which parked rows are meant.
#[derive(Debug, Args)]
pub(crate) struct Rows {
    /// The numbers of rows, as `outbox ls` shows them
    #[arg(value_name = "ID", value_parser = clap::value_parser!(i64).range(1..),
        conflicts_with_all = ["all", "destination", "parked_reason"],
        required_unless_present_any = ["all", "destination", "parked_reason"])]
    pub(crate) ids: Vec<i64>,
    /// All that are parked
    #[arg(long, conflicts_with_all = ["destination", "parked_reason"])]
    pub(crate) all: bool,
    /// All that are parked on their way to this consumer
    #[arg(long, value_name = "DESTINATION")]
    destination: Option<String>,
    /// All that are parked for this reason, as `outbox ls` shows it
    #[arg(long, value_name = "TEXT")]
    parked_reason: Option<String>,
}

impl Ls {
    /// Makes the filter.
    pub(crate) fn filter(&self) -> UnsentFilter {
        UnsentFilter {
            destination: self.destination.clone(),
            state: match (self.parked, self.waiting) {
                (true, _) => Some(UnsentState::Parked),
                (_, true) => Some(UnsentState::Waiting),
                (false, false) => None,
            },
            event_type: self.event_type.clone(),
            ..UnsentFilter::default()
        }
    }
}

impl Rows {
    /// Makes the filter of those of them that are parked.
    pub(crate) fn filter(&self) -> UnsentFilter {
        UnsentFilter {
            ids: (!self.ids.is_empty()).then(|| self.ids.clone()),
            destination: self.destination.clone(),
            state: Some(UnsentState::Parked),
            parked_reason: self.parked_reason.clone(),
            ..UnsentFilter::default()
        }
    }
}
