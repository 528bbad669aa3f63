//! A model of the fleet, small enough to look at every state that it can get into.
//!
//! Tests and simulations meet some of the moments in which something can go wrong; a model checker
//! meets all of them, within bounds. The model is written down by hand, step by step in the order
//! of the runtime, and each step says which file it stands for ([`work::Work`], [`replay::Replay`],
//! [`surroundings::Event`]). What becomes of a message is asked of the runtime's own
//! `consume::decide`. `make model` looks at all states and prints what it saw.
//!
//! # What is modelled
//!
//! - A standard queue and its dead-letter queue: any order, visibility timeout, redelivery,
//!   messages delivered again while they are in flight or after they were deleted, old receipts
//!   that SQS accepts and ignores, lost answers of send, receive and delete.
//! - Workers, killed between any two steps, or slower than their lease, so that two of them
//!   have the same message: the look into the inbox, claim and effect in one transaction, a commit
//!   without an answer that takes place later or never, settlement, the attempts ledger,
//!   copy before delete.
//! - Replays, two at once, killed between any two steps, resumed or begun anew: planned, sent,
//!   marked, deleted, marked; copies of one event that go as one.
//!
//! [`properties`] says what must hold in every state. That all is done in the end is shown in two
//! parts: no state can be reached from itself ([`walk`]), so every run ends, and where nothing more
//! can happen everything is settled.
//!
//! # What is not
//!
//! FIFO queues, groups, batches and group commits, the breaker, suspects of a crash (a crash
//! charges nobody here), lost rows of the ledger, SQS's own redrive policy, retention, the
//! inbox's pruning, undecodable messages and unknown types, edits, shutdown. Time is only an order:
//! how long a lease or a backoff is says nothing. A worker holds one message, so that a crash takes
//! one along; two workers stand for two messages of a process or for two processes.
//!
//! # Bounds
//!
//! [`limits::Faults`] says how often each thing goes wrong at most. When that is used up the rest
//! of a run is fair: whoever can make a step makes one some day. [`limits::CONFIGURATIONS`] are those
//! that a test has time for, about a million states in all.
//!
//! # How to read a counterexample
//!
//! It is a list of actions from an empty queue on, one a line. `Worker(0, Receive(0))`: the first
//! worker receives the message with MessageId 0. `Event(Returned(0))`: the visibility timeout of
//! that message is over. `Operator(0, Send)`: the first replay sends the letter that it holds.
//! MessageIds count per queue. After the last action the property does not hold.
#![forbid(unsafe_code)]

/// Right, or wrong in one place.
pub mod design;

/// How large, and how much goes wrong.
pub mod limits;

/// SQS.
pub mod queue;

/// Postgres.
pub mod database;

/// What becomes of a message.
pub mod verdict;

/// What a worker has in hand.
pub mod hand;

/// What a replay has in hand.
pub mod operator;

/// All of it at one moment.
pub mod state;

/// What happens around them.
pub mod surroundings;

/// Whether an event is done, and the transaction that does it.
mod claim;

/// What a worker does.
pub mod work;

/// What a replay does.
pub mod replay;

/// Which steps there are from a state.
pub mod model;

/// What must be seen.
mod sights;

/// What must hold.
pub mod properties;

/// Whether every run ends.
pub mod walk;

/// What the checker found.
pub mod survey;
