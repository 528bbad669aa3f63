//! JSON laid out anew, with every number and string as it was written.

use serde_json::value::RawValue;

/// How many spaces a level is indented by.
const INDENT: &str = "  ";

/// How many levels are laid out: what is deeper stays in one line, since each line of it would
/// cost as many spaces as it is deep.
const LEVELS_MAX: usize = 64;

/// Lays JSON out a member a line, or returns `None` for what is no JSON.
///
/// Only white space between tokens changes: numbers and strings stay as they are, byte by byte.
pub(crate) fn pretty(text: &str) -> Option<String> {
    is_json(text).then(|| lay_out(text, LEVELS_MAX))
}

/// Takes out the white space between tokens, or returns `None` for what is no JSON.
pub(crate) fn compact(text: &str) -> Option<String> {
    is_json(text).then(|| {
        let mut compact = String::with_capacity(text.len());
        tokens(text).for_each(|token| compact.push_str(token));
        compact
    })
}

fn is_json(text: &str) -> bool {
    serde_json::from_str::<&RawValue>(text).is_ok()
}

fn lay_out(json: &str, levels_max: usize) -> String {
    let mut laid = String::with_capacity(2 * json.len());
    let mut level: usize = 0;
    let mut tokens = tokens(json).peekable();
    while let Some(token) = tokens.next() {
        match token {
            "{" | "[" => {
                laid.push_str(token);
                if let Some(closing) = tokens.next_if(|next| matches!(*next, "}" | "]")) {
                    laid.push_str(closing);
                } else {
                    level += 1;
                    break_line(&mut laid, level, levels_max);
                }
            }
            "}" | "]" => {
                // The line of a closing bracket belongs to the level outside.
                let is_laid_out = level <= levels_max;
                level = level.saturating_sub(1);
                if is_laid_out {
                    break_line(&mut laid, level, levels_max);
                }
                laid.push_str(token);
            }
            "," => {
                laid.push_str(token);
                match level <= levels_max {
                    true => break_line(&mut laid, level, levels_max),
                    false => laid.push(' '),
                }
            }
            ":" => laid.push_str(": "),
            token => laid.push_str(token),
        }
    }
    laid
}

fn break_line(laid: &mut String, level: usize, levels_max: usize) {
    if level <= levels_max {
        laid.push('\n');
        laid.extend(std::iter::repeat_n(INDENT, level));
    }
}

/// Cuts valid JSON into its tokens; what is not punctuation stays in one piece.
fn tokens(json: &str) -> impl Iterator<Item = &str> {
    let mut rest = json;
    std::iter::from_fn(move || {
        rest = rest.trim_ascii_start();
        let length = match rest.bytes().next()? {
            b'{' | b'}' | b'[' | b']' | b',' | b':' => 1,
            b'"' => string(rest),
            _ => rest
                .bytes()
                .position(|byte| b"{}[],: \t\r\n".contains(&byte))
                .unwrap_or(rest.len()),
        };
        let (token, after) = rest.split_at(length);
        rest = after;
        Some(token)
    })
}

/// Measures the string at the start of valid JSON, its quotes included.
fn string(json: &str) -> usize {
    let mut is_escaped = false;
    let closing = json.bytes().skip(1).position(|byte| {
        let closes = byte == b'"' && !is_escaped;
        is_escaped = byte == b'\\' && !is_escaped;
        closes
    });
    closing.map_or(json.len(), |closing| closing + 2)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn members_stand_a_line_each_and_numbers_stay_as_they_were_written() {
        let text = r#" {"a":1.10,"b":[ ],"c":{},"d":[1e400,-0,{"e":"x: \"{,}\" \\"}],"f":null}"#;
        let expected = r#"{
  "a": 1.10,
  "b": [],
  "c": {},
  "d": [
    1e400,
    -0,
    {
      "e": "x: \"{,}\" \\"
    }
  ],
  "f": null
}"#;
        assert_eq!(pretty(text).as_deref(), Some(expected));
        assert_eq!(pretty("7 ").as_deref(), Some("7"));
        assert_eq!(pretty("\"\\\\\\\"é\"").as_deref(), Some("\"\\\\\\\"é\""));
    }

    #[test]
    fn what_is_no_json_is_not_laid_out() {
        for text in ["", "{", "{\"a\":1}x", "[1,]", "\u{1b}[2J", "'a'", "{a:1}"] {
            assert_eq!(pretty(text), None, "{text}");
            assert_eq!(compact(text), None, "{text}");
        }
    }

    #[test]
    fn what_is_deeper_than_anybody_looks_stays_in_a_line() {
        assert_eq!(lay_out("[[[1,[]],2]]", 1), "[\n  [[1, []], 2]\n]");
        let deep = "[".repeat(200_000) + &"]".repeat(200_000);
        let laid = pretty(&deep).unwrap();
        assert!(laid.len() < 2 * deep.len(), "{}", laid.len());
        assert_eq!(compact(&laid).as_deref(), Some(deep.as_str()));
    }

    /// JSON with spellings that a parser would not give back.
    fn json() -> impl Strategy<Value = String> {
        let leaf = prop_oneof![
            Just("null".to_owned()),
            Just("true".to_owned()),
            "-?(0|[1-9][0-9]{0,30})(\\.[0-9]{1,30})?([eE][+-]?[0-9]{1,4})?",
            "[ -~é\u{1F600}]{0,8}".prop_map(|text| serde_json::Value::from(text).to_string()),
            "(\\\\u[0-9a-b]{4}|\\\\n|\\\\/|[{}:, \\[\\]]){0,4}"
                .prop_map(|text| format!("\"{text}\"")),
        ];
        leaf.prop_recursive(4, 40, 4, |inner| {
            let space = "[ \n\t]{0,2}";
            let member = (space, "[a-c]{0,2}", space, inner.clone(), space)
                .prop_map(|(a, name, b, value, c)| format!("{a}\"{name}\"{b}:{value}{c}"));
            prop_oneof![
                proptest::collection::vec((space, inner, space), 0..4).prop_map(|items| {
                    let items = items.into_iter().map(|(a, item, b)| a + &item + &b);
                    format!("[{}]", items.collect::<Vec<_>>().join(","))
                }),
                proptest::collection::vec(member, 0..4)
                    .prop_map(|members| format!("{{{}}}", members.join(","))),
            ]
        })
    }

    proptest! {
        #[test]
        fn laying_out_changes_white_space_alone(text in json()) {
            let laid = pretty(&text).expect("it is JSON");
            let before: Vec<_> = tokens(&text).collect();
            let after: Vec<_> = tokens(&laid).collect();
            prop_assert_eq!(before, after);
            prop_assert!(is_json(&laid));
            let compact = compact(&laid).expect("it is JSON");
            prop_assert_eq!(super::compact(&compact), Some(compact));
            prop_assert_eq!(pretty(&laid), Some(laid));
        }

        #[test]
        fn no_text_makes_it_panic(text in "\\PC{0,40}") {
            let _ = pretty(&text);
            tokens(&text).for_each(drop);
        }
    }
}
