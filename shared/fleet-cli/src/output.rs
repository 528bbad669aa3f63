//! Data goes to stdout, everything else to stderr; a closed pipe ends no work.

use std::io::{self, IsTerminal as _, Write as _};

use comfy_table::presets;
use comfy_table::{CellAlignment, Table};
use serde::Serialize;

/// Writes data to stdout; a reader that has seen enough, such as `head`, is no error.
///
/// # Errors
///
/// There is no room, or the device fails.
pub(crate) fn data(text: &str) -> io::Result<()> {
    match write(text) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        written => written,
    }
}

fn write(text: &str) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    stdout.write_all(text.as_bytes())?;
    if !text.ends_with('\n') {
        stdout.write_all(b"\n")?;
    }
    stdout.flush()
}

/// Writes a value as JSON to stdout.
///
/// # Errors
///
/// As [`data`].
pub(crate) fn json(value: &impl Serialize) -> io::Result<()> {
    data(&serde_json::to_string_pretty(value).map_err(io::Error::other)?)
}

/// Writes a line to stderr; nobody may be reading it.
pub(crate) fn note(text: &str) {
    let _ = writeln!(io::stderr().lock(), "{text}");
}

/// Tells whether a person watches stderr.
pub(crate) fn is_watched() -> bool {
    io::stderr().is_terminal() && is_capable()
}

/// Tells whether a terminal, where there is one, can do more than print.
pub(crate) fn is_capable() -> bool {
    std::env::var_os("TERM").is_none_or(|term| term != "dumb")
}

/// Lays rows out under headings; columns of numbers are aligned to the right.
pub(crate) fn table(headings: &[&str], rows: Vec<Vec<String>>) -> String {
    let numeric: Vec<bool> = (0..headings.len())
        .map(|column| {
            let is_number = |text: &String| text.chars().next().is_some_and(|c| c.is_ascii_digit());
            !rows.is_empty() && rows.iter().all(|row| row.get(column).is_none_or(is_number))
        })
        .collect();
    let mut table = Table::new();
    table
        .load_style(presets::NOTHING)
        .set_header(headings.to_vec());
    table.add_rows(
        rows.into_iter()
            .map(|row| row.into_iter().map(escape).collect::<Vec<_>>()),
    );
    for (column, numeric) in table.column_iter_mut().zip(numeric) {
        column.set_padding((0, 2));
        if numeric {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    let lines = table.to_string();
    lines
        .lines()
        .map(|line| format!("{}\n", line.trim_end()))
        .collect()
}

/// Escapes each line of a text and keeps the line breaks.
pub(crate) fn escape_lines(text: &str) -> String {
    text.lines()
        .map(|line| escape(line.to_owned()) + "\n")
        .collect()
}

/// Makes control and direction characters of foreign text visible, so that it cannot steer a terminal.
pub(crate) fn escape(text: String) -> String {
    let steers = |c: char| {
        c.is_control()
            || matches!(c, '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}' | '\u{200E}' | '\u{200F}')
    };
    if !text.contains(steers) {
        return text;
    }
    text.chars()
        .map(|c| {
            if steers(c) {
                c.escape_unicode().to_string()
            } else {
                c.to_string()
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn foreign_text_cannot_steer_a_terminal() {
        assert_eq!(
            escape("a\u{1b}[2Jb\u{202e}c".to_owned()),
            "a\\u{1b}[2Jb\\u{202e}c"
        );
        assert_eq!(escape("déjà vu".to_owned()), "déjà vu");
    }

    #[test]
    fn numbers_are_aligned_to_the_right() {
        let rows = vec![
            vec!["billing".to_owned(), "7".to_owned()],
            vec!["mail".to_owned(), "12345".to_owned()],
        ];
        let table = table(&["QUEUE", "BACKLOG"], rows);
        assert_eq!(
            table,
            "QUEUE    BACKLOG\nbilling        7\nmail       12345\n"
        );
    }
}
