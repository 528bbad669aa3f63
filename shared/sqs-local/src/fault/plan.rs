//! The plan as it is written.

use std::fmt;
use std::str::FromStr;

use super::arguments::number;
use super::rule::Rule;

/// What goes wrong, when and how often, read from text; [`fault`](crate::fault) has the grammar.
///
/// # Examples
/// ```
/// # async fn example(sqs: sqs_local::Sqs) -> Result<(), sqs_local::fault::FaultPlanError> {
/// sqs.set_faults("seed=7; error rate=0.02 ops=ReceiveMessage".parse()?);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, Default, PartialEq)]
pub struct FaultPlan {
    pub(super) seed: u64,
    pub(super) rules: Vec<Rule>,
    text: String,
}

/// Why a text is no plan: the part that is wrong, and what is allowed there.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("fault `{part}`: {reason}")]
pub struct FaultPlanError {
    part: String,
    reason: String,
}

impl FromStr for FaultPlan {
    type Err = FaultPlanError;

    fn from_str(text: &str) -> Result<Self, FaultPlanError> {
        let mut seed = None;
        let mut rules = Vec::new();
        let parts = text.split(';').map(str::trim);
        for part in parts.filter(|part| !part.is_empty()) {
            let read = match part.strip_prefix("seed=") {
                Some(_) if seed.is_some() => Err("seed is there twice".to_owned()),
                Some(value) => number(value).map(|value| seed = Some(value)),
                None => Rule::parse(part).map(|rule| rules.push(rule)),
            };
            read.map_err(|reason| FaultPlanError {
                part: part.to_owned(),
                reason,
            })?;
        }
        Ok(Self {
            seed: seed.unwrap_or_default(),
            rules,
            text: text.trim().to_owned(),
        })
    }
}

impl fmt::Display for FaultPlan {
    /// Writes the plan as it was read.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}
