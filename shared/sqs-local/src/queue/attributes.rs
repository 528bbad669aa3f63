//! The attributes of a queue: names, defaults, limits.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use super::QueueName;
use super::attribute::{QueueAttribute, unknown};
use super::redrive::{RedriveAllowPolicy, RedrivePolicy};
use crate::error::{Error, ErrorKind};
use crate::limits::{Millis, SECOND};

/// What deduplication looks at beside the id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum DeduplicationScope {
    Queue,
    MessageGroup,
}

/// The attributes that only FIFO queues have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct FifoAttributes {
    pub(crate) content_based: bool,
    pub(crate) scope: DeduplicationScope,
    throughput_by_group: bool,
}

/// The attributes of a queue that can be set, with the values they have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct QueueAttributes {
    pub(crate) delay: Millis,
    pub(crate) message_bytes_max: usize,
    pub(crate) retention: Millis,
    pub(crate) receive_wait: Millis,
    pub(crate) visibility_timeout: Millis,
    pub(crate) redrive: Option<RedrivePolicy>,
    pub(crate) redrive_allow: Option<RedriveAllowPolicy>,
    pub(crate) fifo: Option<FifoAttributes>,
    policy: Option<String>,
    kms_key: Option<String>,
    kms_reuse_secs: Option<u64>,
    sse_managed: bool,
}

impl QueueAttributes {
    /// Returns the defaults of a queue, with the given changes.
    pub(crate) fn new(name: &QueueName, changes: &BTreeMap<String, String>) -> Result<Self, Error> {
        let fifo = match changes.get("FifoQueue").map(String::as_str) {
            Some("true") if name.is_fifo() => true,
            None if !name.is_fifo() => false,
            // SQS knows no FifoQueue=false.
            Some("false") if !name.is_fifo() => return Err(unknown("FifoQueue")),
            Some("true" | "false") | None => {
                return Err(Error::invalid(
                    "The name of a FIFO queue can only include alphanumeric characters, hyphens, \
                     or underscores, must end with .fifo suffix and be 1 to 80 in length",
                ));
            }
            Some(_) => return Err(bad_value(QueueAttribute::FifoQueue)),
        };
        let mut attributes = Self::defaults(fifo);
        attributes.apply(changes)?;
        Ok(attributes)
    }

    fn defaults(fifo: bool) -> Self {
        Self {
            delay: 0,
            message_bytes_max: crate::limits::MESSAGE_BYTES_MAX,
            retention: 345_600 * SECOND,
            receive_wait: 0,
            visibility_timeout: 30 * SECOND,
            redrive: None,
            redrive_allow: None,
            fifo: fifo.then_some(FifoAttributes {
                content_based: false,
                scope: DeduplicationScope::Queue,
                throughput_by_group: false,
            }),
            policy: None,
            kms_key: None,
            kms_reuse_secs: None,
            sse_managed: true,
        }
    }

    /// Applies changes, all of them or none.
    pub(crate) fn apply(&mut self, changes: &BTreeMap<String, String>) -> Result<(), Error> {
        let mut changed = self.clone();
        for (name, value) in changes {
            changed.set(name.parse()?, value)?;
        }
        if let Some(fifo) = &changed.fifo
            && fifo.throughput_by_group
            && fifo.scope == DeduplicationScope::Queue
        {
            return Err(bad_value(QueueAttribute::FifoThroughputLimit));
        }
        let kms = changes
            .get("KmsMasterKeyId")
            .is_some_and(|key| !key.is_empty());
        if kms
            && changes
                .get("SqsManagedSseEnabled")
                .is_some_and(|on| on == "true")
        {
            return Err(Error::new(
                ErrorKind::InvalidAttributeName,
                "You can use one type of server-side encryption (SSE) at one time. You can \
                 either enable KMS SSE or SQS SSE.",
            ));
        }
        *self = changed;
        Ok(())
    }

    fn set(&mut self, attribute: QueueAttribute, value: &str) -> Result<(), Error> {
        use QueueAttribute as A;
        let number = |range| number(attribute, value, range);
        match attribute {
            A::VisibilityTimeout => self.visibility_timeout = number(0..=43_200)? * SECOND,
            A::DelaySeconds => self.delay = number(0..=900)? * SECOND,
            A::ReceiveMessageWaitTimeSeconds => self.receive_wait = number(0..=20)? * SECOND,
            A::MessageRetentionPeriod => self.retention = number(60..=1_209_600)? * SECOND,
            A::MaximumMessageSize => {
                self.message_bytes_max =
                    usize::try_from(number(1_024..=1_048_576)?).unwrap_or(usize::MAX);
            }
            A::KmsDataKeyReusePeriodSeconds => self.kms_reuse_secs = Some(number(60..=86_400)?),
            A::KmsMasterKeyId => {
                self.kms_key = some_text(value);
                self.sse_managed = self.kms_key.is_none() && self.sse_managed;
            }
            A::SqsManagedSseEnabled => {
                self.sse_managed = boolean(attribute, value)?;
                if self.sse_managed {
                    self.kms_key = None;
                }
            }
            A::Policy => self.policy = policy(value)?,
            A::RedrivePolicy => {
                self.redrive = some_text(value)
                    .map(|text| RedrivePolicy::parse(&text))
                    .transpose()?;
            }
            A::RedriveAllowPolicy => {
                self.redrive_allow = some_text(value)
                    .map(|text| RedriveAllowPolicy::parse(&text))
                    .transpose()?;
            }
            A::FifoQueue
            | A::ContentBasedDeduplication
            | A::DeduplicationScope
            | A::FifoThroughputLimit => self.set_fifo(attribute, value)?,
            // What SQS counts and names itself cannot be set.
            A::ApproximateNumberOfMessages
            | A::ApproximateNumberOfMessagesNotVisible
            | A::ApproximateNumberOfMessagesDelayed
            | A::CreatedTimestamp
            | A::LastModifiedTimestamp
            | A::QueueArn => return Err(unknown(attribute.name())),
        }
        Ok(())
    }

    fn set_fifo(&mut self, attribute: QueueAttribute, value: &str) -> Result<(), Error> {
        let Some(fifo) = &mut self.fifo else {
            let name = attribute.name();
            return Err(Error::new(
                ErrorKind::InvalidAttributeName,
                format!("You can specify the {name} only when FifoQueue is set to true."),
            ));
        };
        match (attribute, value) {
            (QueueAttribute::ContentBasedDeduplication, _) => {
                fifo.content_based = boolean(attribute, value)?;
            }
            (QueueAttribute::DeduplicationScope, "queue") => fifo.scope = DeduplicationScope::Queue,
            (QueueAttribute::DeduplicationScope, "messageGroup") => {
                fifo.scope = DeduplicationScope::MessageGroup;
            }
            (QueueAttribute::FifoThroughputLimit, "perQueue") => fifo.throughput_by_group = false,
            (QueueAttribute::FifoThroughputLimit, "perMessageGroupId") => {
                fifo.throughput_by_group = true;
            }
            (QueueAttribute::FifoQueue, "true") => {}
            _ => return Err(bad_value(attribute)),
        }
        Ok(())
    }

    /// Returns the value of an attribute that can be set, if it has one.
    pub(crate) fn get(&self, attribute: QueueAttribute) -> Option<String> {
        use QueueAttribute as A;
        let fifo = self.fifo.as_ref();
        let secs = |span: Millis| Some((span / SECOND).to_string());
        match attribute {
            A::VisibilityTimeout => secs(self.visibility_timeout),
            A::DelaySeconds => secs(self.delay),
            A::ReceiveMessageWaitTimeSeconds => secs(self.receive_wait),
            A::MessageRetentionPeriod => secs(self.retention),
            A::MaximumMessageSize => Some(self.message_bytes_max.to_string()),
            A::Policy => self.policy.clone(),
            A::RedrivePolicy => self.redrive.as_ref().map(RedrivePolicy::render),
            A::RedriveAllowPolicy => self.redrive_allow.as_ref().map(RedriveAllowPolicy::render),
            A::KmsMasterKeyId => self.kms_key.clone(),
            A::KmsDataKeyReusePeriodSeconds => self
                .kms_reuse_secs
                .or(self.kms_key.as_ref().map(|_| 300))
                .map(|n| n.to_string()),
            A::SqsManagedSseEnabled => Some(self.sse_managed.to_string()),
            A::FifoQueue => fifo.map(|_| "true".to_owned()),
            A::ContentBasedDeduplication => fifo.map(|fifo| fifo.content_based.to_string()),
            A::DeduplicationScope => fifo.map(|fifo| match fifo.scope {
                DeduplicationScope::Queue => "queue".to_owned(),
                DeduplicationScope::MessageGroup => "messageGroup".to_owned(),
            }),
            A::FifoThroughputLimit => fifo.map(|fifo| {
                let by_group = fifo.throughput_by_group;
                if by_group {
                    "perMessageGroupId"
                } else {
                    "perQueue"
                }
                .to_owned()
            }),
            _ => None,
        }
    }
}

fn bad_value(attribute: QueueAttribute) -> Error {
    let message = format!("Invalid value for the parameter {}.", attribute.name());
    Error::new(ErrorKind::InvalidAttributeValue, message)
}

fn number(
    attribute: QueueAttribute,
    value: &str,
    range: RangeInclusive<u64>,
) -> Result<u64, Error> {
    let digits = !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit());
    let number = value
        .parse()
        .ok()
        .filter(|number| digits && range.contains(number));
    number.ok_or_else(|| bad_value(attribute))
}

fn boolean(attribute: QueueAttribute, value: &str) -> Result<bool, Error> {
    value
        .to_ascii_lowercase()
        .parse()
        .map_err(|_| bad_value(attribute))
}

fn some_text(value: &str) -> Option<String> {
    (!value.is_empty()).then(|| value.to_owned())
}

/// A policy must be a JSON object; what it says is not looked at.
fn policy(value: &str) -> Result<Option<String>, Error> {
    if value.is_empty() {
        return Ok(None);
    }
    match serde_json::from_str::<serde_json::Map<String, serde_json::Value>>(value) {
        Ok(_) => Ok(Some(value.to_owned())),
        Err(_) => Err(bad_value(QueueAttribute::Policy)),
    }
}
