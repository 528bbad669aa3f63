use std::collections::BTreeMap;

use fleet::message::Outgoing;
use fleet::queue::{ClientOptions, Queue as _, Sqs, SqsQueue};
use fleet_tests::patience::until;
use fleet_tests::site::Site;

use super::case::{Case, End};

/// A request holds no more messages.
const BATCH: usize = 10;

/// A request holds no more bytes: 1 MiB less what JSON and HTTP may be counted for.
const REQUEST_BYTES: usize = 1_000_000;

/// A fleet, and every message that it was sent.
pub(crate) struct Stage {
    pub(crate) site: Site,
    /// The cases by the MessageId that SQS gave them.
    pub(crate) sent: BTreeMap<String, Case>,
    /// Both queues, over HTTP.
    queue: SqsQueue,
    pub(crate) dead_letters: SqsQueue,
}

impl Stage {
    pub(crate) async fn open() -> Self {
        let site = Site::new().await.with("LOG_LEVEL", "trace");
        let account = Sqs::local(&site.endpoint());
        let url = &site.env["BILLING_QUEUE_URL"];
        let queue = |url: &str| account.queue(url, ClientOptions::calling());
        Self {
            queue: queue(url),
            dead_letters: queue(&format!("{url}-dlq")),
            sent: BTreeMap::new(),
            site,
        }
    }

    /// Sends messages in their order.
    pub(crate) async fn send(&mut self, cases: Vec<Case>) {
        let mut batch = Vec::new();
        for case in cases {
            let bytes: usize = batch
                .iter()
                .map(|case: &Case| case.message.size_bytes())
                .sum();
            if batch.len() == BATCH || bytes + case.message.size_bytes() > REQUEST_BYTES {
                self.send_batch(std::mem::take(&mut batch)).await;
            }
            batch.push(case);
        }
        self.send_batch(batch).await;
    }

    async fn send_batch(&mut self, cases: Vec<Case>) {
        let messages: Vec<Outgoing> = cases.iter().map(|case| case.message.clone()).collect();
        let sent = self.queue.send(&messages).await.expect("SQS answers");
        for (case, id) in cases.into_iter().zip(sent) {
            let id = id.unwrap_or_else(|error| panic!("{}: {error}", case.name));
            self.sent.insert(id.0, case);
        }
    }

    /// Returns the messages that should end so.
    pub(crate) fn ending(&self, is: impl Fn(&End) -> bool) -> impl Iterator<Item = (&str, &Case)> {
        let sent = self.sent.iter().map(|(id, case)| (id.as_str(), case));
        sent.filter(move |(_, case)| is(&case.end))
    }

    /// Waits until nothing is left in the queue but what should wait there.
    pub(crate) async fn until_settled(&self) {
        let waiting = self.ending(|end| *end == End::Waits).count() as u64;
        let given_back = "fleet.attempts where not charged";
        let is_settled = async || {
            self.site.queue.counts().await.total() == waiting
                && self.site.books.count(given_back).await == waiting
        };
        until(
            &format!("all but {waiting} messages are settled"),
            || async { is_settled().await.then_some(()) },
        )
        .await;
    }
}
