/// How the fleet works on a message: as it does, or wrong in one place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Design {
    /// As it is.
    Ours,
    /// A message is deleted as soon as it is received.
    AcknowledgeFirst,
    /// The claim is committed before the transaction of the effect begins.
    ClaimInItsOwnTransaction,
    /// What counts as the same event is the MessageId of the delivery.
    MessageIdAsKey,
    /// The effect is committed without a claim.
    NoClaim,
    /// A message that is given up is deleted, and then copied to the dead-letter queue.
    DeleteBeforeTheCopy,
}

/// What the inbox remembers of work that is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Key {
    /// The event, in whichever message it comes.
    Event(usize),
    /// The message, whichever event it brings.
    Message(usize),
}

impl Design {
    /// Returns what is claimed for an event that a message brings.
    pub fn key(self, event: usize, message: usize) -> Option<Key> {
        match self {
            Self::NoClaim => None,
            Self::MessageIdAsKey => Some(Key::Message(message)),
            _ => Some(Key::Event(event)),
        }
    }
}
