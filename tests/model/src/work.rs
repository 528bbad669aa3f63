use crate::claim::{begin, is_locked, look};
use crate::design::Design;
use crate::hand::{Act, Hand, RELEASE, Step, acts};
use crate::limits::ATTEMPTS_MAX;
use crate::queue::{Message, Place};
use crate::state::{Breach, State};
use crate::verdict::{Outcome, Verdict, verdict};

/// A step of a worker, and where the runtime makes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Work {
    /// Receives a message (`consume/receiver.rs`).
    Receive(usize),
    /// Receives one that is in flight or deleted: SQS delivers at least once.
    ReceiveAgain(usize),
    /// Takes longer than the lease; SQS may give the message to others (`consume/lease`).
    Overrun,
    /// Is killed: its transaction is rolled back, its message comes back.
    Crash,
    /// Asks the inbox and the ledger, of a message that comes again (`consume/execute.rs`:
    /// `prepare` and `admit`).
    Look,
    /// Opens the transaction, claims the event in it, and has its effect (`consume/context.rs`,
    /// `store/postgres/inbox.rs`). While another transaction has the claim, it waits.
    Begin,
    /// Finds that the lease is over, and gives up (`consume/execute.rs`: `handle`).
    LoseLease,
    /// Fails in a way that a retry may cure (`consume/handler.rs`).
    Fail,
    /// Fails for good (`consume/handler.rs`).
    Reject,
    /// Commits and learns it (`consume/commit.rs`).
    Commit,
    /// Sends the commit and has no answer: its outcome is unknown (`consume/commit.rs`).
    CommitUnanswered,
    /// Decides what becomes of the message (`consume/settle.rs`, `consume/settlement.rs`).
    Settle,
    /// Writes the failed attempt down (`consume/settle.rs`: `record`).
    Record,
    /// Sends the dead-letter copy and has it confirmed (`consume/burial.rs`).
    Copy,
    /// Sends the copy, which arrives, but has no answer: the message is released
    /// (`consume/burial.rs`).
    CopyUnanswered,
    /// Sends the copy, which does not arrive: the message is released (`consume/burial.rs`).
    CopyRefused,
    /// Finds before the copy that the lease is over (`consume/settle.rs`: `carry_out`).
    Abandon,
    /// Leaves the message to come back after its pause (`consume/acknowledger.rs`).
    Show,
    /// Deletes the message (`consume/acknowledger.rs`). That an answer gets lost is no step of its
    /// own: it is deleted all the same, and nobody waits for it.
    Delete,
    /// Deletes it in vain: the request is lost, or the receipt is an old one, to which SQS says yes
    /// and may do nothing (`consume/acknowledger.rs`).
    DeleteInVain,
}

impl Work {
    /// Collects what a worker may do next.
    pub fn possible(state: &State, design: Design, worker: usize) -> Vec<Self> {
        let Some(hand) = &state.workers[worker] else {
            return receives(state);
        };
        let left = &state.left;
        let is_there = state.queue.0[hand.message].is_there();
        let is_stale = !state.queue.is_current(hand.message, worker);
        let is_running = matches!(hand.step, Step::Ready | Step::Open);
        let next = match hand.step {
            Step::Received => Some(Self::Look),
            Step::Ready if is_locked(state, design, hand) => None,
            Step::Ready => Some(Self::Begin),
            Step::Open => Some(Self::Commit),
            Step::Ended(_) => Some(Self::Settle),
            Step::Settling(_) => hand.act().map(Self::of),
        };
        let may_happen = [
            (left.crashes > 0, Self::Crash),
            (left.overruns > 0 && !hand.is_late, Self::Overrun),
            (left.failures > 0 && is_running, Self::Fail),
            (left.failures > 0 && is_running, Self::Reject),
            (hand.is_late && is_running, Self::LoseLease),
            (
                left.lost > 0 && next == Some(Self::Commit),
                Self::CommitUnanswered,
            ),
            (
                left.lost > 0 && next == Some(Self::Copy),
                Self::CopyUnanswered,
            ),
            (left.lost > 0 && next == Some(Self::Copy), Self::CopyRefused),
            (hand.is_late && next == Some(Self::Copy), Self::Abandon),
            (
                (left.lost > 0 || is_stale) && is_there && next == Some(Self::Delete),
                Self::DeleteInVain,
            ),
        ];
        let may_happen = may_happen.into_iter().filter(|(may, _)| *may);
        next.into_iter()
            .chain(may_happen.map(|(_, work)| work))
            .collect()
    }

    /// Does it.
    pub fn happen(self, state: &mut State, design: Design, worker: usize) {
        match self {
            Self::Receive(message) => receive(state, design, worker, message),
            Self::ReceiveAgain(message) => {
                state.left.duplicates -= 1;
                receive(state, design, worker, message);
            }
            _ => {
                let hand = state.workers[worker].take();
                let hand = hand.expect("only who has a message works on it");
                state.workers[worker] = self.go_on(state, design, worker, hand);
            }
        }
    }

    /// Goes on with a message, and returns it if there is more to do.
    fn go_on(
        self,
        state: &mut State,
        design: Design,
        worker: usize,
        mut hand: Hand,
    ) -> Option<Hand> {
        let id = hand.message;
        match self {
            Self::Receive(_) | Self::ReceiveAgain(_) => {}
            Self::Overrun => {
                state.left.overruns -= 1;
                state.queue.time_out(id, Some(worker));
                hand.is_late = true;
            }
            Self::Crash => {
                state.left.crashes -= 1;
                return put_down(state, worker, id);
            }
            Self::LoseLease | Self::Abandon => return put_down(state, worker, id),
            Self::Look => look(state, design, &mut hand),
            Self::Begin => begin(state, design, worker, &mut hand),
            Self::Fail => fail(state, worker, &mut hand, Outcome::Failed),
            Self::Reject => fail(state, worker, &mut hand, Outcome::Rejected),
            Self::Commit => {
                let open = state.database.close(worker);
                state.database.commit(open.expect("it was opened"));
                hand.step = Step::Ended(Outcome::Processed);
            }
            Self::CommitUnanswered => {
                state.left.lost -= 1;
                let mut open = state.database.close(worker).expect("it was opened");
                open.worker = None;
                state.database.open(open);
                hand.step = Step::Ended(Outcome::Unavailable);
            }
            Self::Settle if hand.is_late => return put_down(state, worker, id),
            Self::Settle => settle(state, design, &mut hand),
            Self::Record => {
                state.database.charge(id);
                return advance(state, worker, hand);
            }
            Self::Copy => {
                bury(state, id);
                return advance(state, worker, hand);
            }
            Self::CopyUnanswered => {
                state.left.lost -= 1;
                bury(state, id);
                hand.step = Step::Settling(RELEASE);
            }
            Self::CopyRefused => {
                state.left.lost -= 1;
                hand.step = Step::Settling(RELEASE);
            }
            Self::Show => return put_down(state, worker, id),
            Self::Delete => {
                state.delete(id);
                return advance(state, worker, hand);
            }
            Self::DeleteInVain => {
                // An old receipt needs no fault to be ignored.
                if state.queue.is_current(id, worker) {
                    state.left.lost -= 1;
                }
                return advance(state, worker, hand);
            }
        }
        Some(hand)
    }

    fn of(act: Act) -> Self {
        match act {
            Act::Record => Self::Record,
            Act::Copy => Self::Copy,
            Act::Show => Self::Show,
            Act::Delete => Self::Delete,
        }
    }
}

fn receives(state: &State) -> Vec<Work> {
    let messages = state.queue.0.iter().enumerate();
    let received = messages.filter_map(|(id, message)| match message.place {
        Place::Visible => Some(Work::Receive(id)),
        _ if state.left.duplicates > 0 => Some(Work::ReceiveAgain(id)),
        _ => None,
    });
    received.collect()
}

fn receive(state: &mut State, design: Design, worker: usize, message: usize) {
    let is_again = state.queue.receive(message, Some(worker));
    state.workers[worker] = Some(Hand::new(message, is_again));
    if design == Design::AcknowledgeFirst {
        state.delete(message);
    }
}

fn fail(state: &mut State, worker: usize, hand: &mut Hand, outcome: Outcome) {
    state.left.failures -= 1;
    state.database.close(worker);
    if outcome == Outcome::Failed {
        state.queue.0[hand.message].failed += 1;
    }
    hand.step = Step::Ended(outcome);
}

fn settle(state: &mut State, design: Design, hand: &mut Hand) {
    let Step::Ended(outcome) = hand.step else {
        return;
    };
    let verdict = verdict(outcome, hand.charged);
    let is_used_up = state.queue.0[hand.message].failed >= ATTEMPTS_MAX;
    if verdict == Verdict::DeadLetter && outcome != Outcome::Rejected && !is_used_up {
        state.breach = Some(Breach::GivenUpEarly);
    }
    hand.step = Step::Settling(acts(design, verdict, outcome));
}

fn bury(state: &mut State, id: usize) {
    let message = &state.queue.0[id];
    let copy = Message::new(message.event, Some(id), message.replay_no);
    state.letters.send(copy);
}

/// Takes the act that was done off a settlement; after the last the hand is free.
fn advance(state: &mut State, worker: usize, mut hand: Hand) -> Option<Hand> {
    match hand.step {
        Step::Settling([_, rest @ ..]) if !rest.is_empty() => {
            hand.step = Step::Settling(rest);
            Some(hand)
        }
        _ => put_down(state, worker, hand.message),
    }
}

/// Frees a hand: what was open is rolled back, and a message that is still there comes back.
fn put_down(state: &mut State, worker: usize, id: usize) -> Option<Hand> {
    state.database.close(worker);
    state.queue.let_go(id, worker);
    None
}
