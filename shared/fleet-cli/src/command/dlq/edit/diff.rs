//! What an edit changes, a line a value.

use std::borrow::Cow;
use std::time::Duration;

use fleet::service::config::Env;
use similar::{ChangeTag, TextDiff};

use crate::{json_text, output};

/// How many lines stand around a change.
const CONTEXT_LINES: usize = 3;

/// How long the shortest difference is sought: what is found by then is right as well.
const SEARCH_MAX: Duration = Duration::from_secs(1);

/// Who reads the difference.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Paint {
    Coloured,
    Plain,
}

impl Paint {
    /// Finds out who reads it; an empty NO_COLOR counts as unset.
    pub(super) fn of(env: &dyn Env) -> Self {
        let is_plain = env.get("NO_COLOR").is_some_and(|value| !value.is_empty());
        match output::is_shown() && output::is_capable() && !is_plain {
            true => Self::Coloured,
            false => Self::Plain,
        }
    }
}

/// Shows the lines that differ, with some around them; JSON is laid out before.
pub(super) fn diff(old: &str, new: &str, paint: Paint) -> String {
    let laid_out = |text| json_text::pretty(text).map_or(Cow::Borrowed(text), Cow::Owned);
    let (old, new) = (laid_out(old), laid_out(new));
    let diff = TextDiff::configure()
        .timeout(SEARCH_MAX)
        .diff_lines(&*old, &*new);
    let mut text = String::new();
    for (place, group) in diff.grouped_ops(CONTEXT_LINES).iter().enumerate() {
        if place > 0 {
            text += "…\n";
        }
        for change in group.iter().flat_map(|op| diff.iter_changes(op)) {
            let (sign, colour) = match change.tag() {
                ChangeTag::Delete => ('-', "\u{1b}[31m"),
                ChangeTag::Insert => ('+', "\u{1b}[32m"),
                ChangeTag::Equal => (' ', ""),
            };
            let line = change.value().trim_end_matches(['\n', '\r']);
            let line = format!("{sign} {}", output::escape(line.to_owned()));
            text += &match (paint, colour) {
                (Paint::Plain, _) | (_, "") => line,
                (Paint::Coloured, colour) => format!("{colour}{line}\u{1b}[0m"),
            };
            text.push('\n');
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_changed_stands_between_what_did_not() {
        let old = r#"{"a":1,"b":2,"c":3,"d":4,"e":5,"f":1.10,"g":7}"#;
        let new = r#"{"a":1,"b":2,"c":3,"d":4,"e":5,"f":1.2,"g":7}"#;
        let expected = concat!(
            "    \"c\": 3,\n    \"d\": 4,\n    \"e\": 5,\n",
            "-   \"f\": 1.10,\n+   \"f\": 1.2,\n",
            "    \"g\": 7\n  }\n",
        );
        assert_eq!(diff(old, new, Paint::Plain), expected);
        assert_eq!(diff(old, old, Paint::Plain), "");
    }

    #[test]
    fn nothing_in_a_text_steers_the_terminal() {
        let shown = diff("a\u{1b}[2J\r\nb", "a\u{202e}c", Paint::Coloured);
        assert_eq!(
            shown,
            "\u{1b}[31m- a\\u{1b}[2J\u{1b}[0m\n\u{1b}[31m- b\u{1b}[0m\n\
             \u{1b}[32m+ a\\u{202e}c\u{1b}[0m\n"
        );
    }

    proptest! {
        #[test]
        fn what_is_taken_out_and_what_is_put_in_can_be_told(
            old in proptest::collection::vec("[a-c]{1,2}", 0..8),
            new in proptest::collection::vec("[a-c]{1,2}", 0..8),
        ) {
            let shown = diff(&old.join("\n"), &new.join("\n"), Paint::Plain);
            let lines = |sign: char| {
                let of = |line: &str| line.strip_prefix(sign).map(|line| line[1..].to_owned());
                shown.lines().filter_map(of).collect::<Vec<_>>()
            };
            for (removed, text) in [(lines('-'), &old), (lines('+'), &new)] {
                let mut rest = text.iter();
                prop_assert!(removed.iter().all(|line| rest.any(|other| other == line)));
            }
            prop_assert_eq!(shown.is_empty(), old == new);
        }
    }
}
