//! Data goes to stdout, everything else to stderr; a closed pipe ends no work.

use std::borrow::Cow;
use std::fmt::Write as _;
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

/// Writes bytes to stdout as they are: for files and pipes, never for a terminal.
///
/// # Errors
///
/// As [`data`].
pub(crate) fn bytes(bytes: &[u8]) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    match stdout.write_all(bytes).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        written => written,
    }
}

/// Writes a value as JSON to stdout.
///
/// # Errors
///
/// As [`data`].
pub(crate) fn json(value: &impl Serialize) -> io::Result<()> {
    let text = serde_json::to_string_pretty(value).map_err(io::Error::other)?;
    data(&escape_json(&text))
}

/// Escapes what is_hidden a terminal in JSON, which stays the same JSON.
///
/// Such a character can stand in a string only, and there it may be written as its number.
pub(crate) fn escape_json(json: &str) -> Cow<'_, str> {
    // The line breaks between the members.
    let escapes = |c: char| is_hidden(c) && c != '\n';
    if !json.contains(escapes) {
        return Cow::Borrowed(json);
    }
    let mut escaped = String::with_capacity(json.len());
    for c in json.chars() {
        match escapes(c) {
            true => {
                for unit in c.encode_utf16(&mut [0; 2]) {
                    let _ = write!(escaped, "\\u{unit:04x}");
                }
            }
            false => escaped.push(c),
        }
    }
    Cow::Owned(escaped)
}

/// Tells whether a person reads stdout.
pub(crate) fn is_shown() -> bool {
    io::stdout().is_terminal()
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
            // Dates and many ids begin with a digit as well.
            let is_number = |text: &String| {
                text.starts_with(|c: char| c.is_ascii_digit()) && !text.contains('-')
            };
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

/// Writes a count with its noun.
pub(crate) fn counted(count: u64, noun: &str) -> String {
    match count {
        1 => format!("1 {noun}"),
        _ => format!("{count} {noun}s"),
    }
}

/// Escapes each line of a text and keeps the line breaks.
pub(crate) fn escape_lines(text: &str) -> String {
    text.lines()
        .map(|line| escape(line.to_owned()) + "\n")
        .collect()
}

/// Makes what is_hidden a terminal visible in foreign text.
pub(crate) fn escape(text: String) -> String {
    if !text.contains(is_hidden) {
        return text;
    }
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match is_hidden(c) {
            true => escaped.extend(c.escape_unicode()),
            false => escaped.push(c),
        }
    }
    escaped
}

/// Tells whether a character moves the cursor, ends a line, turns the reading direction, or is
/// there without being seen.
pub(crate) fn is_hidden(c: char) -> bool {
    match c {
        ' '..='~' => false,
        // Invisible: a soft hyphen, marks and joiners of zero width, operators without a glyph.
        '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{feff}' => true,
        // The ends of lines and paragraphs, and what turns the direction.
        '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' => true,
        // Annotations, and tags: a whole text may hide in them.
        '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}' => true,
        _ => c.is_control(),
    }
}

/// Writes an age in its two largest units.
pub(crate) fn age(secs: u64) -> String {
    let (days, hours, minutes) = (secs / 86_400, secs / 3_600 % 24, secs / 60 % 60);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{secs} s"),
        (0, 0, _) => format!("{minutes} m {} s", secs % 60),
        (0, _, _) => format!("{hours} h {minutes} m"),
        _ => format!("{days} d {hours} h"),
    }
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
        assert_eq!(
            escape("\u{9b}2J\u{2028}\u{200b}\u{e0041}".to_owned()),
            "\\u{9b}2J\\u{2028}\\u{200b}\\u{e0041}"
        );
    }

    #[test]
    fn json_that_was_escaped_says_the_same() {
        let hidden = "a\u{1b}\u{7f}\u{9b}\u{202e}\u{2028}\u{e0041}\"\\é😀";
        let json = serde_json::to_string_pretty(&[hidden]).unwrap();
        let escaped = escape_json(&json);
        assert!(!escaped.replace('\n', "").contains(is_hidden));
        let read: Vec<String> = serde_json::from_str(&escaped).unwrap();
        assert_eq!(read, [hidden]);
        assert_eq!(escape_json("{\n}"), "{\n}");
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
