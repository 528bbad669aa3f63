use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::Value;

/// The settings of a queue that the fleet reads, and its depths.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct QueueAttributes {
    /// The queue's name in AWS, where SQS says it.
    pub arn: Option<String>,
    /// How long a received message stays invisible when nobody says otherwise.
    pub visibility_timeout: Duration,
    /// How long a message is kept.
    pub retention: Duration,
    /// How long a receive waits that does not say how long.
    pub receive_wait: Duration,
    /// The name of the dead-letter queue, if there is a redrive policy.
    pub dead_letter_queue: Option<String>,
    /// After how many receives the redrive policy moves a message.
    pub max_receive_count: Option<u32>,
    /// Which queues may use this one as their dead-letter queue.
    pub redrive_allow: RedriveAllow,
    /// How what it holds is encrypted.
    pub encryption: Encryption,
    /// About how many messages wait.
    pub visible: u64,
    /// About how many messages are in flight.
    pub in_flight: u64,
    /// About how many messages are delayed.
    pub delayed: u64,
}

/// Which queues may use a queue as their dead-letter queue.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum RedriveAllow {
    /// All of its account and region: also what holds without a policy.
    #[default]
    All,
    /// None.
    Nobody,
    /// Those of these ARNs.
    Queues(Vec<String>),
    /// There is a policy, and it cannot be read.
    Unreadable,
}

/// How a queue encrypts what it holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Encryption {
    /// It does not say.
    #[default]
    Unknown,
    /// Not at all.
    Off,
    /// With a key of SQS.
    Sqs,
    /// With a key of KMS.
    Kms {
        /// How long a data key is used before KMS is asked for another.
        key_reuse: Option<Duration>,
    },
}

impl QueueAttributes {
    /// Reads the attributes by the names of the SQS API; what is missing or unreadable is 0 or none.
    pub fn from_map(map: &BTreeMap<String, String>) -> Self {
        let number = |name: &str| number(map, name).unwrap_or(0);
        let redrive = policy(map, "RedrivePolicy").flatten();
        let redrive = redrive.as_ref();
        Self {
            arn: map.get("QueueArn").cloned(),
            visibility_timeout: Duration::from_secs(number("VisibilityTimeout")),
            retention: Duration::from_secs(number("MessageRetentionPeriod")),
            receive_wait: Duration::from_secs(number("ReceiveMessageWaitTimeSeconds")),
            dead_letter_queue: redrive
                .and_then(|policy| policy["deadLetterTargetArn"].as_str())
                .and_then(|arn| arn.rsplit(':').next())
                .map(str::to_owned),
            // SQS answers with a number, some infrastructure tools write a string.
            max_receive_count: redrive
                .map(|policy| &policy["maxReceiveCount"])
                .and_then(|count| {
                    count
                        .as_u64()
                        .or_else(|| count.as_str()?.parse().ok())?
                        .try_into()
                        .ok()
                }),
            redrive_allow: RedriveAllow::from_map(map),
            encryption: Encryption::from_map(map),
            visible: number("ApproximateNumberOfMessages"),
            in_flight: number("ApproximateNumberOfMessagesNotVisible"),
            delayed: number("ApproximateNumberOfMessagesDelayed"),
        }
    }
}

impl RedriveAllow {
    fn from_map(map: &BTreeMap<String, String>) -> Self {
        let Some(policy) = policy(map, "RedriveAllowPolicy") else {
            return Self::All;
        };
        let policy = policy.unwrap_or_default();
        let sources = || -> Option<Vec<String>> {
            let arns = policy["sourceQueueArns"].as_array()?.iter();
            arns.map(|arn| arn.as_str().map(str::to_owned)).collect()
        };
        match policy["redrivePermission"].as_str() {
            Some("allowAll") => Self::All,
            Some("denyAll") => Self::Nobody,
            Some("byQueue") => sources().map_or(Self::Unreadable, Self::Queues),
            _ => Self::Unreadable,
        }
    }
}

impl Encryption {
    fn from_map(map: &BTreeMap<String, String>) -> Self {
        if map.get("KmsMasterKeyId").is_some_and(|key| !key.is_empty()) {
            let key_reuse = number(map, "KmsDataKeyReusePeriodSeconds").map(Duration::from_secs);
            return Self::Kms { key_reuse };
        }
        match map.get("SqsManagedSseEnabled").map(String::as_str) {
            Some("true") => Self::Sqs,
            Some("false") => Self::Off,
            _ => Self::Unknown,
        }
    }
}

fn number(map: &BTreeMap<String, String>, name: &str) -> Option<u64> {
    map.get(name)?.parse().ok()
}

/// Returns a policy, `Some(None)` if there is one that is no JSON.
fn policy(map: &BTreeMap<String, String>, name: &str) -> Option<Option<Value>> {
    let text = map.get(name).filter(|text| !text.is_empty())?;
    Some(serde_json::from_str(text).ok())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const ARN: &str = "arn:aws:sqs:us-east-1:000000000000:billing";

    fn read(pairs: &[(&str, &str)]) -> QueueAttributes {
        let owned = pairs
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        QueueAttributes::from_map(&owned.collect())
    }

    #[test]
    fn who_may_use_a_queue_for_its_dead_letters_is_read() {
        let by_queue = format!(r#"{{"redrivePermission":"byQueue","sourceQueueArns":["{ARN}"]}}"#);
        for (policy, expected) in [
            ("", RedriveAllow::All),
            (r#"{"redrivePermission":"allowAll"}"#, RedriveAllow::All),
            (r#"{"redrivePermission":"denyAll"}"#, RedriveAllow::Nobody),
            (&by_queue, RedriveAllow::Queues(vec![ARN.to_owned()])),
            (
                r#"{"redrivePermission":"byQueue"}"#,
                RedriveAllow::Unreadable,
            ),
            (
                r#"{"redrivePermission":"byQueue","sourceQueueArns":[7]}"#,
                RedriveAllow::Unreadable,
            ),
            ("[]", RedriveAllow::Unreadable),
            ("no JSON", RedriveAllow::Unreadable),
        ] {
            let attributes = read(&[("RedriveAllowPolicy", policy)]);
            assert_eq!(attributes.redrive_allow, expected, "{policy}");
        }
        assert_eq!(read(&[]).redrive_allow, RedriveAllow::All);
    }

    #[test]
    fn how_a_queue_encrypts_is_read() {
        let kms = |key_reuse: Option<u64>| Encryption::Kms {
            key_reuse: key_reuse.map(Duration::from_secs),
        };
        let key = ("KmsMasterKeyId", "alias/orders");
        for (pairs, expected) in [
            (&[][..], Encryption::Unknown),
            (&[("SqsManagedSseEnabled", "true")], Encryption::Sqs),
            (&[("SqsManagedSseEnabled", "false")], Encryption::Off),
            (&[("SqsManagedSseEnabled", "yes")], Encryption::Unknown),
            (&[("SqsManagedSseEnabled", "false"), key], kms(None)),
            (
                &[key, ("KmsDataKeyReusePeriodSeconds", "60")],
                kms(Some(60)),
            ),
            (&[key, ("KmsDataKeyReusePeriodSeconds", "x")], kms(None)),
        ] {
            assert_eq!(read(pairs).encryption, expected, "{pairs:?}");
        }
    }

    #[test]
    fn a_redrive_policy_names_the_queue_and_the_count() {
        for count in ["100", "\"100\""] {
            let policy =
                format!(r#"{{"deadLetterTargetArn":"{ARN}-dlq","maxReceiveCount":{count}}}"#);
            let attributes = read(&[("RedrivePolicy", &policy), ("QueueArn", ARN)]);
            assert_eq!(attributes.dead_letter_queue.as_deref(), Some("billing-dlq"));
            assert_eq!(attributes.max_receive_count, Some(100));
            assert_eq!(attributes.arn.as_deref(), Some(ARN));
        }
    }

    proptest! {
        #[test]
        fn no_answer_makes_the_reading_panic(
            names in proptest::collection::vec(0usize..8, 0..8),
            texts in proptest::collection::vec(".*|[0-9]{1,30}|\\{\"redrivePermission\":[^}]*\\}", 8),
        ) {
            const NAMES: [&str; 8] = [
                "QueueArn", "VisibilityTimeout", "MessageRetentionPeriod",
                "ReceiveMessageWaitTimeSeconds", "RedrivePolicy", "RedriveAllowPolicy",
                "KmsMasterKeyId", "KmsDataKeyReusePeriodSeconds",
            ];
            let pairs: Vec<_> =
                names.iter().map(|index| (NAMES[*index], texts[*index].as_str())).collect();
            read(&pairs);
        }
    }
}
