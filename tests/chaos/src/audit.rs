//! Compares what a process said of its work with what was done in its name.

use crate::account::{Served, last_totals};
use crate::member::{End, Life};
use crate::sqs::Count;

/// Finds what does not agree: no process may ever say more than there was, and who ended as asked has
/// said all of it in the last line of its log.
pub fn audit(life: &Life, log: &str, counts: &[Count]) -> Vec<String> {
    let served = Served::to(&life.key, counts);
    let scrape = life.scrape.as_deref().unwrap_or_default();
    let mut found = served.exceeded_by(scrape);
    if life.end == End::Left {
        match last_totals(log) {
            Some(last) => found.extend(served.differing_from(&last)),
            None => return vec!["it ended as asked, and its log has no last line".to_owned()],
        }
    }
    found.iter().map(ToString::to_string).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const LAST: &str =
        r#"{"message":"ends","messages.received":7,"sqs.requests":1,"sqs.unanswered":0}"#;

    fn received(messages: u64) -> Vec<Count> {
        vec![Count {
            key: "AKIDLEDGERX1X1".to_owned(),
            operation: "ReceiveMessage".to_owned(),
            result: "ok".to_owned(),
            fault: None,
            calls: 1,
            entries: [("received".to_owned(), messages)].into(),
        }]
    }

    fn life(end: End) -> Life {
        Life {
            name: "ledger-1.1".to_owned(),
            key: "AKIDLEDGERX1X1".to_owned(),
            end,
            stops: 0,
            scrape: Some("fleet_messages_received_total{queue=\"ledger\"} 5\n".to_owned()),
        }
    }

    #[test]
    fn who_was_killed_may_have_said_less_and_never_more() {
        assert!(audit(&life(End::Killed), "", &received(7)).is_empty());
        assert_eq!(audit(&life(End::Killed), "", &received(4)).len(), 1);
    }

    #[test]
    fn who_ended_as_asked_has_said_all_of_it() {
        assert!(audit(&life(End::Left), LAST, &received(7)).is_empty());
        assert_eq!(audit(&life(End::Left), LAST, &received(8)).len(), 1);
        assert_eq!(audit(&life(End::Left), "", &received(7)).len(), 1);
    }
}
