//! A queue as a test sees it: inside sqs-local, without its HTTP.

use sqs_local::{
    CreateQueue, GetQueueAttributes, MessageAttributes, ReceiveMessage, ReceivedMessage,
    SendMessage, SetQueueAttributes, Sqs,
};

use crate::patience::until;

/// One queue.
#[derive(Clone, Debug)]
pub struct Mailbox {
    sqs: Sqs,
    url: String,
}

/// How many messages a queue holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Counts {
    /// Those that a receive would bring.
    pub visible: u64,
    /// Those that were received and not settled.
    pub in_flight: u64,
    /// Those that come later.
    pub delayed: u64,
}

impl Counts {
    /// A queue that holds nothing.
    pub const NONE: Self = Self {
        visible: 0,
        in_flight: 0,
        delayed: 0,
    };

    /// Returns how many there are in all.
    pub fn total(self) -> u64 {
        self.visible + self.in_flight + self.delayed
    }
}

impl Mailbox {
    /// Makes a queue, or finds it when it is there with these attributes.
    pub async fn create(sqs: &Sqs, name: &str, attributes: &[(&str, &str)]) -> Self {
        let attributes = attributes
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        let created = sqs
            .call(CreateQueue {
                queue_name: name.to_owned(),
                attributes: attributes.collect(),
                ..CreateQueue::default()
            })
            .await
            .expect("the queue is a legal one");
        Self {
            sqs: sqs.clone(),
            url: created.queue_url,
        }
    }

    /// Makes a queue with its dead-letter queue `NAME-dlq`, as the documentation recommends.
    ///
    /// `NAME.fifo` goes with `NAME-dlq.fifo`.
    pub async fn pair(sqs: &Sqs, name: &str) -> (Self, Self) {
        let fifo: &[_] = match name.ends_with(".fifo") {
            true => &[("FifoQueue", "true")],
            false => &[],
        };
        let dead_name = match name.strip_suffix(".fifo") {
            Some(stem) => format!("{stem}-dlq.fifo"),
            None => format!("{name}-dlq"),
        };
        let kept = [("MessageRetentionPeriod", "1209600")];
        let dead = Self::create(sqs, &dead_name, &[&kept, fifo].concat()).await;
        let redrive = serde_json::json!({
            "deadLetterTargetArn": format!("arn:aws:sqs:us-east-1:000000000000:{dead_name}"),
            "maxReceiveCount": 100,
        })
        .to_string();
        let usual = [("VisibilityTimeout", "60"), ("RedrivePolicy", &redrive)];
        let attributes = [&usual, fifo].concat();
        (Self::create(sqs, name, &attributes).await, dead)
    }

    /// Returns its URL.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Changes one of its attributes.
    pub async fn set(&self, name: &str, value: &str) {
        let set = SetQueueAttributes {
            queue_url: self.url.clone(),
            attributes: [(name.to_owned(), value.to_owned())].into(),
        };
        self.sqs.call(set).await.expect("the attribute is legal");
    }

    /// Sends a message and returns its MessageId.
    pub async fn send(&self, body: &str, attributes: MessageAttributes) -> String {
        let send = SendMessage {
            queue_url: self.url.clone(),
            message_body: body.to_owned(),
            message_attributes: attributes,
            ..SendMessage::default()
        };
        let sent = self.sqs.call(send).await.expect("SQS takes it");
        sent.message_id.to_string()
    }

    /// Counts its messages.
    pub async fn counts(&self) -> Counts {
        let get = GetQueueAttributes {
            queue_url: self.url.clone(),
            attribute_names: vec!["All".to_owned()],
        };
        let got = self.sqs.call(get).await.expect("the queue is there");
        let count = |state: &str| {
            let name = format!("ApproximateNumberOfMessages{state}");
            got.attributes[name.as_str()]
                .parse()
                .expect("a count is a number")
        };
        Counts {
            visible: count(""),
            in_flight: count("NotVisible"),
            delayed: count("Delayed"),
        }
    }

    /// Waits until it holds so many messages.
    pub async fn until_holds(&self, count: u64) {
        until(&format!("{} holds {count}", self.url), || async {
            (self.counts().await.total() == count).then_some(())
        })
        .await;
    }

    /// Receives everything that is visible; it comes back a minute later.
    pub async fn peek(&self) -> Vec<ReceivedMessage> {
        let mut all = Vec::new();
        loop {
            let receive = ReceiveMessage {
                queue_url: self.url.clone(),
                max_number_of_messages: Some(10),
                wait_time_seconds: Some(0),
                visibility_timeout: Some(60),
                message_attribute_names: vec!["All".to_owned()],
                ..ReceiveMessage::default()
            };
            let received = self.sqs.call(receive).await.expect("the queue is there");
            if received.messages.is_empty() {
                return all;
            }
            all.extend(received.messages);
        }
    }
}
