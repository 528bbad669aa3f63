//! What travels: events on the way out, messages and envelopes on the way in.
//!
//! Nothing in this room talks to anybody; it turns bytes into types and back.

mod key;
mod attributes;
mod legal;
mod failure;
mod sent;
mod event;
mod error;
mod opened;
mod s3;
mod formats;
mod envelope;

pub use attributes::{ATTRIBUTES_MAX, AttributeValue, Attributes, FAILURE_ATTRIBUTE};
pub(crate) use envelope::decode_data;
pub use envelope::{Envelope, RawEnvelope};
pub use error::DecodeError;
pub use event::{Event, NewEvent};
pub use failure::{Edit, Failure, FailureClass, PastAttempt};
pub use key::{EventKey, KEY_PART_BYTES_MAX};
pub use sent::{BODY_BYTES_MAX, Message, MessageId, Outgoing, Receipt};
