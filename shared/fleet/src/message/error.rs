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
        _ if text.starts_with("unknown ") => cut(text, '`'),
        // A missing field is ours by name; what a type says of itself is kept up to a quotation.
        _ => cut(text, '"'),
    }
}

fn cut(text: &str, at: char) -> String {
    text.split(at)
        .next()
        .unwrap_or_default()
        .trim_end()
        .to_owned()
}
