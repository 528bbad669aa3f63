/// A standard queue of SQS: at least once, in any order.
///
/// The index of a message is its MessageId, which is never used again.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Queue(pub Vec<Message>);

/// One message of the queue, or of the dead-letter queue.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Message {
    /// The event's key; copies and replays keep it.
    pub event: usize,
    /// Which message of the other queue it is a copy of.
    pub copy_of: Option<usize>,
    /// How often its event was replayed before.
    pub replay_no: usize,
    /// Where it stands.
    pub place: Place,
    /// Whether SQS has handed it out before: its receive count is above one.
    pub is_known: bool,
    /// How often a handler has truly failed with it.
    pub failed: u32,
}

/// Where a message stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Place {
    /// Whoever receives may get it.
    Visible,
    /// In flight; who has the newest receipt, if anybody still has.
    Hidden(Option<usize>),
    /// Deleted; a replica of the queue may still hand it out.
    Gone,
}

impl Message {
    /// Makes a message that nobody has received.
    pub fn new(event: usize, copy_of: Option<usize>, replay_no: usize) -> Self {
        Self {
            event,
            copy_of,
            replay_no,
            place: Place::Visible,
            is_known: false,
            failed: 0,
        }
    }

    /// Tells whether the queue still has it.
    pub fn is_there(&self) -> bool {
        self.place != Place::Gone
    }
}

impl Queue {
    /// Takes a message and gives it its MessageId.
    pub fn send(&mut self, message: Message) -> usize {
        self.0.push(message);
        self.0.len() - 1
    }

    /// Hides a message for whoever receives it; of one that is gone only the copy of a replica.
    ///
    /// Returns whether it was handed out before.
    pub fn receive(&mut self, id: usize, holder: Option<usize>) -> bool {
        let message = &mut self.0[id];
        if message.is_there() {
            message.place = Place::Hidden(holder);
        }
        std::mem::replace(&mut message.is_known, true)
    }

    /// Tells whether a receipt is the newest one of its message.
    pub fn is_current(&self, id: usize, holder: usize) -> bool {
        self.0[id].place == Place::Hidden(Some(holder))
    }

    /// Leaves a message to its visibility timeout, if it is still the holder's.
    pub fn let_go(&mut self, id: usize, holder: usize) {
        if self.is_current(id, holder) {
            self.0[id].place = Place::Hidden(None);
        }
    }

    /// Ends a visibility timeout, if it is still the holder's.
    pub fn time_out(&mut self, id: usize, holder: Option<usize>) {
        if self.0[id].place == Place::Hidden(holder) {
            self.0[id].place = Place::Visible;
        }
    }

    /// Deletes a message.
    pub fn delete(&mut self, id: usize) {
        self.0[id].place = Place::Gone;
    }

    /// Tells whether no message is there.
    pub fn is_empty(&self) -> bool {
        !self.0.iter().any(Message::is_there)
    }

    /// Tells whether a message of an event is there.
    pub fn has(&self, event: usize) -> bool {
        let mut of_event = self.0.iter().filter(|message| message.event == event);
        of_event.any(Message::is_there)
    }
}
