//! One policy as IAM writes it.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer};

use super::pattern::Pattern;

/// A policy of an identity that only allows.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub(super) struct Policy {
    #[serde(rename = "Version")]
    _version: Version,
    #[serde(rename = "Id", default)]
    _id: Option<String>,
    #[serde(deserialize_with = "one_or_many")]
    statement: Vec<Statement>,
}

/// The version whose wildcards and rules these are.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
enum Version {
    #[serde(rename = "2012-10-17")]
    Current,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct Statement {
    #[serde(rename = "Sid", default)]
    _sid: Option<String>,
    #[serde(rename = "Effect")]
    _effect: Effect,
    #[serde(deserialize_with = "one_or_many")]
    action: Vec<Pattern>,
    #[serde(deserialize_with = "one_or_many")]
    resource: Vec<Pattern>,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
enum Effect {
    Allow,
}

impl Policy {
    /// Tells whether it allows an action, such as `sqs:SendMessage`, on the resource of an ARN.
    pub(super) fn allows(&self, action: &str, arn: &str) -> bool {
        self.statement.iter().any(|statement| {
            let fits = |pattern: &Pattern| pattern.fits_in_any_case(action);
            statement.action.iter().any(fits)
                && statement.resource.iter().any(|pattern| pattern.fits(arn))
        })
    }
}

/// Reads a list, or the one thing that IAM lets stand for a list of one.
fn one_or_many<'de, T, D>(deserializer: D) -> Result<Vec<T>, D::Error>
where
    T: DeserializeOwned,
    D: Deserializer<'de>,
{
    let value = serde_json::Value::deserialize(deserializer)?;
    let read = if value.is_array() {
        serde_json::from_value(value)
    } else {
        serde_json::from_value(value).map(|one| vec![one])
    };
    read.map_err(serde::de::Error::custom)
}
