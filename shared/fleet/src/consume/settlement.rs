use std::time::Duration;

use jiff::Timestamp;

use super::outcome::Outcome;
use crate::message::FailureClass;
use crate::service::config::GroupPolicy;
use crate::service::retry::{self, Jitter};

/// The ceiling of the first retry's delay; it doubles with each attempt.
const RETRY_INITIAL: Duration = Duration::from_secs(2);

/// The highest ceiling of a retry's delay. Waiting messages are in flight, and
/// SQS has a cap on those.
const RETRY_CAP: Duration = Duration::from_secs(15 * 60);

/// The longest that a message may be invisible, counted from its receive.
///
/// Source: SQS API reference, `ChangeMessageVisibility`: 12 hours in all, and
/// more is an error. A minute is left for the way to SQS.
const VISIBILITY_MAX: Duration = Duration::from_secs(12 * 60 * 60 - 60);

/// How long a message waits at least while a dependency is down: the breaker's longest pause.
const UNAVAILABLE_RELEASE: Duration = Duration::from_secs(4);

/// The highest ceiling of what it waits on top. The ceiling doubles with the
/// receives, so that an outage of hours does not use up the hundred after
/// which SQS itself takes the message away.
const UNAVAILABLE_SPREAD_CAP: Duration = Duration::from_secs(5 * 60);

/// The ceilings of the wait for whoever is in the way; they double with the
/// receives too.
const CONTENDED_RELEASES: (Duration, Duration) = (Duration::from_secs(2), Duration::from_secs(60));

/// How long a message of an unknown type waits: a deploy may be rolling.
const UNKNOWN_TYPE_RELEASE: Duration = Duration::from_secs(60);

/// How long a message stays invisible that halts its group: a repair is seen within minutes, and a
/// thousand receives, the most that SQS allows, are three days.
const HALTED_PAUSE: Duration = Duration::from_secs(5 * 60);

/// What becomes of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Settlement {
    /// It is deleted.
    Delete,
    /// It comes back later; an attempt is charged.
    Retry {
        /// How long it stays invisible.
        after: Duration,
    },
    /// It comes back later; nobody is charged.
    Release {
        /// How long it stays invisible.
        after: Duration,
    },
    /// A copy with the reason goes to the dead-letter queue, then it is deleted.
    DeadLetter {
        /// The kind of failure.
        class: FailureClass,
        /// A stable phrase.
        reason: String,
        /// What is particular to this message.
        detail: Option<String>,
    },
    /// It failed for good, and comes back all the same: its group stands still until it succeeds.
    Halt {
        /// A stable phrase.
        reason: String,
        /// How long it stays invisible.
        after: Duration,
    },
    /// Nothing is sent: the message belongs to somebody else now.
    Abandon,
}

/// What a decision needs to know beside the outcome.
#[derive(Clone, Copy, Debug)]
pub struct Facts {
    /// Attempts charged to the message before this one.
    pub charged: u32,
    /// How many of them no process survived.
    pub crashes: u32,
    /// How many attempts it has.
    pub attempts_max: u32,
    /// How often SQS has handed it out.
    pub receives: u32,
    /// How long ago it was received.
    pub held_for: Duration,
    /// How long an unknown type is waited for.
    pub unknown_type_grace: Duration,
    /// What becomes of its group when it failed for good; `None` on a standard queue.
    pub group_policy: Option<GroupPolicy>,
    /// The time of the decision.
    pub now: Timestamp,
}

impl Settlement {
    /// Returns what became of the message, for logs and traces.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Delete => "deleted",
            Self::Retry { .. } => "retried",
            Self::Release { .. } => "released",
            Self::Halt { .. } => "halted",
            Self::DeadLetter { .. } => "dead_lettered",
            Self::Abandon => "abandoned",
        }
    }

    /// Tells whether the message is gone, so that those behind it may run.
    pub fn is_final(&self) -> bool {
        matches!(self, Self::Delete | Self::DeadLetter { .. })
    }
}

/// Decides what becomes of a message.
pub fn decide(outcome: &Outcome, facts: &Facts, jitter: &Jitter) -> Settlement {
    match (judge(outcome, facts, jitter), facts.group_policy) {
        (Settlement::DeadLetter { reason, .. }, Some(GroupPolicy::Halt)) => Settlement::Halt {
            reason,
            after: accepted(HALTED_PAUSE, facts),
        },
        (settlement, _) => settlement,
    }
}

/// Decides what becomes of a message whose group does not matter.
fn judge(outcome: &Outcome, facts: &Facts, jitter: &Jitter) -> Settlement {
    match outcome {
        Outcome::Processed | Outcome::Duplicate => Settlement::Delete,
        Outcome::Rejected { reason, detail } => Settlement::DeadLetter {
            class: FailureClass::Permanent,
            reason: reason.to_string(),
            detail: detail.clone(),
        },
        Outcome::Undecodable(error) => Settlement::DeadLetter {
            class: FailureClass::Undecodable,
            reason: error.to_string(),
            detail: None,
        },
        Outcome::Failed { reason, after } => retry_or_give_up(reason, *after, facts, jitter),
        Outcome::TimedOut | Outcome::Panicked => {
            let reason = outcome.reason().unwrap_or_default();
            retry_or_give_up(&reason, None, facts, jitter)
        }
        Outcome::Unavailable {
            dependency: Some(_),
        } => {
            let spread =
                retry::ceiling(UNAVAILABLE_RELEASE, UNAVAILABLE_SPREAD_CAP, facts.receives);
            release_in(UNAVAILABLE_RELEASE + jitter.up_to(spread), facts)
        }
        Outcome::Unavailable { dependency: None } => {
            let (initial, cap) = CONTENDED_RELEASES;
            let ceiling = retry::ceiling(initial, cap, facts.receives);
            release_in(jitter.up_to(ceiling), facts)
        }
        Outcome::UnknownType { since } => unknown_type(*since, facts, jitter),
        Outcome::Interrupted => Settlement::Release {
            after: Duration::ZERO,
        },
        Outcome::LeaseLost => Settlement::Abandon,
    }
}

fn retry_or_give_up(
    reason: &str,
    after: Option<Duration>,
    facts: &Facts,
    jitter: &Jitter,
) -> Settlement {
    let attempt = facts.charged.saturating_add(1);
    if attempt >= facts.attempts_max {
        // Used up before its handler ran: the last attempt left nobody to say so.
        let has_crashed = facts.crashes > 0 && facts.charged >= facts.attempts_max;
        let (class, reason) = match has_crashed {
            true => (
                FailureClass::CrashSuspect,
                "the process did not survive its handler",
            ),
            false => (FailureClass::AttemptsExhausted, reason),
        };
        return Settlement::DeadLetter {
            class,
            reason: reason.to_owned(),
            detail: None,
        };
    }
    let backoff = || retry::full_jitter(jitter, retry::ceiling(RETRY_INITIAL, RETRY_CAP, attempt));
    Settlement::Retry {
        after: accepted(after.unwrap_or_else(backoff), facts),
    }
}

fn release_in(after: Duration, facts: &Facts) -> Settlement {
    Settlement::Release {
        after: accepted(after, facts),
    }
}

fn unknown_type(since: Option<Timestamp>, facts: &Facts, jitter: &Jitter) -> Settlement {
    let waited = since.map_or(Duration::ZERO, |since| {
        Duration::try_from(facts.now.duration_since(since)).unwrap_or_default()
    });
    if waited >= facts.unknown_type_grace {
        return Settlement::DeadLetter {
            class: FailureClass::UnknownType,
            reason: "no handler for the type".to_owned(),
            detail: None,
        };
    }
    release_in(
        UNKNOWN_TYPE_RELEASE + jitter.up_to(UNKNOWN_TYPE_RELEASE / 4),
        facts,
    )
}

/// Turns a wait into one that SQS accepts: whole seconds, rounded up so as not to come too
/// early, and no more than are left of twelve hours.
fn accepted(after: Duration, facts: &Facts) -> Duration {
    let left = VISIBILITY_MAX.saturating_sub(facts.held_for);
    let partial = u64::from(after.subsec_nanos() > 0);
    Duration::from_secs(after.as_secs().saturating_add(partial))
        .min(Duration::from_secs(left.as_secs()))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;
    use crate::message::DecodeError;

    fn facts(charged: u32) -> Facts {
        Facts {
            charged,
            crashes: 0,
            attempts_max: 5,
            receives: charged + 1,
            held_for: Duration::ZERO,
            unknown_type_grace: Duration::from_secs(3600),
            group_policy: None,
            now: Timestamp::from_second(10_000).unwrap(),
        }
    }

    fn failed() -> Outcome {
        Outcome::Failed {
            reason: "flaky".into(),
            after: None,
        }
    }

    fn decided(outcome: &Outcome, charged: u32) -> Settlement {
        decide(outcome, &facts(charged), &Jitter::seeded(1))
    }

    #[test]
    fn what_is_done_is_deleted_and_what_is_lost_is_left_alone() {
        assert_eq!(decided(&Outcome::Processed, 4), Settlement::Delete);
        assert_eq!(decided(&Outcome::Duplicate, 9), Settlement::Delete);
        assert_eq!(decided(&Outcome::LeaseLost, 0), Settlement::Abandon);
    }

    #[test]
    fn the_last_attempt_dead_letters_and_the_ones_before_retry() {
        for charged in 0..4 {
            assert!(
                matches!(decided(&failed(), charged), Settlement::Retry { .. }),
                "{charged}"
            );
        }
        for outcome in [failed(), Outcome::TimedOut, Outcome::Panicked] {
            assert!(matches!(
                decided(&outcome, 4),
                Settlement::DeadLetter {
                    class: FailureClass::AttemptsExhausted,
                    ..
                }
            ));
        }
    }

    #[test]
    fn who_is_used_up_by_a_crash_is_said_to_be_a_suspect_and_nobody_else() {
        let class = |charged, crashes| {
            let facts = Facts {
                crashes,
                ..facts(charged)
            };
            match decide(&failed(), &facts, &Jitter::seeded(1)) {
                Settlement::DeadLetter { class, .. } => class,
                other => panic!("{other:?}"),
            }
        };
        assert_eq!(class(5, 1), FailureClass::CrashSuspect);
        assert_eq!(class(5, 0), FailureClass::AttemptsExhausted);
        // The handler itself has failed at last.
        assert_eq!(class(4, 3), FailureClass::AttemptsExhausted);
    }

    #[test]
    fn a_group_that_halts_keeps_what_would_be_dead() {
        let halts = |outcome, charged| {
            let facts = Facts {
                group_policy: Some(GroupPolicy::Halt),
                ..facts(charged)
            };
            decide(&outcome, &facts, &Jitter::seeded(1))
        };
        let rejected = Outcome::Rejected {
            reason: "no customer".into(),
            detail: None,
        };
        for (outcome, charged) in [
            (rejected, 0),
            (Outcome::Undecodable(DecodeError::NoType), 0),
            (failed(), 4),
            (Outcome::Panicked, 7),
        ] {
            let settlement = halts(outcome, charged);
            assert!(matches!(settlement, Settlement::Halt { .. }));
            assert!(!settlement.is_final());
        }
        assert!(matches!(halts(failed(), 3), Settlement::Retry { .. }));
        assert_eq!(halts(Outcome::Processed, 9), Settlement::Delete);
        assert!(Settlement::Delete.is_final());
    }

    #[test]
    fn permanent_errors_and_undecodable_messages_skip_all_retries() {
        let rejected = Outcome::Rejected {
            reason: "no customer".into(),
            detail: None,
        };
        assert!(matches!(
            decided(&rejected, 0),
            Settlement::DeadLetter {
                class: FailureClass::Permanent,
                ..
            }
        ));
        assert!(matches!(
            decided(&Outcome::Undecodable(DecodeError::NoType), 0),
            Settlement::DeadLetter {
                class: FailureClass::Undecodable,
                ..
            }
        ));
    }

    #[test]
    fn an_unknown_type_waits_until_its_grace_is_over() {
        let since = |second| Outcome::UnknownType {
            since: Timestamp::from_second(second).ok(),
        };
        assert!(matches!(
            decided(&Outcome::UnknownType { since: None }, 0),
            Settlement::Release { .. }
        ));
        assert!(matches!(
            decided(&since(6_401), 0),
            Settlement::Release { .. }
        ));
        assert!(matches!(
            decided(&since(6_400), 0),
            Settlement::DeadLetter {
                class: FailureClass::UnknownType,
                ..
            }
        ));
    }

    #[test]
    fn metrics_have_a_label_for_each_class_of_dead_letters() {
        use crate::service::metrics::DEAD_LETTER_REASONS;
        // What SQS moves by itself is no doing of ours.
        let ours = FailureClass::ALL
            .into_iter()
            .filter(|class| *class != FailureClass::ReceivesExhausted);
        let ours: Vec<_> = ours.map(FailureClass::as_str).collect();
        assert_eq!(ours, DEAD_LETTER_REASONS);
    }

    #[test]
    fn whoever_meets_contention_again_and_again_waits_longer_each_time() {
        let longest = |receives| {
            let facts = Facts {
                receives,
                ..facts(0)
            };
            let contended = Outcome::Unavailable { dependency: None };
            let delays =
                (0..200).map(
                    |seed| match decide(&contended, &facts, &Jitter::seeded(seed)) {
                        Settlement::Release { after } => after.as_secs(),
                        other => panic!("{other:?}"),
                    },
                );
            delays.max().unwrap()
        };
        assert_eq!([1, 2, 3, 4].map(longest), [2, 4, 8, 16]);
        assert_eq!(longest(90), 60);
    }

    #[test]
    fn each_wait_has_a_shortest_and_a_longest() {
        let down = || Outcome::Unavailable {
            dependency: Some("smtp".into()),
        };
        let unknown = || Outcome::UnknownType { since: None };
        let contended = || Outcome::Unavailable { dependency: None };
        // Seconds, early in the life of a message and late in it.
        for (outcome, early, late) in [
            (failed(), (0, 2), (0, 900)),
            (down(), (4, 8), (4, 304)),
            (contended(), (0, 2), (0, 60)),
            (unknown(), (60, 75), (60, 75)),
        ] {
            for (count, (shortest, longest)) in [(0, early), (50, late)] {
                let facts = Facts {
                    attempts_max: 100,
                    ..facts(count)
                };
                let wait = |seed| match decide(&outcome, &facts, &Jitter::seeded(seed)) {
                    Settlement::Retry { after } | Settlement::Release { after } => after.as_secs(),
                    other => panic!("{other:?}"),
                };
                let waits: BTreeSet<_> = (0..500).map(wait).collect();
                let (first, last) = (*waits.first().unwrap(), *waits.last().unwrap());
                // The draws come close to both bounds, and never beyond.
                let near = (longest - shortest) / 50 + 1;
                let what = format!("{outcome:?} {count}: {first} to {last}");
                assert!((shortest..=shortest + near).contains(&first), "{what}");
                assert!((longest - near..=longest).contains(&last), "{what}");
                assert!(last > shortest, "{what}");
            }
        }
    }

    #[test]
    fn a_wait_is_rounded_up_to_seconds_and_ends_before_the_twelve_hours_of_sqs_do() {
        let after = |millis, held_secs| {
            let facts = Facts {
                held_for: Duration::from_secs(held_secs),
                ..facts(0)
            };
            let outcome = Outcome::Failed {
                reason: "busy".into(),
                after: Some(Duration::from_millis(millis)),
            };
            match decide(&outcome, &facts, &Jitter::seeded(1)) {
                Settlement::Retry { after } => after.as_secs_f64(),
                other => panic!("{other:?}"),
            }
        };
        assert_eq!(
            [0, 1, 999, 1_000, 1_001].map(|ms| after(ms, 0)),
            [0.0, 1.0, 1.0, 1.0, 2.0]
        );
        let day = 24 * 3_600_000;
        assert_eq!(after(day, 0), 43_140.0);
        assert_eq!(after(day, 43_000), 140.0);
        assert_eq!(after(day, 43_200), 0.0);
    }

    #[test]
    fn a_halted_group_is_looked_at_again_after_five_minutes() {
        let facts = Facts {
            group_policy: Some(GroupPolicy::Halt),
            ..facts(4)
        };
        let halted = Settlement::Halt {
            reason: "flaky".to_owned(),
            after: Duration::from_secs(300),
        };
        assert_eq!(decide(&failed(), &facts, &Jitter::seeded(1)), halted);
    }

    #[test]
    fn each_settlement_has_a_name_of_its_own() {
        let after = Duration::ZERO;
        let reason = || "r".to_owned();
        let names = [
            (Settlement::Delete, "deleted"),
            (Settlement::Retry { after }, "retried"),
            (Settlement::Release { after }, "released"),
            (
                Settlement::Halt {
                    reason: reason(),
                    after,
                },
                "halted",
            ),
            (
                Settlement::DeadLetter {
                    class: FailureClass::Permanent,
                    reason: reason(),
                    detail: None,
                },
                "dead_lettered",
            ),
            (Settlement::Abandon, "abandoned"),
        ];
        for (settlement, name) in names {
            assert_eq!(settlement.as_str(), name);
        }
    }

    #[test]
    fn a_shutdown_gives_the_message_back_at_once() {
        assert_eq!(
            decided(&Outcome::Interrupted, 4),
            Settlement::Release {
                after: Duration::ZERO
            }
        );
    }

    proptest! {
        #[test]
        fn delays_fit_into_what_sqs_accepts(
            seed: u64, charged in 0u32..4, receives: u32, wanted: u64, held in 0u64..43_200,
        ) {
            let jitter = Jitter::seeded(seed);
            let held_for = Duration::from_secs(held);
            let facts = Facts { receives, held_for, ..facts(charged) };
            let outcomes = [
                failed(),
                Outcome::Failed { reason: "r".into(), after: Some(Duration::from_secs(wanted)) },
                Outcome::Unavailable { dependency: None },
                Outcome::Unavailable { dependency: Some("smtp".into()) },
                Outcome::UnknownType { since: None },
            ];
            for outcome in outcomes {
                match decide(&outcome, &facts, &jitter) {
                    Settlement::Retry { after } | Settlement::Release { after } => {
                        prop_assert!(held_for + after <= Duration::from_secs(43_200));
                        prop_assert_eq!(after.subsec_nanos(), 0);
                    }
                    other => prop_assert!(false, "{other:?}"),
                }
            }
        }
    }
}
