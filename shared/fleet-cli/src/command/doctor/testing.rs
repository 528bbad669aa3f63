//! Facts with which nothing is wrong.

use std::collections::BTreeMap;
use std::time::Duration;

use fleet::Consumer;
use fleet::queue::{Encryption, QueueAttributes, RedriveAllow};
use fleet::store::{
    Checkup, ConsumerStanding, DeadOnRecord, Pause, Process, Roster, Server, Sighting, Subscription,
};
use jiff::{SignedDuration, Timestamp};

use super::facts::{DatabaseFacts, DeadLetterQueue, Facts, Offset, QueueFacts};
use crate::settings::piecewise;

pub(super) const URL: &str = "https://sqs.eu-central-1.amazonaws.com/123456789012/billing";
pub(super) const FIFO_URL: &str =
    "https://sqs.eu-central-1.amazonaws.com/123456789012/billing.fifo";
pub(super) const ARN: &str = "arn:aws:sqs:eu-central-1:123456789012:billing";

const DAY: Duration = Duration::from_secs(86_400);

/// Makes the facts of a healthy fleet of one consumer, with some variables set.
pub(super) fn facts(pairs: &[(&str, &str)]) -> Facts {
    let usual = [
        ("DATABASE_URL", "postgres://fleet:hunter2@db.internal/shop"),
        ("AWS_REGION", "eu-central-1"),
        ("BILLING_QUEUE_URL", URL),
    ];
    let env: BTreeMap<_, _> = usual
        .iter()
        .chain(pairs)
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect();
    let pieces = piecewise(&env, &[&Consumer::new("billing")]);
    let queues = pieces.consumers.iter().cloned().map(|consumer| QueueFacts {
        consumer,
        queue: Ok(queue()),
        dead_letters: Some(Ok(dead_letters())),
    });
    let mut facts = Facts {
        program: "fleet",
        region: Some("eu-central-1".to_owned()),
        queues: queues.collect(),
        sqs_ahead: Some(Offset {
            ahead: SignedDuration::ZERO,
            give_or_take: SignedDuration::ZERO,
        }),
        database: pieces.database.clone().map(|config| DatabaseFacts {
            config,
            checkup: Ok(checkup()),
            lacking: Ok(Vec::new()),
            direct_is_pooled: None,
        }),
        registered: subscriptions(&["order.cancelled", "order.placed"]),
        now: Timestamp::now(),
        pieces,
    };
    subscribe(&mut facts, &["order.cancelled", "order.placed"]);
    facts
}

pub(super) fn server(facts: &mut Facts) -> &mut Server {
    let checkup = facts
        .database
        .as_mut()
        .map(|database| &mut database.checkup);
    &mut checkup
        .and_then(|checkup| checkup.as_mut().ok())
        .expect("it was asked")
        .server
}

/// Writes the table of subscriptions.
pub(super) fn subscribe(facts: &mut Facts, types: &[&str]) {
    roster(facts).subscriptions = subscriptions(types);
}

/// Pauses billing some time ago.
pub(super) fn pause(facts: &mut Facts, hours: i64) {
    let paused_at = facts.now - SignedDuration::from_hours(hours);
    roster(facts).pauses = vec![Pause {
        id: 1,
        consumer: "billing".to_owned(),
        reason: "prices are wrong".to_owned(),
        paused_by: "ann@shop".to_owned(),
        paused_at,
        until: None,
        resumed_by: None,
        is_on: true,
        left: None,
    }];
}

/// Writes dead letters down, the oldest some days ago.
pub(super) fn record_dead(facts: &mut Facts, count: u64, days: i64) {
    let oldest = facts.now - SignedDuration::from_hours(24 * days);
    let record = DeadOnRecord {
        queue: "billing-dlq".to_owned(),
        count,
        oldest,
    };
    roster(facts).dead = (count > 0).then_some(record).into_iter().collect();
}

/// Lets some processes run that have measured nothing.
pub(super) fn run_processes(facts: &mut Facts, count: usize) {
    let started_at = facts.now;
    roster(facts).processes = (0..count)
        .map(|number| {
            let process = Process {
                id: number.to_string(),
                host: "shop".to_owned(),
                pid: 7,
                kind: "run".to_owned(),
                version: "1.0.0".to_owned(),
                build: "unknown".to_owned(),
                started_at,
            };
            Sighting {
                process,
                consumers: vec![ConsumerStanding {
                    name: "billing".to_owned(),
                    ..ConsumerStanding::default()
                }],
                up: DAY,
                seen_ago: Duration::ZERO,
            }
        })
        .collect();
}

/// Lets two processes run, of which one has measured.
pub(super) fn measure(facts: &mut Facts, p99_ms: Option<f64>) {
    run_processes(facts, 2);
    roster(facts).processes[1].consumers[0].p99_ms = p99_ms;
}

fn roster(facts: &mut Facts) -> &mut Roster {
    let checkup = facts
        .database
        .as_mut()
        .map(|database| &mut database.checkup);
    let checkup = checkup.and_then(|checkup| checkup.as_mut().ok());
    checkup
        .and_then(|checkup| checkup.roster.as_mut().ok())
        .expect("it was read")
}

fn subscriptions(types: &[&str]) -> Vec<Subscription> {
    let subscription = |event_type: &&str| Subscription {
        event_type: (*event_type).to_owned(),
        consumer: "billing".to_owned(),
    };
    types.iter().map(subscription).collect()
}

fn queue() -> QueueAttributes {
    QueueAttributes {
        arn: Some(ARN.to_owned()),
        visibility_timeout: Duration::from_secs(60),
        retention: 4 * DAY,
        receive_wait: Duration::from_secs(20),
        dead_letter_queue: Some("billing-dlq".to_owned()),
        max_receive_count: Some(100),
        encryption: Encryption::Sqs,
        ..QueueAttributes::default()
    }
}

fn dead_letters() -> DeadLetterQueue {
    DeadLetterQueue {
        name: "billing-dlq".to_owned(),
        url: format!("{URL}-dlq"),
        attributes: QueueAttributes {
            retention: 14 * DAY,
            redrive_allow: RedriveAllow::Queues(vec![ARN.to_owned()]),
            encryption: Encryption::Sqs,
            ..QueueAttributes::default()
        },
    }
}

fn checkup() -> Checkup {
    Checkup {
        server: Server {
            database: "shop".to_owned(),
            role: "fleet".to_owned(),
            version: "16.4".to_owned(),
            version_num: 160_004,
            synchronous_commit: "on".to_owned(),
            fsync: true,
            full_page_writes: true,
            is_read_only: false,
            connections_max: 97,
            ahead: SignedDuration::ZERO,
            asked_for: Duration::ZERO,
            is_pooled: false,
        },
        roster: Ok(Roster::default()),
    }
}
