//! What a process says that it did, beside what the queues say was done in its name.
//!
//! Each process has an access key of its own, by which sqs-local counts. While it runs, its metrics
//! never say more than that; what it says at its end, when it was asked to end, is that.

use std::collections::BTreeMap;
use std::fmt;

use fleet::queue::BATCH_ENTRIES_MAX;
use fleet::service::metrics::{SQS_OPERATIONS, Totals};
use serde_json::Value;

use crate::sqs::Count;

/// The faults by which a call goes without an answer.
const EATING: [&str; 6] = ["lost", "truncate", "drip", "reset", "hang", "hung-poll"];

/// The results that a process gives requests without an answer.
const UNANSWERED: [&str; 2] = ["unreachable", "abandoned"];

/// What the queues did for one access key.
#[derive(Clone, Debug, Default)]
pub struct Served {
    calls: u64,
    answered: BTreeMap<&'static str, u64>,
    received: u64,
    sent: u64,
    /// Messages that were deleted, or that a receipt said so of, and those whose visibility changed.
    settled: u64,
}

/// A number on which a process and the queues do not agree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Discrepancy {
    /// What was counted.
    pub what: String,
    /// What the process says.
    pub told: u64,
    /// What the queues say.
    pub served: u64,
    /// By how much the queues may say more, since their answers may not have been heard.
    pub slack: u64,
}

/// What there is to be compared.
struct Comparison {
    found: Vec<Discrepancy>,
}

impl Served {
    /// Adds up what was counted for a key. Messages are those of answered calls alone: of others the
    /// process cannot know.
    pub fn to(key: &str, counts: &[Count]) -> Self {
        let mut served = Self::default();
        for count in counts.iter().filter(|count| count.key == key) {
            served.calls += count.calls;
            let fault = count.fault.as_deref().unwrap_or_default();
            if EATING.contains(&fault) || count.result == "abandoned" {
                continue;
            }
            *served.answered.entry(known(&count.operation)).or_default() += count.calls;
            let sum = |outcomes: &[&str]| -> u64 {
                let entries = count.entries.iter();
                let counted = entries.filter(|(name, _)| outcomes.contains(&name.as_str()));
                counted.map(|(_, count)| count).sum()
            };
            served.received += sum(&["received"]);
            served.sent += sum(&["sent"]);
            served.settled += sum(&["deleted", "stale", "gone", "changed"]);
        }
        served
    }

    /// Looks for what a scrape of the process's metrics claims and the queues do not know of. The
    /// scrape has to be older than the counts.
    pub fn exceeded_by(&self, scrape: &str) -> Vec<Discrepancy> {
        let mut comparison = Comparison { found: Vec::new() };
        let answers = answers(scrape);
        for (operation, answered) in answers {
            let served = self.answered.get(operation).copied().unwrap_or(0);
            let what = format!("answers to {operation}");
            comparison.is_behind(&what, answered, served);
        }
        let totals = Totals::of_page(scrape);
        comparison.is_behind("messages received", count(totals.received), self.received);
        comparison.is_behind("messages sent", sent(&totals), self.sent);
        comparison.is_behind("messages settled", settled(&totals), self.settled);
        comparison.found
    }

    /// Looks for where the last line of the process's log differs from what the queues know, once the
    /// process has ended by itself.
    ///
    /// The queues may know of more only where the process says that it did not hear an answer, which
    /// no fault kept from it.
    pub fn differing_from(&self, last: &Totals) -> Vec<Discrepancy> {
        let mut comparison = Comparison { found: Vec::new() };
        let requests = count(last.requests);
        let unanswered = count(last.unanswered);
        let answered: u64 = self.answered.values().sum();
        let unheard = unanswered.saturating_sub(self.calls - answered);
        let unheard_entries = unheard * BATCH_ENTRIES_MAX as u64;
        // A request may have been given up before it was on its way, so the process may say more.
        if requests < self.calls || requests - self.calls > unheard {
            comparison.add("requests", requests, self.calls, unheard);
        }
        let mut agree = |what, told, served, slack| {
            if !(told..=told + slack).contains(&served) {
                comparison.add(what, told, served, slack);
            }
        };
        agree(
            "answers",
            requests.saturating_sub(unanswered),
            answered,
            unheard,
        );
        let entries = unheard_entries;
        agree(
            "messages received",
            count(last.received),
            self.received,
            entries,
        );
        agree("messages sent", sent(last), self.sent, entries);
        let late = count(last.acks_unconfirmed);
        agree(
            "messages settled",
            settled(last),
            self.settled,
            entries + late,
        );
        comparison.found
    }
}

/// Reads the last line of a process's log; `None` if it is not that of a process that ended by itself.
pub fn last_totals(log: &str) -> Option<Totals> {
    let last: Value = log
        .lines()
        .rev()
        .filter_map(|line| serde_json::from_str(line).ok())
        .find(|line: &Value| line["message"] == "ends")?;
    let count = |name: &str| last.get(name).and_then(Value::as_u64);
    Some(Totals {
        received: count("messages.received"),
        processed: count("messages.processed"),
        dead_lettered: count("messages.dead_lettered"),
        acks_confirmed: count("acks.confirmed"),
        acks_unconfirmed: count("acks.unconfirmed"),
        leases_extended: count("leases.extended"),
        published: count("outbox.published"),
        requests: count("sqs.requests"),
        unanswered: count("sqs.unanswered"),
    })
}

impl Comparison {
    fn is_behind(&mut self, what: &str, told: u64, served: u64) {
        if told > served {
            self.add(what, told, served, 0);
        }
    }

    fn add(&mut self, what: &str, told: u64, served: u64, slack: u64) {
        self.found.push(Discrepancy {
            what: what.to_owned(),
            told,
            served,
            slack,
        });
    }
}

impl fmt::Display for Discrepancy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            what,
            told,
            served,
            slack,
        } = self;
        write!(f, "{what}: the process says {told}, the queues {served}")?;
        match slack {
            0 => Ok(()),
            slack => write!(f, " ({slack} may be unheard)"),
        }
    }
}

/// Returns an operation as metrics call it.
fn known(operation: &str) -> &'static str {
    let mut all = SQS_OPERATIONS.into_iter();
    all.find(|known| *known == operation).unwrap_or("other")
}

/// Counts, by operation, the requests of a scrape that were answered.
fn answers(scrape: &str) -> BTreeMap<&'static str, u64> {
    let mut answers = BTreeMap::new();
    for line in scrape.lines() {
        let Some(rest) = line.strip_prefix("fleet_sqs_requests_total{") else {
            continue;
        };
        let Some((labels, count)) = rest.rsplit_once(' ') else {
            continue;
        };
        let label = |name: &str| {
            let (_, value) = labels.split_once(&format!("{name}=\""))?;
            value.split_once('"').map(|(value, _)| value)
        };
        let result = label("result").unwrap_or_default();
        if !UNANSWERED.contains(&result) {
            let operation = known(label("operation").unwrap_or_default());
            *answers.entry(operation).or_default() += count.parse::<u64>().unwrap_or(0);
        }
    }
    answers
}

/// Copies to dead-letter queues, and rows of the outbox.
fn sent(totals: &Totals) -> u64 {
    count(totals.dead_lettered) + count(totals.published)
}

/// Messages that were deleted or made visible, and leases that were extended.
fn settled(totals: &Totals) -> u64 {
    count(totals.acks_confirmed) + count(totals.leases_extended)
}

/// A process that does no such work did none of it.
fn count(total: Option<u64>) -> u64 {
    total.unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn count_of(
        operation: &str,
        fault: Option<&str>,
        calls: u64,
        entries: &[(&str, u64)],
    ) -> Count {
        Count {
            key: "AKONE".to_owned(),
            operation: operation.to_owned(),
            result: "ok".to_owned(),
            fault: fault.map(str::to_owned),
            calls,
            entries: entries
                .iter()
                .map(|(name, count)| ((*name).to_owned(), *count))
                .collect(),
        }
    }

    /// Ten receives with 60 messages, of which the answer to one with 6 was lost; 50 of the others
    /// were deleted, one was shown again, two leases were extended, one message was copied.
    fn served() -> Served {
        let other = Count {
            key: "AKTWO".to_owned(),
            ..count_of("ReceiveMessage", None, 9, &[("received", 9)])
        };
        let counts = [
            count_of("ReceiveMessage", None, 9, &[("received", 54)]),
            count_of("ReceiveMessage", Some("lost"), 1, &[("received", 6)]),
            count_of(
                "DeleteMessageBatch",
                None,
                6,
                &[("deleted", 48), ("stale", 1), ("gone", 1)],
            ),
            count_of("DeleteMessageBatch", Some("error"), 1, &[]),
            count_of("ChangeMessageVisibilityBatch", None, 3, &[("changed", 3)]),
            count_of("SendMessageBatch", Some("partial"), 2, &[("sent", 1)]),
            count_of("ListQueues", None, 1, &[]),
            other,
        ];
        Served::to("AKONE", &counts)
    }

    fn totals() -> Totals {
        Totals {
            received: Some(54),
            processed: Some(50),
            dead_lettered: Some(1),
            acks_confirmed: Some(51),
            acks_unconfirmed: Some(0),
            leases_extended: Some(2),
            published: None,
            requests: Some(23),
            unanswered: Some(1),
        }
    }

    #[track_caller]
    fn check(last: Totals, expected: &[&str]) {
        let found = served().differing_from(&last);
        let found: Vec<String> = found.iter().map(ToString::to_string).collect();
        assert_eq!(found, expected, "{last:?}");
    }

    #[test]
    fn an_end_that_says_what_was_done_differs_in_nothing() {
        check(totals(), &[]);
    }

    #[test]
    fn an_end_that_says_more_or_less_than_was_done_differs() {
        let mut last = totals();
        last.received = Some(53);
        let said = "messages received: the process says 53, the queues 54";
        check(last, &[said]);
        last.received = Some(55);
        let said = "messages received: the process says 55, the queues 54";
        check(last, &[said]);
        let mut last = totals();
        last.acks_confirmed = Some(50);
        check(
            last,
            &["messages settled: the process says 52, the queues 53"],
        );
        // An answer that came when the lease was over.
        last.acks_unconfirmed = Some(1);
        check(last, &[]);
        let mut last = totals();
        last.dead_lettered = None;
        check(last, &["messages sent: the process says 0, the queues 1"]);
    }

    #[test]
    fn a_request_that_was_not_counted_is_missed() {
        let mut last = totals();
        last.requests = Some(22);
        let said = [
            "requests: the process says 22, the queues 23",
            "answers: the process says 21, the queues 22",
        ];
        check(last, &said);
    }

    #[test]
    fn answers_that_the_process_says_it_did_not_hear_are_no_difference() {
        let mut last = totals();
        last.unanswered = Some(2);
        last.received = Some(46);
        check(last, &[]);
        last.received = Some(43);
        let said = "messages received: the process says 43, the queues 54 (10 may be unheard)";
        check(last, &[said]);
        // One that never arrived.
        let mut last = totals();
        (last.requests, last.unanswered) = (Some(24), Some(2));
        check(last, &[]);
    }

    const SCRAPE: &str = "\
fleet_messages_received_total{queue=\"ledger\"} 54
fleet_sqs_requests_total{operation=\"ReceiveMessage\",result=\"ok\"} 9
fleet_sqs_requests_total{operation=\"ReceiveMessage\",result=\"unreachable\"} 7
fleet_sqs_requests_total{operation=\"DeleteMessageBatch\",result=\"ok\"} 6
fleet_sqs_requests_total{operation=\"DeleteMessageBatch\",result=\"server\"} 1
fleet_sqs_requests_total{operation=\"other\",result=\"ok\"} 1
fleet_acks_total{queue=\"ledger\",result=\"confirmed\"} 53
fleet_outbox_published_total 1
";

    #[test]
    fn a_scrape_may_be_behind_and_never_ahead() {
        assert_eq!(served().exceeded_by(SCRAPE), []);
        assert_eq!(served().exceeded_by(""), []);
        for (now, then, said) in [
            (
                "DeleteMessageBatch\",result=\"ok\"} 6",
                "DeleteMessageBatch\",result=\"ok\"} 7",
                "answers to DeleteMessageBatch: the process says 8, the queues 7",
            ),
            (
                "\"ledger\"} 54",
                "\"ledger\"} 55",
                "messages received: the process says 55, the queues 54",
            ),
            (
                "confirmed\"} 53",
                "confirmed\"} 54",
                "messages settled: the process says 54, the queues 53",
            ),
            (
                "published_total 1",
                "published_total 2",
                "messages sent: the process says 2, the queues 1",
            ),
        ] {
            let ahead = SCRAPE.replace(now, then);
            let found: Vec<String> = served()
                .exceeded_by(&ahead)
                .iter()
                .map(ToString::to_string)
                .collect();
            assert_eq!(found, [said]);
        }
    }

    #[test]
    fn the_last_line_is_found_in_a_log() {
        let log = "{\"message\":\"fleet-chaos starts\"}\nno JSON\n\
                   {\"message\":\"ends\",\"messages.received\":7,\"sqs.requests\":9,\"sqs.unanswered\":0}\n";
        let expected = Totals {
            received: Some(7),
            requests: Some(9),
            unanswered: Some(0),
            ..Totals::default()
        };
        assert_eq!(last_totals(log), Some(expected));
        assert_eq!(last_totals("{\"message\":\"fleet-chaos starts\"}\n"), None);
    }
}
