use crate::database::{Entry, EntryState};
use crate::operator::{Held, Stage};
use crate::queue::{Message, Place};
use crate::state::{Breach, State};

/// A step of a replay, and where the runtime makes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Replay {
    /// Begins a replay of all that is dead by now (`dead_letter/replay/order.rs`: the cut).
    Begin,
    /// Goes on with the replay that was killed.
    Resume,
    /// Is killed: what it holds comes back.
    Crash,
    /// Receives a letter (`dead_letter/replay/run.rs`: `round`).
    Receive(usize),
    /// Receives one that is in flight or deleted: SQS delivers at least once.
    ReceiveAgain(usize),
    /// Takes longer than the lease; SQS may give the letter to others.
    Overrun,
    /// Writes down that it is about to be sent, and learns what is known of it
    /// (`dead_letter/replay/courier.rs`: `carry` and `next`, `store/postgres/journal.rs`).
    Plan,
    /// Sends it back with its event key (`dead_letter/replay/dispatch.rs`).
    Send,
    /// Sends it, has no answer, and will send it again (`dead_letter/replay/dispatch.rs`).
    SendUnanswered,
    /// Has no time left in which nobody else has it, and leaves it (`courier.rs`: `next`).
    Keep,
    /// Writes down as which message it was sent (`courier.rs`: `send`).
    Mark,
    /// Deletes it from the dead-letter queue (`courier.rs`: `delete`).
    Delete,
    /// Deletes it in vain, as a worker may.
    DeleteInVain,
    /// Writes down that it is deleted (`courier.rs`: `delete`).
    MarkDeleted,
}

impl Replay {
    /// Collects what an operator may do next.
    pub fn possible(state: &State, operator: usize) -> Vec<Self> {
        let at = &state.operators[operator];
        if at.is_killed {
            return vec![Self::Resume, Self::Begin];
        }
        let Some(held) = at.held else {
            return receives(state, at.cut);
        };
        let left = &state.left;
        let is_there = state.letters.0[held.letter].is_there();
        let is_stale = !state.letters.is_current(held.letter, operator);
        let next = match held.stage {
            Stage::Received => Self::Plan,
            Stage::Planned => Self::Send,
            Stage::Sent(_) => Self::Mark,
            Stage::Marked => Self::Delete,
            Stage::Deleted => Self::MarkDeleted,
        };
        let may_happen = [
            (left.crashes > 0, Self::Crash),
            (left.overruns > 0 && !held.is_late, Self::Overrun),
            (left.lost > 0 && next == Self::Send, Self::SendUnanswered),
            (held.is_late && next == Self::Send, Self::Keep),
            (
                (left.lost > 0 || is_stale) && is_there && next == Self::Delete,
                Self::DeleteInVain,
            ),
        ];
        let may_happen = may_happen.into_iter().filter(|(may, _)| *may);
        std::iter::once(next)
            .chain(may_happen.map(|(_, replay)| replay))
            .collect()
    }

    /// Does it.
    pub fn happen(self, state: &mut State, operator: usize) {
        match self {
            Self::Begin => {
                state.database.replays += 1;
                let at = &mut state.operators[operator];
                at.replay = state.database.replays;
                at.cut = state.letters.0.len();
                at.is_killed = false;
            }
            Self::Resume => state.operators[operator].is_killed = false,
            Self::Receive(letter) => receive(state, operator, letter),
            Self::ReceiveAgain(letter) => {
                state.left.duplicates -= 1;
                receive(state, operator, letter);
            }
            _ => {
                let held = state.operators[operator].held.take();
                let held = held.expect("only who has a letter goes on with it");
                let next = self.go_on(state, operator, held);
                if next.is_none() {
                    state.letters.let_go(held.letter, operator);
                }
                state.operators[operator].held = next;
            }
        }
    }

    /// Goes on with a letter, and returns it if there is more to do.
    fn go_on(self, state: &mut State, operator: usize, mut held: Held) -> Option<Held> {
        let id = held.letter;
        match self {
            Self::Begin | Self::Resume | Self::Receive(_) | Self::ReceiveAgain(_) => {}
            Self::Crash => {
                state.left.crashes -= 1;
                state.operators[operator].is_killed = true;
                return None;
            }
            Self::Overrun => {
                state.left.overruns -= 1;
                state.letters.time_out(id, Some(operator));
                held.is_late = true;
            }
            Self::Plan => held.stage = plan(state, operator, id),
            Self::Send => held.stage = Stage::Sent(send(state, id)),
            Self::SendUnanswered => {
                state.left.lost -= 1;
                send(state, id);
            }
            Self::Keep => return None,
            Self::Mark => {
                if let Stage::Sent(sent_as) = held.stage {
                    mark_sent(state, id, sent_as);
                }
                held.stage = Stage::Marked;
            }
            Self::Delete => {
                delete(state, id);
                held.stage = Stage::Deleted;
            }
            Self::DeleteInVain => {
                if state.letters.is_current(id, operator) {
                    state.left.lost -= 1;
                }
                return None;
            }
            Self::MarkDeleted => {
                mark_deleted(state, id);
                return None;
            }
        }
        Some(held)
    }
}

fn receives(state: &State, cut: usize) -> Vec<Replay> {
    let letters = state.letters.0.iter().enumerate();
    let received = letters.filter_map(|(id, letter)| match letter.place {
        _ if id >= cut => None,
        Place::Visible => Some(Replay::Receive(id)),
        _ if state.left.duplicates > 0 => Some(Replay::ReceiveAgain(id)),
        _ => None,
    });
    let letters = state.letters.0.iter();
    let is_any_new = letters.skip(cut).any(Message::is_there);
    received
        .chain(is_any_new.then_some(Replay::Begin))
        .collect()
}

fn receive(state: &mut State, operator: usize, letter: usize) {
    state.letters.receive(letter, Some(operator));
    state.operators[operator].held = Some(Held {
        letter,
        is_late: false,
        stage: Stage::Received,
    });
}

fn plan(state: &mut State, operator: usize, id: usize) -> Stage {
    let replay = state.operators[operator].replay;
    let known = state.database.entry(id);
    if known.is_some_and(|entry| entry.state != EntryState::Planned) {
        return Stage::Marked;
    }
    let planned = Entry {
        state: EntryState::Planned,
        replay,
        sent_as: None,
    };
    state.database.write(id, planned);
    sent_copy(state, replay, id).map_or(Stage::Planned, Stage::Sent)
}

/// Returns as which message this replay has sent another copy of a letter; what died as that
/// message is no copy but its successor.
fn sent_copy(state: &State, replay: usize, id: usize) -> Option<usize> {
    let letter = &state.letters.0[id];
    let same = |other: usize| {
        let other = &state.letters.0[other];
        (other.event, other.replay_no) == (letter.event, letter.replay_no)
    };
    let entries = state.database.journal.iter().enumerate();
    let mut copies = entries.filter_map(|(other, entry)| {
        let entry = entry.filter(|entry| entry.replay == replay)?;
        let sent_as = entry.sent_as?;
        (other != id && same(other) && Some(sent_as) != letter.copy_of).then_some(sent_as)
    });
    copies.next()
}

fn send(state: &mut State, id: usize) -> usize {
    let letter = &state.letters.0[id];
    let message = Message::new(letter.event, Some(id), letter.replay_no + 1);
    state.queue.send(message)
}

fn mark_sent(state: &mut State, id: usize, sent_as: usize) {
    let planned = state.database.entry(id);
    if let Some(entry) = planned.filter(|entry| entry.state == EntryState::Planned) {
        let sent = Entry {
            state: EntryState::Sent,
            sent_as: Some(sent_as),
            ..entry
        };
        state.database.write(id, sent);
    }
}

/// Deletes a letter, and notes if the journal does not say that it was sent.
fn delete(state: &mut State, id: usize) {
    let entry = state.database.entry(id);
    if entry.is_none_or(|entry| entry.state == EntryState::Planned) {
        state.breach = Some(Breach::DeletedEarly);
    }
    state.letters.delete(id);
}

fn mark_deleted(state: &mut State, id: usize) {
    let sent = state.database.entry(id);
    if let Some(entry) = sent.filter(|entry| entry.state == EntryState::Sent) {
        let deleted = Entry {
            state: EntryState::Deleted,
            ..entry
        };
        state.database.write(id, deleted);
    }
}
