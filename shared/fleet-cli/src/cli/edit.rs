//! What may be typed behind `dlq edit`.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use super::dlq::{QueueArg, ScanArgs};
use super::replay::lease;
use crate::json_path::{JsonPath, typed};

#[derive(Debug, Args)]
pub(crate) struct Edit {
    #[command(flatten)]
    pub(crate) queue: QueueArg,
    /// Its MessageId, or the id of its event
    pub(crate) id: String,
    /// Put a value into the data: a place such as lines[0].quantity or /lines/0/quantity, and JSON
    /// or else a text; may be said more than once
    #[arg(long = "set", value_name = "PATH=VALUE", value_parser = setting)]
    pub(crate) settings: Vec<Setting>,
    /// Take the whole body from a file; `-` reads stdin
    #[arg(long, value_name = "FILE", conflicts_with = "settings")]
    pub(crate) body: Option<PathBuf>,
    /// Make a new event of it, which points to the old one
    #[arg(long)]
    pub(crate) as_new: bool,
    /// Show what would change, and send nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Send it without a question
    #[arg(long)]
    pub(crate) yes: bool,
    #[command(flatten)]
    pub(crate) scan: ScanArgs,
    /// How long its dead letter is hidden while it is sent; shorter in tests
    #[arg(long, value_name = "TIME", value_parser = lease, hide = true)]
    pub(crate) lease: Option<Duration>,
}

/// A value and the place where it goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Setting {
    pub(crate) path: JsonPath,
    /// As JSON.
    pub(crate) value: String,
}

fn setting(text: &str) -> Result<Setting, String> {
    let (path, value) = text
        .split_once('=')
        .ok_or_else(|| "say PATH=VALUE".to_owned())?;
    Ok(Setting {
        path: path.parse().map_err(|error| format!("{path:?} {error}"))?,
        value: typed(value),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_setting_is_cut_at_its_first_sign() {
        let said = setting("lines[0].note=a=b").expect("it says both");
        assert_eq!(said.path, "lines[0].note".parse().expect("it is a place"));
        assert_eq!(said.value, "\"a=b\"");
        assert!(setting("lines[0].note").is_err());
        assert!(setting("=3").is_err());
    }
}
