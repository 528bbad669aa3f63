//! The two policies of redrive: where dead messages go, and from where they may come.

use serde::Deserialize;
use serde_json::Value;

use crate::error::Error;
use crate::limits::{REDRIVE_RECEIVES_MAX, REDRIVE_SOURCES_MAX};

/// Where a queue's messages go that were received too often.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RedrivePolicy {
    pub(crate) target_arn: String,
    pub(crate) max_receive_count: u32,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct RedriveText {
    dead_letter_target_arn: Option<String>,
    max_receive_count: Option<Value>,
}

impl RedrivePolicy {
    /// Parses the attribute's JSON.
    pub(crate) fn parse(text: &str) -> Result<Self, Error> {
        let bad = |reason: &str| Error::invalid_value(text, "RedrivePolicy", reason);
        let policy: RedriveText = serde_json::from_str(text).map_err(|_| {
            bad("Amazon SQS can't create the redrive policy, as it's in an unsupported format.")
        })?;
        let target_arn = policy.dead_letter_target_arn.ok_or_else(|| {
            bad("Redrive policy does not contain mandatory attribute: deadLetterTargetArn.")
        })?;
        let count = policy.max_receive_count.ok_or_else(|| {
            bad("Redrive policy does not contain mandatory attribute: maxReceiveCount.")
        })?;
        let count = match &count {
            Value::Number(number) => number.as_u64(),
            Value::String(digits) => digits.parse().ok(),
            _ => None,
        };
        let max_receive_count = count
            .and_then(|count| u32::try_from(count).ok())
            .filter(|count| (1..=REDRIVE_RECEIVES_MAX).contains(count))
            .ok_or_else(|| bad("Invalid value for maxReceiveCount: must be between 1 and 1000."))?;
        if !target_arn.starts_with("arn:aws:sqs:") || target_arn.split(':').count() != 6 {
            return Err(bad("Invalid value for deadLetterTargetArn."));
        }
        Ok(Self {
            target_arn,
            max_receive_count,
        })
    }

    /// Returns the name of the target, which is the last part of its ARN.
    pub(crate) fn target_name(&self) -> &str {
        self.target_arn.rsplit(':').next().unwrap_or_default()
    }

    pub(crate) fn render(&self) -> String {
        let target = Value::from(self.target_arn.as_str());
        let count = self.max_receive_count;
        format!(r#"{{"deadLetterTargetArn":{target},"maxReceiveCount":{count}}}"#)
    }
}

/// Which queues may use this one as their dead-letter queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RedriveAllowPolicy {
    permission: Permission,
    sources: Vec<String>,
    /// As it was given, since it is returned so.
    text: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
enum Permission {
    AllowAll,
    DenyAll,
    ByQueue,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct AllowText {
    redrive_permission: Permission,
    source_queue_arns: Option<Vec<String>>,
}

impl RedriveAllowPolicy {
    /// Parses the attribute's JSON.
    pub(crate) fn parse(text: &str) -> Result<Self, Error> {
        let bad = |reason: &str| Error::invalid_value(text, "RedriveAllowPolicy", reason);
        let policy: AllowText = serde_json::from_str(text).map_err(|_| {
            bad(
                "Amazon SQS can't create the redrive allow policy, as it's in an unsupported \
                 format.",
            )
        })?;
        let named = policy.source_queue_arns.is_some();
        let sources = policy.source_queue_arns.unwrap_or_default();
        let fits = match policy.redrive_permission {
            Permission::ByQueue => (1..=REDRIVE_SOURCES_MAX).contains(&sources.len()),
            Permission::AllowAll | Permission::DenyAll => !named,
        };
        if !fits {
            return Err(bad(
                "sourceQueueArns must have 1 to 10 entries with byQueue, and be \
                            absent otherwise.",
            ));
        }
        Ok(Self {
            permission: policy.redrive_permission,
            sources,
            text: text.to_owned(),
        })
    }

    /// Tells whether the queue with this ARN may send its dead messages.
    pub(crate) fn allows(&self, source_arn: &str) -> bool {
        match self.permission {
            Permission::AllowAll => true,
            Permission::DenyAll => false,
            Permission::ByQueue => self.sources.iter().any(|arn| arn == source_arn),
        }
    }

    pub(crate) fn render(&self) -> String {
        self.text.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ARN: &str = "arn:aws:sqs:us-east-1:000000000000:dead";

    #[test]
    fn a_redrive_policy_has_a_target_and_a_count() {
        for count in ["3", "\"3\""] {
            let text = format!(r#"{{"deadLetterTargetArn": "{ARN}", "maxReceiveCount": {count}}}"#);
            let policy = RedrivePolicy::parse(&text).unwrap();
            assert_eq!(
                (policy.target_name(), policy.max_receive_count),
                ("dead", 3)
            );
            assert_eq!(RedrivePolicy::parse(&policy.render()), Ok(policy));
        }
        for bad in [
            "",
            "[]",
            "{}",
            r#"{"maxReceiveCount":3}"#,
            &format!(r#"{{"deadLetterTargetArn":"{ARN}"}}"#),
            &format!(r#"{{"deadLetterTargetArn":"{ARN}","maxReceiveCount":0}}"#),
            &format!(r#"{{"deadLetterTargetArn":"{ARN}","maxReceiveCount":1001}}"#),
            &format!(r#"{{"deadLetterTargetArn":"{ARN}","maxReceiveCount":-1}}"#),
            &format!(r#"{{"deadLetterTargetArn":"{ARN}","maxReceiveCount":2,"x":1}}"#),
            r#"{"deadLetterTargetArn":"dummy","maxReceiveCount":42}"#,
        ] {
            assert!(RedrivePolicy::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn an_allow_policy_decides_by_source() {
        let by_queue = format!(r#"{{"redrivePermission":"byQueue","sourceQueueArns":["{ARN}"]}}"#);
        for (text, allowed, other) in [
            (r#"{"redrivePermission":"allowAll"}"#, true, true),
            (r#"{"redrivePermission":"denyAll"}"#, false, false),
            (by_queue.as_str(), true, false),
        ] {
            let policy = RedriveAllowPolicy::parse(text).unwrap();
            assert_eq!(
                (policy.allows(ARN), policy.allows("other")),
                (allowed, other),
                "{text}"
            );
        }
        for bad in [
            "{}",
            r#"{"redrivePermission":"byQueue"}"#,
            r#"{"redrivePermission":"x"}"#,
        ] {
            assert!(RedriveAllowPolicy::parse(bad).is_err(), "{bad}");
        }
    }
}
