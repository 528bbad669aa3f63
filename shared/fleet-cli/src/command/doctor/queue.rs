use std::time::Duration;

use fleet::queue::{Encryption, QueueAttributes};
use fleet::service::config::{GroupPolicy, ServiceConfig, Value as _, consumer_prefix};

use super::facts::{Facts, QueueFacts};
use super::finding::{Examination, Fault, rules};
use super::remedy::{self, secs_up};
use crate::lookup;

rules! {
    VISIBILITY_TOO_SHORT = Error "visibility-too-short"
        "A lease runs from when the receive was sent, which may take its wait and 5 s; half of it has to be left when the messages arrive, so a consumer refuses less than twice that (SQS developer guide, \"Visibility timeout\").";
    VISIBILITY_BELOW_P99 = Warning "visibility-below-p99"
        "One message in a hundred lives on heartbeats: a process that freezes or is cut off from SQS for that long loses it, and it is worked on twice (SQS developer guide, \"Visibility timeout\": the longest time that processing usually takes).";
    VISIBILITY_BELOW_HANDLER_TIMEOUT = Info "visibility-below-handler-timeout"
        "Heartbeats extend the lease of a handler that takes longer, which costs a request each time; with a longer visibility timeout none is needed (SQS developer guide, \"Visibility timeout\").";
    REDRIVE_POLICY_MISSING = Error "redrive-policy-missing"
        "Without it there is no dead-letter queue: a consumer refuses to start, since what fails for good would circulate until its retention ends (SQS developer guide, \"Dead-letter queues\").";
    MAX_RECEIVES_BELOW_THREE = Error "max-receives-below-three"
        "SQS counts a receive whose answer was lost, so that a message can be moved to the dead-letter queue that no consumer ever saw (SQS developer guide, \"Dead-letter queues\": maxReceiveCount).";
    MAX_RECEIVES_BELOW_GRACE = Error "max-receives-below-grace"
        "While a deploy rolls, a message of a type that is still unknown is received once a minute; SQS would move it before UNKNOWN_TYPE_GRACE has passed, and a consumer refuses to start (docs/configuration.md).";
    MAX_RECEIVES_LOW = Warning "max-receives-low"
        "The fleet counts its own attempts; the redrive policy is a backstop. SQS's count also grows by deploys, outages and looks into the queue, and moves messages that never failed (docs/reliability.md).";
    MAX_RECEIVES_BELOW_HALT = Warning "max-receives-below-halt"
        "With GROUP_POLICY=halt a failed message is tried again every five minutes while its group stands still; at maxReceiveCount SQS moves it, and the group goes on out of order (docs/configuration.md).";
    QUEUE_POLLS_SHORT = Info "queue-polls-short"
        "The fleet says at every receive how long it waits. Other consumers of the queue, and people with a shell, get short polls: empty answers although there are messages, each of which costs (SQS developer guide, \"Short and long polling\").";
    RECEIVE_WAIT_ZERO = Info "receive-wait-zero"
        "A receive that does not wait asks only some of SQS's servers, and an idle consumer pays for every empty answer (SQS developer guide, \"Short and long polling\").";
    ENCRYPTION_OFF = Warning "encryption-off"
        "Bodies lie unencrypted on AWS's disks; encryption with SQS's own key costs nothing and is the default of new queues (SQS developer guide, \"Encryption at rest\").";
    KMS_KEY_REUSE_SHORT = Info "kms-key-reuse-short"
        "Each data key is a paid call of KMS, whose throttling stops sends and receives (SQS developer guide, \"Key management\").";
}

/// What a backstop usually is: the count that `dev` and the documentation use.
const RECEIVES_USUAL: u64 = 100;

/// The most receives that a redrive policy can allow. Source: SQS API reference, SetQueueAttributes.
const RECEIVES_MAX: u64 = 1_000;

/// How long SQS uses a data key of KMS by default.
const KEY_REUSE_USUAL: Duration = Duration::from_secs(300);

/// Judges the settings of each queue against those of its consumer.
pub(super) fn check(examination: &mut Examination, facts: &Facts) {
    for one in &facts.queues {
        let Ok(queue) = &one.queue else { continue };
        check_visibility(examination, one, queue, facts);
        check_receives(examination, one, queue, &facts.pieces.service);
        check_polling(examination, one, queue);
        let url = one.consumer.queue_url.as_str();
        check_encryption(examination, &one.subject(), url, queue);
    }
}

fn check_visibility(
    examination: &mut Examination,
    one: &QueueFacts,
    queue: &QueueAttributes,
    facts: &Facts,
) {
    let (config, subject) = (&one.consumer, one.subject());
    let prefix = consumer_prefix(&config.name);
    let given = queue.visibility_timeout;
    let min = lookup::visibility_min(config);
    let timeout = config.handler_timeout;
    let set =
        |value: Duration| remedy::set_secs(config.queue_url.as_str(), "VisibilityTimeout", value);
    let short = (given < min).then(|| {
        let what = format!(
            "the visibility timeout is {}, and {prefix}_RECEIVE_WAIT={} needs at least {}",
            given.render(),
            config.receive_wait.render(),
            min.render(),
        );
        Fault::new(what, set(min.max(timeout)))
    });
    examination.judge(&VISIBILITY_TOO_SHORT, &subject, short);
    if let Some(p99) = facts.p99_of(&config.name) {
        let short = (given <= p99).then(|| {
            let what = format!(
                "the visibility timeout is {}, and 1 in 100 messages took {} s or longer lately",
                given.render(),
                secs_up(p99),
            );
            Fault::new(what, set((2 * p99).max(min)))
        });
        examination.judge(&VISIBILITY_BELOW_P99, &subject, short);
    }
    let below = (given < timeout).then(|| {
        let what = format!(
            "the visibility timeout is {}, and {prefix}_HANDLER_TIMEOUT is {}",
            given.render(),
            timeout.render(),
        );
        Fault::new(what, set(timeout.max(min)))
    });
    examination.judge(&VISIBILITY_BELOW_HANDLER_TIMEOUT, &subject, below);
}

fn check_receives(
    examination: &mut Examination,
    one: &QueueFacts,
    queue: &QueueAttributes,
    service: &ServiceConfig,
) {
    let (config, subject) = (&one.consumer, one.subject());
    let url = config.queue_url.as_str();
    let Some(name) = &queue.dead_letter_queue else {
        let name = remedy::dead_letter_name(config.queue_url.name());
        let fault = Fault::new(
            "it has no redrive policy",
            remedy::create_queue(&name, "MessageRetentionPeriod=1209600"),
        );
        let set = remedy::set_redrive(url, &arn_beside(queue, &name), RECEIVES_USUAL);
        return examination.find(&REDRIVE_POLICY_MISSING, &subject, fault.then(set));
    };
    examination.judge(&REDRIVE_POLICY_MISSING, &subject, None);
    let given = u64::from(queue.max_receive_count.unwrap_or(0));
    let min = lookup::receives_min(config, service);
    let advised = lookup::receives_advised(config);
    let is_halting = config.group_policy == Some(GroupPolicy::Halt);
    let halted = if is_halting {
        lookup::HALTED_RECEIVES_MIN
    } else {
        0
    };
    let needed = min.max(advised).max(halted);
    let needed = needed.clamp(RECEIVES_USUAL, RECEIVES_MAX);
    let grace = service.unknown_type_grace.render();
    let attempts = config.max_attempts;
    for (rule, least, because) in [
        (
            &MAX_RECEIVES_BELOW_THREE,
            3,
            "any consumer needs".to_owned(),
        ),
        (
            &MAX_RECEIVES_BELOW_GRACE,
            min,
            format!("UNKNOWN_TYPE_GRACE={grace} needs"),
        ),
        (
            &MAX_RECEIVES_LOW,
            advised,
            format!("{attempts} attempts should have"),
        ),
        (
            &MAX_RECEIVES_BELOW_HALT,
            halted,
            "a group that halts for a day needs".to_owned(),
        ),
    ] {
        if given >= least {
            examination.judge(rule, &subject, None);
            continue;
        }
        let what = format!("maxReceiveCount is {given}, and {because} at least {least}");
        let fault = match least > RECEIVES_MAX {
            true => Fault::new(what, "shorten the grace: UNKNOWN_TYPE_GRACE=1h"),
            false => {
                let set = remedy::set_redrive(url, &arn_beside(queue, name), needed);
                Fault::new(what, set)
            }
        };
        // The other rules ask for more of the same.
        return examination.find(rule, &subject, fault);
    }
}

fn check_polling(examination: &mut Examination, one: &QueueFacts, queue: &QueueAttributes) {
    let (config, subject) = (&one.consumer, one.subject());
    let url = config.queue_url.as_str();
    let short = queue.receive_wait.is_zero().then(|| {
        Fault::new(
            "its ReceiveMessageWaitTimeSeconds is 0",
            remedy::set_attribute(url, "ReceiveMessageWaitTimeSeconds", 20),
        )
    });
    examination.judge(&QUEUE_POLLS_SHORT, &subject, short);
    let variable = format!("{}_RECEIVE_WAIT", consumer_prefix(&config.name));
    let zero = config
        .receive_wait
        .is_zero()
        .then(|| Fault::new(format!("{variable} is 0s"), format!("{variable}=20s")));
    examination.judge(&RECEIVE_WAIT_ZERO, &subject, zero);
}

/// Judges how a queue encrypts; one that does not say is not judged.
pub(super) fn check_encryption(
    examination: &mut Examination,
    subject: &str,
    url: &str,
    queue: &QueueAttributes,
) {
    let off = match &queue.encryption {
        Encryption::Unknown => return,
        Encryption::Off => Some(Fault::new(
            "it does not encrypt what it holds",
            remedy::set_attribute(url, "SqsManagedSseEnabled", true),
        )),
        Encryption::Sqs | Encryption::Kms { .. } => None,
    };
    examination.judge(&ENCRYPTION_OFF, subject, off);
    if let Encryption::Kms { key_reuse } = &queue.encryption {
        let short = key_reuse
            .filter(|reuse| *reuse < KEY_REUSE_USUAL)
            .map(|reuse| {
                let what = format!("a data key of KMS is used for {} only", reuse.render());
                let name = "KmsDataKeyReusePeriodSeconds";
                Fault::new(what, remedy::set_secs(url, name, KEY_REUSE_USUAL))
            });
        examination.judge(&KMS_KEY_REUSE_SHORT, subject, short);
    }
}

/// Returns the ARN of another queue of the same account and region.
pub(super) fn arn_beside(queue: &QueueAttributes, name: &str) -> String {
    let arn = queue
        .arn
        .as_deref()
        .unwrap_or("arn:aws:sqs:REGION:ACCOUNT:");
    let (account, _) = arn.rsplit_once(':').unwrap_or((arn, ""));
    format!("{account}:{name}")
}

#[cfg(test)]
mod tests {
    use super::super::finding::looking::{codes, one};
    use super::super::testing;
    use super::*;

    const SECS: fn(u64) -> Duration = Duration::from_secs;

    /// Checks a queue that is well but for one thing.
    fn found(
        pairs: &[(&str, &str)],
        change: impl FnOnce(&mut QueueAttributes),
        p99_ms: Option<f64>,
    ) -> (Facts, Vec<&'static str>) {
        let mut facts = testing::facts(pairs);
        change(facts.queues[0].queue.as_mut().expect("it was looked at"));
        testing::measure(&mut facts, p99_ms);
        let codes = codes(|examination| check(examination, &facts));
        (facts, codes)
    }

    #[test]
    fn the_visibility_timeout_covers_wait_work_and_timeout() {
        for (visibility, wait, timeout, p99_ms, expected) in [
            (60, "20s", "30s", None, &[][..]),
            (50, "20s", "30s", Some(900.0), &[]),
            (49, "20s", "30s", None, &["visibility-too-short"]),
            (12, "1s", "12s", None, &[]),
            (11, "1s", "1s", None, &["visibility-too-short"]),
            (
                60,
                "20s",
                "61s",
                None,
                &["visibility-below-handler-timeout"],
            ),
            (60, "20s", "30s", Some(60_000.0), &["visibility-below-p99"]),
            (60, "20s", "30s", Some(59_000.0), &[]),
        ] {
            let pairs = [
                ("BILLING_RECEIVE_WAIT", wait),
                ("BILLING_HANDLER_TIMEOUT", timeout),
            ];
            let change = |queue: &mut QueueAttributes| queue.visibility_timeout = SECS(visibility);
            let (_, codes) = found(&pairs, change, p99_ms);
            assert_eq!(codes, expected, "{visibility} {wait} {timeout} {p99_ms:?}");
        }
    }

    #[test]
    fn the_redrive_policy_is_a_backstop() {
        for (receives, grace, attempts, expected) in [
            (Some(100), "1h", "5", &[][..]),
            (Some(65), "1h", "5", &[]),
            (Some(64), "1h", "5", &["max-receives-below-grace"]),
            (Some(49), "1m", "5", &["max-receives-low"]),
            (Some(2), "0s", "1", &["max-receives-below-three"]),
            (Some(1), "1h", "5", &["max-receives-below-three"]),
            (None, "1h", "5", &["max-receives-below-three"]),
            (Some(1000), "20h", "5", &["max-receives-below-grace"]),
        ] {
            let pairs = [
                ("UNKNOWN_TYPE_GRACE", grace),
                ("BILLING_MAX_ATTEMPTS", attempts),
            ];
            let change = |queue: &mut QueueAttributes| queue.max_receive_count = receives;
            let (_, codes) = found(&pairs, change, None);
            assert_eq!(codes, expected, "{receives:?} {grace} {attempts}");
        }
        let halt = [
            ("BILLING_QUEUE_URL", testing::FIFO_URL),
            ("BILLING_GROUP_POLICY", "halt"),
        ];
        assert_eq!(found(&halt, |_| {}, None).1, ["max-receives-below-halt"]);
        let none = |queue: &mut QueueAttributes| queue.dead_letter_queue = None;
        assert_eq!(found(&[], none, None).1, ["redrive-policy-missing"]);
    }

    #[test]
    fn polling_and_encryption_are_looked_at() {
        let kms = |secs: u64| Encryption::Kms {
            key_reuse: Some(SECS(secs)),
        };
        for (encryption, expected) in [
            (Encryption::Unknown, &[][..]),
            (Encryption::Sqs, &[]),
            (kms(300), &[]),
            (kms(60), &["kms-key-reuse-short"]),
            (Encryption::Off, &["encryption-off"]),
        ] {
            let change = |queue: &mut QueueAttributes| queue.encryption = encryption.clone();
            assert_eq!(found(&[], change, None).1, expected, "{encryption:?}");
        }
        let short = |queue: &mut QueueAttributes| queue.receive_wait = Duration::ZERO;
        assert_eq!(found(&[], short, None).1, ["queue-polls-short"]);
        let zero = [("BILLING_RECEIVE_WAIT", "0s")];
        assert_eq!(found(&zero, |_| {}, None).1, ["receive-wait-zero"]);
    }

    #[test]
    fn the_remedy_satisfies_every_rule_at_once() {
        let change = |queue: &mut QueueAttributes| {
            queue.visibility_timeout = SECS(10);
            queue.max_receive_count = Some(1);
        };
        let pairs = [
            ("BILLING_HANDLER_TIMEOUT", "90s"),
            ("BILLING_MAX_ATTEMPTS", "20"),
        ];
        let (facts, _) = found(&pairs, change, None);
        let queue = facts.queues[0].queue.as_ref().expect("it was looked at");
        let (_, fix) = one(|examination| {
            check_receives(examination, &facts.queues[0], queue, &facts.pieces.service);
        });
        assert!(fix[0].contains(r#"\"maxReceiveCount\":\"200\""#), "{fix:?}");
        assert!(fix[0].contains("123456789012:billing-dlq"), "{fix:?}");
        let mut examination = Examination::default();
        check_visibility(&mut examination, &facts.queues[0], queue, &facts);
        let fix = &examination.findings[0].fix;
        assert!(fix[0].ends_with("VisibilityTimeout=90"), "{fix:?}");
    }
}
