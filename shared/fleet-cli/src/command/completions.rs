use anyhow::Context as _;

use crate::cli::Completions;
use crate::exit::Exit;
use crate::output;

/// Writes what a shell has to know of this command line to complete it.
pub(crate) fn completions(mut line: clap::Command, args: &Completions) -> Result<(), Exit> {
    let name = line.get_name().to_owned();
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut line, name, &mut script);
    let script = String::from_utf8(script).context("the script is no text")?;
    output::data(&script).context("cannot write")?;
    Ok(())
}
