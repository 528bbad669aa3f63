//! What can go wrong.

use std::time::Duration;

use super::arguments::{Arguments, probability};
use crate::error::ErrorKind;
use crate::span::parse_span;

/// How slow a dripping body is, unless the rule says: none ends within a sane timeout.
const DRIP_EVERY: Duration = Duration::from_secs(1);

/// How many entries of a batch fail, unless the rule says.
const PARTIAL_SHARE: f64 = 0.5;

/// How far a clock may be off: a hundred years, so that no time overflows.
const SKEW_MILLIS_MAX: i64 = 100 * 366 * 86_400_000;

const RECEIVES: &[&str] = &["ReceiveMessage"];
const BATCHES: &[&str] = &[
    "SendMessageBatch",
    "DeleteMessageBatch",
    "ChangeMessageVisibilityBatch",
];

/// A kind of fault with its own arguments.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Kind {
    /// The call is refused with this error.
    Refuse(ErrorKind),
    /// The connection does something else than to answer.
    Break(Breakage),
    /// A receive gets a message that somebody else has or had.
    Duplicate,
    /// About so many entries of a batch fail.
    Partial { share: f64 },
    /// The server's clock is off by so many milliseconds.
    Skew { millis: i64 },
}

/// What becomes of a connection instead of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Breakage {
    /// It is reset before the effect.
    Reset,
    /// It stays, without effect and answer.
    Hang,
    /// It stays, without an answer.
    HungPoll,
    /// It is closed.
    Lost,
    /// It is closed in the middle of the answer.
    Truncate,
    /// It goes on with one byte at a time.
    Drip {
        /// The time between two bytes.
        every: Duration,
    },
}

impl Kind {
    /// The names of all kinds.
    const NAMES: [&str; 13] = [
        "error",
        "unavailable",
        "throttle",
        "expired",
        "lost",
        "truncate",
        "drip",
        "reset",
        "hang",
        "hung-poll",
        "duplicate",
        "partial",
        "skew",
    ];

    /// Reads a kind and its own arguments, and returns it with the name it has from here on.
    pub(super) fn parse(
        name: &str,
        arguments: &mut Arguments<'_>,
    ) -> Result<(&'static str, Self), String> {
        let Some(name) = Self::NAMES.into_iter().find(|known| *known == name) else {
            let names = Self::NAMES.join(", ");
            return Err(format!("unknown kind {name}; allowed are {names}"));
        };
        let kind = match name {
            "error" => Self::Refuse(ErrorKind::Internal),
            "unavailable" => Self::Refuse(ErrorKind::ServiceUnavailable),
            "throttle" => {
                let code = arguments.take("code", throttling)?;
                Self::Refuse(code.unwrap_or(ErrorKind::Throttling))
            }
            "expired" => Self::Refuse(ErrorKind::ExpiredToken),
            "lost" => Self::Break(Breakage::Lost),
            "truncate" => Self::Break(Breakage::Truncate),
            "drip" => {
                let every = arguments.take("every", parse_span)?;
                Self::Break(Breakage::Drip {
                    every: every.unwrap_or(DRIP_EVERY),
                })
            }
            "reset" => Self::Break(Breakage::Reset),
            "hang" => Self::Break(Breakage::Hang),
            "hung-poll" => Self::Break(Breakage::HungPoll),
            "duplicate" => Self::Duplicate,
            "partial" => Self::Partial {
                share: arguments
                    .take("share", probability)?
                    .unwrap_or(PARTIAL_SHARE),
            },
            _ => Self::Skew {
                millis: arguments
                    .take("by", signed_millis)?
                    .ok_or("by is missing, such as by=-20m")?,
            },
        };
        Ok((name, kind))
    }

    /// Returns the operations it makes sense for, if these are not all.
    pub(super) fn operations(self) -> Option<&'static [&'static str]> {
        match self {
            Self::Duplicate | Self::Break(Breakage::HungPoll) => Some(RECEIVES),
            Self::Partial { .. } => Some(BATCHES),
            _ => None,
        }
    }

    /// Tells whether it is about a connection, which calls in process have not.
    pub(super) fn needs_connection(self) -> bool {
        matches!(self, Self::Break(_) | Self::Skew { .. })
    }
}

fn throttling(code: &str) -> Result<ErrorKind, String> {
    match code {
        "ThrottlingException" => Ok(ErrorKind::Throttling),
        "RequestThrottled" => Ok(ErrorKind::RequestThrottled),
        _ => Err("allowed are ThrottlingException, RequestThrottled".to_owned()),
    }
}

fn signed_millis(text: &str) -> Result<i64, String> {
    let (sign, span) = match text.strip_prefix('-') {
        Some(span) => (-1, span),
        None => (1, text.strip_prefix('+').unwrap_or(text)),
    };
    let millis = parse_span(span)?.as_millis();
    i64::try_from(millis)
        .ok()
        .filter(|millis| *millis <= SKEW_MILLIS_MAX)
        .map(|millis| sign * millis)
        .ok_or_else(|| "expected less than a hundred years".to_owned())
}
