use super::value::words;

/// What becomes of a group of a FIFO queue when one of its messages has failed for good.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum GroupPolicy {
    /// The message is dead-lettered, and the group goes on without it.
    #[default]
    DeadLetter,
    /// The message stays, and its group stands still until its handler succeeds.
    Halt,
}

words!(GroupPolicy, "dead-letter" => DeadLetter, "halt" => Halt);
