//! The policies of every access key.

use std::collections::BTreeMap;
use std::str::FromStr;

use super::policy::Policy;

/// Which access key may do what, read from JSON; [`permission`](crate::permission) has the format.
///
/// # Examples
/// ```
/// # fn example(sqs: sqs_local::Sqs) -> Result<(), sqs_local::permission::PermissionsError> {
/// sqs.set_permissions(r#"{ "AKIDNOBODY": [] }"#.parse()?);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Permissions {
    by_key: BTreeMap<String, Vec<Policy>>,
}

/// Why a text does not say who may do what.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("permissions: {0}")]
pub struct PermissionsError(String);

impl Permissions {
    /// Tells whether there is such a key.
    pub(crate) fn knows(&self, key: &str) -> bool {
        self.by_key.contains_key(key)
    }

    /// Tells whether a policy of the key allows an action on the resource of an ARN.
    pub(crate) fn allow(&self, key: &str, action: &str, arn: &str) -> bool {
        let policies = self.by_key.get(key).into_iter().flatten();
        policies
            .into_iter()
            .any(|policy| policy.allows(action, arn))
    }
}

impl FromStr for Permissions {
    type Err = PermissionsError;

    fn from_str(text: &str) -> Result<Self, PermissionsError> {
        let by_key = serde_json::from_str(text);
        by_key
            .map(|by_key| Self { by_key })
            .map_err(|error| PermissionsError(error.to_string()))
    }
}
