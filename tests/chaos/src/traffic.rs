//! What a run cost in deliveries, beyond one a message.

use serde::Serialize;

use crate::member::Life;
use crate::sqs::Count;

/// How the access keys of workers begin.
const WORKERS: &str = "AKIDLEDGER";

/// The access key of the producer.
pub const PRODUCER: &str = "AKIDPRODUCER";

/// Deliveries, as the queues and the processes count them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Traffic {
    /// Deliveries to workers beyond the first one of each message.
    pub redeliveries: u64,
    /// Deliveries of work that was done before, and dropped; at least, since who is killed does not
    /// tell of the last ones.
    pub duplicates_absorbed: u64,
    /// Calls to SQS that failed on purpose.
    pub faulty_calls: u64,
}

impl Traffic {
    /// Adds it up.
    pub fn of(counts: &[Count], lives: &[Life]) -> Self {
        let entries = |is_meant: &dyn Fn(&str) -> bool, outcome: &str| -> u64 {
            let meant = counts.iter().filter(|count| is_meant(&count.key));
            meant.filter_map(|count| count.entries.get(outcome)).sum()
        };
        let received = entries(&|key| key.starts_with(WORKERS), "received");
        let sent = entries(&|key| key == PRODUCER, "sent");
        let scrapes = lives.iter().filter_map(|life| life.scrape.as_deref());
        Self {
            redeliveries: received.saturating_sub(sent),
            duplicates_absorbed: scrapes.map(duplicates).sum(),
            faulty_calls: counts
                .iter()
                .filter(|count| count.fault.is_some())
                .map(|count| count.calls)
                .sum(),
        }
    }
}

fn duplicates(scrape: &str) -> u64 {
    let counters = scrape
        .lines()
        .filter(|line| line.starts_with("fleet_duplicates_total{"));
    let values = counters.filter_map(|line| line.rsplit_once(' ')?.1.parse::<u64>().ok());
    values.sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::member::End;

    #[test]
    fn deliveries_beyond_the_first_are_redeliveries() {
        let count = |key: &str, fault: Option<&str>, outcome: &str, messages: u64| Count {
            key: key.to_owned(),
            operation: "Any".to_owned(),
            result: "ok".to_owned(),
            fault: fault.map(str::to_owned),
            calls: 3,
            entries: [(outcome.to_owned(), messages)].into(),
        };
        let counts = [
            count(PRODUCER, None, "sent", 10),
            count("AKIDLEDGERX1X1", None, "received", 8),
            count("AKIDLEDGERX2X1", Some("lost"), "received", 5),
            count("AKIDOBSERVER", None, "received", 9),
        ];
        let scrape = "fleet_duplicates_total{handler=\"a\"} 2\n# x\nfleet_duplicates_total{handler=\"b\"} 1\n";
        let life = Life {
            name: "ledger-1.1".to_owned(),
            key: "AKIDLEDGERX1X1".to_owned(),
            end: End::Killed,
            stops: 0,
            scrape: Some(scrape.to_owned()),
        };
        let expected = Traffic {
            redeliveries: 3,
            duplicates_absorbed: 3,
            faulty_calls: 3,
        };
        assert_eq!(Traffic::of(&counts, &[life]), expected);
    }
}
