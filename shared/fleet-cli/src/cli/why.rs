//! What may be typed behind `why`.

use clap::Args;

#[derive(Debug, Args)]
pub(crate) struct Why {
    /// The event's id, or the MessageId of its message, of a dead letter, or of a replayed message
    #[arg(value_name = "EVENT_ID", value_parser = id)]
    pub(crate) id: String,
    /// Tell only of the event of this source
    #[arg(long, value_name = "SOURCE", value_parser = id)]
    pub(crate) source: Option<String>,
    /// Write JSON
    #[arg(long)]
    pub(crate) json: bool,
}

/// Reads what Postgres can compare: anything but nothing, and no NUL.
fn id(text: &str) -> Result<String, String> {
    match text.is_empty() || text.contains('\0') {
        true => Err("is not an id".to_owned()),
        false => Ok(text.to_owned()),
    }
}
