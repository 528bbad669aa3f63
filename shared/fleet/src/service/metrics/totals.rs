use super::catalogue::{self as metric, Metric};

/// What a process has done since its start, added up over its queues; `None` where it does not do
/// such work at all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Messages that receives brought.
    pub received: Option<u64>,
    /// Messages whose effect was committed.
    pub processed: Option<u64>,
    /// Copies to dead-letter queues.
    pub dead_lettered: Option<u64>,
    /// Acknowledgements that SQS confirmed.
    pub acks_confirmed: Option<u64>,
    /// Acknowledgements whose answer never came, or too late.
    pub acks_unconfirmed: Option<u64>,
    /// Leases that were extended.
    pub leases_extended: Option<u64>,
    /// Outbox rows that SQS accepted.
    pub published: Option<u64>,
    /// Requests to SQS.
    pub requests: Option<u64>,
    /// Requests to SQS that it did not answer, or whose answer was not waited for.
    pub unanswered: Option<u64>,
}

impl Totals {
    /// Adds up what a page of metrics says, in Prometheus's text format.
    pub fn of_page(page: &str) -> Self {
        let all = |metric: &Metric| sum(page, metric, "");
        let of = |metric: &Metric, label: &str| sum(page, metric, label);
        let unreachable = of(&metric::SQS_REQUESTS, r#"result="unreachable""#);
        let abandoned = of(&metric::SQS_REQUESTS, r#"result="abandoned""#);
        Self {
            received: all(&metric::MESSAGES_RECEIVED),
            processed: of(&metric::MESSAGES_PROCESSED, r#"outcome="processed""#),
            dead_lettered: all(&metric::DEAD_LETTERED),
            acks_confirmed: of(&metric::ACKS, r#"result="confirmed""#),
            acks_unconfirmed: of(&metric::ACKS, r#"result="unconfirmed""#),
            leases_extended: of(&metric::LEASE_EXTENSIONS, r#"result="extended""#),
            published: all(&metric::OUTBOX_PUBLISHED),
            requests: all(&metric::SQS_REQUESTS),
            unanswered: unreachable.map(|count| count + abandoned.unwrap_or(0)),
        }
    }
}

/// Adds up the series of a counter that have a label; `None` if there are none.
fn sum(page: &str, metric: &Metric, label: &str) -> Option<u64> {
    let values = page.lines().filter_map(|line| {
        let (labels, value) = line.strip_prefix(metric.name)?.rsplit_once(' ')?;
        let is_of_this_name = labels.is_empty() || labels.starts_with('{');
        let counts = is_of_this_name && labels.contains(label);
        counts.then(|| value.parse::<u64>().ok())?
    });
    values.reduce(|sum, value| sum + value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_series_of_a_counter_are_added_up_and_no_others() {
        let page = "\
# HELP fleet_messages_received_total Messages
fleet_messages_received_total{queue=\"a\"} 3
fleet_messages_received_total{queue=\"b\"} 4
fleet_messages_received_total_bytes{queue=\"b\"} 100
fleet_acks_total{queue=\"a\",result=\"confirmed\"} 5
fleet_acks_total{queue=\"a\",result=\"unconfirmed\"} 1
fleet_outbox_published_total 9
fleet_outbox_pending NaN
fleet_sqs_requests_total{operation=\"other\",result=\"ok\"} 20
fleet_sqs_requests_total{operation=\"other\",result=\"unreachable\"} 2
fleet_sqs_requests_total{operation=\"other\",result=\"abandoned\"} 1
";
        let expected = Totals {
            received: Some(7),
            acks_confirmed: Some(5),
            acks_unconfirmed: Some(1),
            published: Some(9),
            requests: Some(23),
            unanswered: Some(3),
            ..Totals::default()
        };
        assert_eq!(Totals::of_page(page), expected);
        assert_eq!(Totals::of_page(""), Totals::default());
    }
}
