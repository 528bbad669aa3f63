use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;

use super::context::{Context, Done};
use super::delivery::Delivery;
use super::error::HandlerError;
use super::seen::Seen;
use crate::message::{DecodeError, RawEnvelope};

/// Where the events of each type are handled.
pub(super) type Lanes = BTreeMap<&'static str, Lane>;

/// Where the events of one type are handled.
pub(super) enum Lane {
    /// The delivery's own task runs the handler.
    One(Arc<dyn Single>),
    /// A committer runs the handler for many.
    Batch(Arc<dyn Intake>),
}

/// A [`Handler`](super::handler::Handler) whose event type is erased.
#[async_trait]
pub(super) trait Single: Send + Sync {
    fn has_outside_effect(&self) -> bool;

    /// Decodes data as its event, to see whether it fits.
    fn check(&self, data: &str) -> Result<(), DecodeError>;

    async fn run(&self, event: &RawEnvelope<'_>, cx: &mut Context<'_>) -> Result<Done, Stop>;
}

/// Why a handler did not get done.
pub(super) enum Stop {
    Undecodable(DecodeError),
    Handler(HandlerError),
}

/// The way to the committer of a [`BatchHandler`](super::handler::BatchHandler).
#[async_trait]
pub(super) trait Intake: Send + Sync {
    /// Decodes an event and hands its delivery to the committer, or settles what does not fit.
    async fn admit(&self, event: RawEnvelope<'_>, delivery: Delivery, seen: Seen);
}
