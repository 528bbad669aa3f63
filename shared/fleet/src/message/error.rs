use std::fmt::Write as _;

use serde_path_to_error::{Path, Segment};

/// Bytes of a field's name: longer ones are written by no one.
const NAME_BYTES_MAX: usize = 64;

/// Why a message is no event: stable words, without any of its content.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// The body is not JSON.
    #[error("body is not JSON (line {line}, column {column})")]
    NotJson {
        /// The line of the first fault, from 1.
        line: usize,
        /// The column of the first fault, from 1.
        column: usize,
    },
    /// The envelope lacks a member or has one of a wrong kind.
    #[error("{format} envelope: {problem}")]
    Envelope {
        /// The format that was recognised, such as `CloudEvents`.
        format: &'static str,
        /// The member and what is wrong with it.
        problem: String,
    },
    /// Bare JSON without the attribute that names its type.
    #[error("bare JSON without a message attribute `type`")]
    NoType,
    /// The data does not fit the event's type.
    #[error("data does not fit the schema at `{path}`: {problem}")]
    Schema {
        /// The path of the first misfit, such as `lines[0].quantity`.
        path: String,
        /// What was expected there.
        problem: String,
    },
}

/// Serde quotes the offending value, which may be personal data: kinds stay, values go.
///
/// What is expected comes last and is the schema's own text; the value before
/// it is foreign and may imitate anything, so the cut is made at the end.
pub(super) fn without_values(error: &serde_json::Error) -> String {
    let text = error.to_string();
    let place = format!(" at line {} column {}", error.line(), error.column());
    let text = text.strip_suffix(&place).unwrap_or(&text);
    match (
        text.strip_prefix("invalid "),
        text.rsplit_once(", expected "),
    ) {
        (Some(found), Some((_, expected))) => {
            let kind = found
                .split(['`', '"', ','])
                .next()
                .unwrap_or_default()
                .trim_end();
            format!("invalid {kind}, expected {expected}")
        }
        // These quote what they found.
        _ if text.starts_with("unknown ") => cut(text, &['`']),
        // A field is ours by name; what a type says of itself is kept up to a quotation.
        _ if text.starts_with("missing field ") || text.starts_with("duplicate field ") => {
            text.to_owned()
        }
        _ => match cut(text, &['"', '`']) {
            nothing if nothing.is_empty() => "refused by its type".to_owned(),
            kept => kept,
        },
    }
}

/// Writes the path of a misfit. A key of a map is content of the message, as an e-mail address may
/// be one: what could not be the name of a field is a star.
pub(super) fn without_keys(path: &Path) -> String {
    let mut text = String::new();
    for segment in path {
        let name = match segment {
            Segment::Seq { index } => {
                // A String takes whatever is written to it.
                let _ = write!(text, "[{index}]");
                continue;
            }
            Segment::Map { key } if is_name(key) => key,
            Segment::Enum { variant } if is_name(variant) => variant,
            Segment::Map { .. } | Segment::Enum { .. } => "*",
            Segment::Unknown => "?",
        };
        if !text.is_empty() {
            text.push('.');
        }
        text.push_str(name);
    }
    match text.is_empty() {
        true => ".".to_owned(),
        false => text,
    }
}

/// Tells whether a key could be the name of a field of a type: an address or a telephone number
/// could not.
fn is_name(key: &str) -> bool {
    let is_part = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    key.len() <= NAME_BYTES_MAX
        && key.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && key.chars().all(is_part)
}

fn cut(text: &str, at: &[char]) -> String {
    text.split(at)
        .next()
        .unwrap_or_default()
        .trim_end()
        .to_owned()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde::Deserialize;

    use super::*;

    #[derive(Debug, Deserialize)]
    struct Basket {
        #[serde(rename = "price-list")]
        _price_list: BTreeMap<String, Vec<Priced>>,
    }

    #[derive(Debug, Deserialize)]
    enum Priced {
        #[serde(rename = "in_minor")]
        InMinor(#[expect(dead_code, reason = "only its misfits are looked at")] u64),
    }

    fn path_of_misfit(json: &str) -> String {
        let mut json = serde_json::Deserializer::from_str(json);
        let misfit = serde_path_to_error::deserialize::<_, Basket>(&mut json);
        without_keys(misfit.expect_err("it does not fit").path())
    }

    #[test]
    fn what_a_type_says_of_itself_is_kept_up_to_a_quotation() {
        let check = |said: &str, kept: &str| {
            let error = <serde_json::Error as serde::de::Error>::custom(said);
            assert_eq!(without_values(&error), kept, "{said}");
        };
        check(
            "a total must not be negative",
            "a total must not be negative",
        );
        check("no such plan: `gold`", "no such plan:");
        check("`jane@example.com` is taken", "refused by its type");
    }

    #[test]
    fn a_path_names_fields_and_places_and_no_key_that_could_be_data() {
        let check = |json: &str, path: &str| assert_eq!(path_of_misfit(json), path, "{json}");
        check("[]", ".");
        check(r#"{"price-list":7}"#, "price-list");
        let in_minor = r#"[{"in_minor":1},{"in_minor":"x"}]"#;
        check(
            &format!(r#"{{"price-list":{{"tea":{in_minor}}}}}"#),
            "price-list.tea[1].in_minor",
        );
        for key in [
            "jane@example.com",
            "+44 20 7946 0000",
            "4242",
            "a.b",
            "",
            "ü",
        ] {
            check(
                &format!(r#"{{"price-list":{{"{key}":{in_minor}}}}}"#),
                "price-list.*[1].in_minor",
            );
        }
    }
}
