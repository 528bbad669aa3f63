use std::path::PathBuf;

use clap::Args;

#[derive(Debug, Args)]
pub(crate) struct Man {
    /// Write a page of each command into this folder instead; it is made if there is none
    #[arg(long, value_name = "DIR")]
    pub(crate) dir: Option<PathBuf>,
}
