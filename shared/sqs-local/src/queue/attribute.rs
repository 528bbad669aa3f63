//! Names of the attributes of a queue.

use std::str::FromStr;

use crate::error::{Error, ErrorKind};

macro_rules! attributes {
    ($($(#[$doc:meta])* $name:ident,)*) => {
        /// The attributes of a queue.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum QueueAttribute {
            $($(#[$doc])* $name,)*
        }

        impl QueueAttribute {
            /// Every attribute, in the order of the API reference.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// Returns the attribute's name as it travels.
            pub fn name(self) -> &'static str {
                match self { $(Self::$name => stringify!($name),)* }
            }
        }

        impl FromStr for QueueAttribute {
            type Err = Error;

            fn from_str(name: &str) -> Result<Self, Error> {
                match name {
                    $(stringify!($name) => Ok(Self::$name),)*
                    _ => Err(unknown(name)),
                }
            }
        }
    };
}

attributes! {
    /// Who may do what; kept and returned, never applied.
    Policy,
    /// Seconds for which a received message is invisible.
    VisibilityTimeout,
    /// Bytes of the largest message.
    MaximumMessageSize,
    /// Seconds for which a message is kept.
    MessageRetentionPeriod,
    /// Messages that can be received.
    ApproximateNumberOfMessages,
    /// Messages in flight.
    ApproximateNumberOfMessagesNotVisible,
    /// Messages that wait out a delay.
    ApproximateNumberOfMessagesDelayed,
    /// When the queue was made, in seconds since the epoch.
    CreatedTimestamp,
    /// When an attribute was last set, in seconds since the epoch.
    LastModifiedTimestamp,
    /// The queue's name in AWS.
    QueueArn,
    /// Seconds for which a message is invisible after it was sent.
    DelaySeconds,
    /// Seconds for which a receive waits that does not say how long.
    ReceiveMessageWaitTimeSeconds,
    /// Where messages go that were received too often.
    RedrivePolicy,
    /// Which queues may use this one as their dead-letter queue.
    RedriveAllowPolicy,
    /// `true` on FIFO queues.
    FifoQueue,
    /// Whether the body's digest stands in for a missing deduplication id.
    ContentBasedDeduplication,
    /// Whether deduplication is by group or by queue.
    DeduplicationScope,
    /// Whether throughput is limited by group or by queue; kept and returned, never applied.
    FifoThroughputLimit,
    /// A key for encryption; kept and returned, never applied.
    KmsMasterKeyId,
    /// How long a data key is reused; kept and returned, never applied.
    KmsDataKeyReusePeriodSeconds,
    /// Whether SQS encrypts with its own key; kept and returned, never applied.
    SqsManagedSseEnabled,
}

pub(super) fn unknown(name: &str) -> Error {
    Error::new(
        ErrorKind::InvalidAttributeName,
        format!("Unknown Attribute {name}."),
    )
}
