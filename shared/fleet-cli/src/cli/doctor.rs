use clap::Args;

/// What `doctor` takes.
#[derive(Debug, Args)]
pub(crate) struct Doctor {
    /// The consumers to look at; all when none is named
    #[arg(value_name = "CONSUMER")]
    pub(crate) consumers: Vec<String>,
    /// Let findings of this code pass, because they are known and meant; may be repeated
    #[arg(long, value_name = "CODE", value_parser = crate::command::doctor::known_code)]
    pub(crate) accept: Vec<String>,
    /// List what was checked and is well, too
    #[arg(long, short)]
    pub(crate) verbose: bool,
    /// Write JSON
    #[arg(long)]
    pub(crate) json: bool,
}
