//! Faults on purpose: a seeded plan of what goes wrong, when and how often.
//!
//! A [`FaultPlan`] is read from text, a list of rules separated by `;`. Each rule is a kind and
//! its arguments:
//!
//! ```text
//! seed=7; error rate=0.02 ops=ReceiveMessage,DeleteMessageBatch; hang from=10s until=20s queue=orders
//! ```
//!
//! | Argument of any kind | Meaning |
//! |---|---|
//! | `rate=0.1` | how likely it is, 0 to 1; 1 if it is missing |
//! | `ops=A,B` | only these operations |
//! | `queue=a,b` | only these queues |
//! | `from=10s`, `until=20s` | only in this window after the plan was set |
//! | `count=3` | at most so many times |
//!
//! | Kind | Effect | The client sees |
//! |---|---|---|
//! | `error`, `unavailable` | none | 500 `InternalFailure`, 503 `ServiceUnavailable` |
//! | `throttle [code=RequestThrottled]` | none | `ThrottlingException`, or the other code |
//! | `expired` | none | 403 `ExpiredToken` |
//! | `reset` | none | a TCP reset |
//! | `hang` | none | nothing at all, on a connection that stays |
//! | `hung-poll` | done | the same; receives only |
//! | `lost` | done | the end of the connection instead of an answer |
//! | `truncate` | done | the head and half of the body, then the end of the connection |
//! | `drip [every=1s]` | done | the body, one byte at a time |
//! | `duplicate` | done | a message in flight, or deleted lately, once more; receives from standard queues only |
//! | `partial [share=0.5]` | of some entries | an internal error for each of the other entries; batches only |
//! | `skew by=-20m` | done, or none | a `Date` that is off; signatures too far from it are refused |
//!
//! Of the rules that fit a call the first whose dice fall its way is applied, `skew` apart from
//! the others. The dice come from the seed (0 if there is none): the same plan and the same calls
//! in the same order bring the same faults. Of calls in process, `error`, `unavailable`,
//! `throttle`, `expired`, `duplicate` and `partial` are possible, since the rest is about
//! connections; they throw no dice for the others.

mod arguments;
mod faults;
mod kind;
mod plan;
mod rule;

pub(crate) use self::faults::{Face, Fault, Faults, Subject, Verdict};
pub(crate) use self::kind::Breakage;
pub use self::plan::{FaultPlan, FaultPlanError};

#[cfg(test)]
mod tests;
