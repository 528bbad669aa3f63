use crate::queue::{Message, Place};
use crate::state::State;

/// What happens around workers and replays.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// A producer, or the relay, sends an event and knows it (`relay/send.rs`).
    Sent(usize),
    /// It sends an event, the answer is lost, and it will send it again with the same key
    /// (`relay/fate.rs`).
    SentUnanswered(usize),
    /// SQS answers a receive with this message, and the answer is lost.
    ReceiveUnanswered(usize),
    /// SQS makes a message visible again that nobody acknowledged in its time.
    Returned(usize),
    /// SQS makes a dead letter visible again.
    LetterReturned(usize),
    /// Postgres carries out a commit that nobody waits for any more
    /// (`store/postgres/transaction.rs`: the outcome is unknown).
    Landed(usize),
    /// Postgres rolls back what nobody waits for any more.
    Sank(usize),
}

impl Event {
    /// Collects what may happen.
    pub fn possible(state: &State) -> Vec<Self> {
        let mut possible = Vec::new();
        for event in &state.unsent {
            if state.left.lost > 0 {
                possible.push(Self::SentUnanswered(*event));
            }
            possible.push(Self::Sent(*event));
        }
        for (id, message) in state.queue.0.iter().enumerate() {
            match message.place {
                Place::Visible if state.left.lost > 0 => possible.push(Self::ReceiveUnanswered(id)),
                Place::Hidden(None) => possible.push(Self::Returned(id)),
                _ => {}
            }
        }
        for (id, letter) in state.letters.0.iter().enumerate() {
            if letter.place == Place::Hidden(None) {
                possible.push(Self::LetterReturned(id));
            }
        }
        for (place, open) in state.database.open.iter().enumerate() {
            if open.worker.is_none() {
                possible.extend([Self::Landed(place), Self::Sank(place)]);
            }
        }
        possible
    }

    /// Lets it happen.
    pub fn happen(self, state: &mut State) {
        match self {
            Self::Sent(event) => {
                state.queue.send(Message::new(event, None, 0));
                state.unsent.retain(|unsent| *unsent != event);
            }
            Self::SentUnanswered(event) => {
                state.left.lost -= 1;
                state.queue.send(Message::new(event, None, 0));
            }
            Self::ReceiveUnanswered(id) => {
                state.left.lost -= 1;
                state.queue.receive(id, None);
            }
            Self::Returned(id) => state.queue.time_out(id, None),
            Self::LetterReturned(id) => state.letters.time_out(id, None),
            Self::Landed(place) => {
                let open = state.database.open.remove(place);
                state.database.commit(open);
            }
            Self::Sank(place) => drop(state.database.open.remove(place)),
        }
    }
}
