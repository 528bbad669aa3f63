//! What becomes of messages that were received.

use super::receipt::Receipt;
use super::slab::{Message, Place};
use super::state::Queue;
use crate::error::{Error, ErrorKind};
use crate::limits::{Millis, SECOND, VISIBILITY_SECS_MAX};

/// What a delete that succeeds did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Deletion {
    /// The message is gone now.
    Deleted,
    /// Nothing: another receive followed the receipt's.
    Stale,
    /// Nothing: the message was gone already.
    Gone,
}

impl Deletion {
    /// Returns its name in the history.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Deleted => "deleted",
            Self::Stale => "stale",
            Self::Gone => "gone",
        }
    }
}

impl Queue {
    /// Deletes the message of a receipt.
    ///
    /// On a standard queue an older receipt than the newest succeeds and deletes nothing, and
    /// the newest deletes even after its time. On a FIFO queue both are errors. A message that is
    /// not there any more counts as deleted.
    pub(crate) fn delete(&mut self, now: Millis, handle: &str) -> Result<Deletion, Error> {
        let receipt = Receipt::decode(handle, self.key)?;
        let Some(message) = self.messages.find(receipt.slot, receipt.seq) else {
            return Ok(Deletion::Gone);
        };
        let newest = message.receives == receipt.receive;
        let in_flight = matches!(message.place, Place::InFlight { .. });
        if self.is_fifo() && !(newest && in_flight) {
            return Err(Error::invalid_value(
                handle,
                "ReceiptHandle",
                "The receipt handle has expired.",
            ));
        }
        if !newest {
            return Ok(Deletion::Stale);
        }
        let message = self.remove(receipt.slot);
        self.deleted.remember(now, message);
        Ok(Deletion::Deleted)
    }

    /// Makes a message invisible for so many seconds from now on, or visible with 0.
    ///
    /// # Errors
    /// `MessageNotInflight` if the receipt's time is over or another receive followed it;
    /// `InvalidParameterValue` if the message is gone, or the time would go beyond 12 hours from
    /// the receive: SQS refuses that, it does not shorten it.
    pub(crate) fn change_visibility(
        &mut self,
        now: Millis,
        handle: &str,
        secs: i32,
    ) -> Result<(), Error> {
        let receipt = Receipt::decode(handle, self.key)?;
        let visibility = visibility(secs)?;
        let Some(message) = self.messages.find(receipt.slot, receipt.seq) else {
            return Err(Error::invalid_value(
                handle,
                "ReceiptHandle",
                "Message does not exist or is not available for visibility timeout change.",
            ));
        };
        let (since, until) = match message {
            Message {
                place: Place::InFlight { since, until, .. },
                receives,
                ..
            } if *receives == receipt.receive => (*since, *until),
            _ => return Err(not_in_flight(handle)),
        };
        let limit = since + visibility_max();
        if now + visibility > limit {
            return Err(Error::invalid_value(
                secs,
                "VisibilityTimeout",
                "Total VisibilityTimeout for the message is beyond the limit [43200 seconds].",
            ));
        }
        self.hidden.remove(&(until, receipt.seq, receipt.slot));
        if visibility == 0 {
            self.reveal(receipt.slot);
        } else {
            let until = now + visibility;
            self.messages.get_mut(receipt.slot).place = Place::InFlight {
                since,
                until,
                changed: true,
            };
            self.hidden.insert((until, receipt.seq, receipt.slot));
        }
        Ok(())
    }
}

fn not_in_flight(handle: &str) -> Error {
    Error::new(
        ErrorKind::MessageNotInflight,
        format!("The message of the receipt handle {handle} is not in flight."),
    )
}

pub(super) fn visibility_max() -> Millis {
    Millis::try_from(VISIBILITY_SECS_MAX).unwrap_or(0) * SECOND
}

/// Checks a visibility timeout.
pub(crate) fn visibility(secs: i32) -> Result<Millis, Error> {
    match Millis::try_from(secs) {
        Ok(visibility) if secs <= VISIBILITY_SECS_MAX => Ok(visibility * SECOND),
        _ => Err(Error::invalid_value(
            secs,
            "VisibilityTimeout",
            "Must be between 0 and 43200, if provided.",
        )),
    }
}
