//! Text that is only text, wherever it is shown.

/// Tells whether a character moves the cursor, ends a line, turns the reading direction, or cannot
/// be seen.
pub fn is_hidden(c: char) -> bool {
    let turns =
        matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    c.is_control() || turns || c == '\u{feff}'
}

/// Finds such a character.
pub fn hidden_in(text: &str) -> Option<char> {
    text.chars().find(|c| is_hidden(*c))
}
