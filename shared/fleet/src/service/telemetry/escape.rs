use std::fmt::{self, Write};

/// Bytes of one value that a line shows at most: nothing worth logging is
/// longer, and a message body would be a megabyte.
const VALUE_BYTES_MAX: usize = 8 * 1024;

/// Where a text gets quotes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Quotes {
    /// Everywhere.
    Always,
    /// Where it would not stand out as one value.
    WhereNeeded,
    /// Nowhere.
    Never,
}

/// Writes a text, escaped and, if need be, in quotes.
pub(super) fn quote(out: &mut String, quotes: Quotes, text: fmt::Arguments<'_>) {
    let start = out.len();
    if quotes == Quotes::Always {
        out.push('"');
    }
    let mut escaped = Escaped {
        out: &mut *out,
        quotes,
        left_bytes: VALUE_BYTES_MAX,
        was_cut: false,
        is_one_word: true,
    };
    // Fails when a Debug or Display of somebody else fails: what it wrote stands.
    let _ = escaped.write_fmt(text);
    let (is_one_word, was_cut) = (escaped.is_one_word, escaped.was_cut);
    if was_cut {
        out.push('…');
    }
    match quotes {
        Quotes::Always => out.push('"'),
        Quotes::WhereNeeded if !is_one_word || out.len() == start => {
            out.insert(start, '"');
            out.push('"');
        }
        Quotes::WhereNeeded | Quotes::Never => {}
    }
}

/// Escapes as JSON does, and also what moves the cursor or the reading direction.
struct Escaped<'a> {
    out: &'a mut String,
    quotes: Quotes,
    left_bytes: usize,
    was_cut: bool,
    is_one_word: bool,
}

impl fmt::Write for Escaped<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let shown = &text[..text.floor_char_boundary(self.left_bytes)];
        self.was_cut |= shown.len() < text.len();
        self.left_bytes = if self.was_cut {
            0
        } else {
            self.left_bytes - shown.len()
        };
        let text = shown;
        // Nearly every value of a line a message is plain; looking for what is
        // not, a character at a time, took as long as all the rest of the line.
        if self.quotes == Quotes::Always && text.bytes().all(is_plain) {
            self.out.push_str(text);
            return Ok(());
        }
        let mut copied = 0;
        for (at, c) in text.char_indices() {
            let escapes = match c {
                '"' => self.quotes != Quotes::Never,
                '\\' => true,
                _ => is_hidden(c),
            };
            self.is_one_word &= !escapes && c != ' ' && c != '=';
            if escapes {
                self.out.push_str(&text[copied..at]);
                copied = at + c.len_utf8();
                self.escape(c);
            }
        }
        self.out.push_str(&text[copied..]);
        Ok(())
    }
}

impl Escaped<'_> {
    fn escape(&mut self, c: char) {
        match c {
            '"' => self.out.push_str("\\\""),
            '\\' => self.out.push_str("\\\\"),
            '\n' => self.out.push_str("\\n"),
            '\r' => self.out.push_str("\\r"),
            '\t' => self.out.push_str("\\t"),
            // Every hidden character lies in the basic plane, so four digits do.
            other => {
                let _ = write!(self.out, "\\u{:04x}", u32::from(other));
            }
        }
    }
}

/// Tells whether a byte is a character that stands for itself within quotes.
fn is_plain(byte: u8) -> bool {
    matches!(byte, b' '..=b'~') && byte != b'"' && byte != b'\\'
}

/// Tells whether a character is a control, ends a line somewhere, or changes
/// the reading direction.
fn is_hidden(c: char) -> bool {
    match c {
        ' '..='~' => false,
        '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' => true,
        '\u{2066}'..='\u{2069}' | '\u{feff}' => true,
        _ => c.is_control(),
    }
}
