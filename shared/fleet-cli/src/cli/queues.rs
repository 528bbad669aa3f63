use clap::Args;

#[derive(Debug, Args)]
pub(crate) struct Queues {
    /// Show the settings of each queue and its consumer, too
    #[arg(long)]
    pub(crate) wide: bool,
    /// Write JSON, with everything
    #[arg(long, conflicts_with = "wide")]
    pub(crate) json: bool,
}
