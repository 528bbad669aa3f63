use clap::Args;
use clap_complete::Shell;

#[derive(Debug, Args)]
pub(crate) struct Completions {
    /// The shell that is to know the commands
    #[arg(value_enum)]
    pub(crate) shell: Shell,
}
