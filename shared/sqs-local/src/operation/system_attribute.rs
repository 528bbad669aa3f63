//! Names of the system attributes, and which of them a receive asks for.

use std::str::FromStr;

use crate::error::{Error, ErrorKind};

macro_rules! system_attributes {
    ($($(#[$doc:meta])* $name:ident,)*) => {
        /// What the service writes on a message.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum SystemAttribute {
            $($(#[$doc])* $name,)*
        }

        impl SystemAttribute {
            /// Every system attribute.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// Returns the attribute's name as it travels.
            pub fn name(self) -> &'static str {
                match self { $(Self::$name => stringify!($name),)* }
            }
        }

        impl FromStr for SystemAttribute {
            type Err = Error;

            fn from_str(name: &str) -> Result<Self, Error> {
                match name {
                    $(stringify!($name) => Ok(Self::$name),)*
                    _ => Err(Error::new(
                        ErrorKind::InvalidAttributeName,
                        format!("Unknown Attribute {name}."),
                    )),
                }
            }
        }
    };
}

system_attributes! {
    /// Who sent it: the access key.
    SenderId,
    /// When it was sent, in milliseconds since the epoch.
    SentTimestamp,
    /// How often it was received, this time included, by all queues.
    ApproximateReceiveCount,
    /// When it was first received, in milliseconds since the epoch.
    ApproximateFirstReceiveTimestamp,
    /// Its place in the order of a FIFO queue.
    SequenceNumber,
    /// What it is deduplicated by.
    MessageDeduplicationId,
    /// Its group.
    MessageGroupId,
    /// The trace it was sent with.
    AWSTraceHeader,
    /// The queue that redrive moved it from.
    DeadLetterQueueSourceArn,
}

/// Which system attributes a receive asks for: a bit for each.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct SystemSelection(u16);

impl SystemSelection {
    pub(super) fn parse<'a>(names: impl Iterator<Item = &'a str>) -> Result<Self, Error> {
        let mut selected = Self::default();
        for name in names {
            let added = match name {
                "All" => SystemAttribute::ALL,
                name => &[name.parse()?],
            };
            for attribute in added {
                selected.0 |= 1 << *attribute as u16;
            }
        }
        Ok(selected)
    }

    pub(super) fn has(self, attribute: SystemAttribute) -> bool {
        self.0 & (1 << attribute as u16) != 0
    }
}
