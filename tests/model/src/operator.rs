/// Somebody who replays dead letters, one at a time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Operator {
    /// The replay that runs, or ran when it was killed; zero before the first.
    pub replay: usize,
    /// How many letters there were when it began: those that died later are not meant.
    pub cut: usize,
    /// The letter in hand.
    pub held: Option<Held>,
    /// Whether the replay was killed, and has to be resumed or begun anew.
    pub is_killed: bool,
}

/// A dead letter in the hands of a replay.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Held {
    /// Which letter it is.
    pub letter: usize,
    /// Whether the replay's own clock says that the lease is over.
    pub is_late: bool,
    /// How far it is.
    pub stage: Stage,
}

/// How far a replay is with a letter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Stage {
    /// Nothing is written down by this one.
    Received,
    /// The journal says that it is about to be sent.
    Planned,
    /// It was sent, or another copy of it, as this message; the journal does not say so yet.
    Sent(usize),
    /// The journal says that it was sent.
    Marked,
    /// It is deleted; the journal does not say so yet.
    Deleted,
}
