use std::fs;
use std::path::Path;

use anyhow::Context as _;

use crate::cli::Man;
use crate::exit::Exit;
use crate::output;

/// Writes the page of the program, or a page of each of its commands.
pub(crate) fn man(line: clap::Command, args: &Man) -> Result<(), Exit> {
    // A page of its own would only repeat the list of commands.
    let mut line = line.disable_help_subcommand(true);
    line.build();
    let program = format!(
        "{} {}",
        line.get_name(),
        line.get_version().unwrap_or_default()
    );
    match &args.dir {
        None => output::data(&page(&line, &program)?).context("cannot write")?,
        Some(folder) => {
            fs::create_dir_all(folder).with_context(|| folder.display().to_string())?;
            let count = write_pages(&line, &program, folder)?;
            output::note(&format!("{count} pages written"));
        }
    }
    Ok(())
}

/// Writes the page of a command and those of all below it, and counts them.
fn write_pages(command: &clap::Command, program: &str, folder: &Path) -> anyhow::Result<usize> {
    let name = command.get_display_name().unwrap_or(command.get_name());
    let file = folder.join(format!("{name}.1"));
    fs::write(&file, page(command, program)?).with_context(|| file.display().to_string())?;
    let below = command.get_subcommands().filter(|one| !one.is_hide_set());
    below
        .map(|one| write_pages(one, program, folder))
        .sum::<Result<usize, _>>()
        .map(|count| count + 1)
}

/// Renders the page of one command, with its examples under the heading that a page has for them.
fn page(command: &clap::Command, program: &str) -> anyhow::Result<String> {
    let mut page = Vec::new();
    let manual = clap_mangen::Man::new(command.clone()).source(program);
    manual.render(&mut page)?;
    let page = String::from_utf8(page)?;
    Ok(page.replace(".SH EXTRA\nExamples:\n", ".SH EXAMPLES\n"))
}
