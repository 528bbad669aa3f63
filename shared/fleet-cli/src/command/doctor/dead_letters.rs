use std::time::Duration;

use fleet::queue::{QueueAttributes, RedriveAllow};
use fleet::service::config::Value as _;
use fleet::store::{DeadOnRecord, PRUNABLE};
use jiff::SignedDuration;

use super::facts::{DeadLetterQueue, Facts, QueueFacts};
use super::finding::{Examination, Fault, rules};
use super::queue::{arn_beside, check_encryption};
use super::remedy;

rules! {
    DEAD_LETTER_TYPE_DIFFERS = Error "dead-letter-queue-type-differs"
        "The dead-letter queue of a FIFO queue is a FIFO queue, that of a standard queue a standard queue; SQS moves nothing otherwise (SQS developer guide, \"Dead-letter queues\").";
    DEAD_LETTER_RETENTION_BELOW_SOURCE = Error "dead-letter-retention-below-source"
        "On standard queues the age of a message runs on when SQS moves it: one that is older than the dead-letter queue keeps is gone at once (SQS developer guide, \"Dead-letter queues\": message retention).";
    DEAD_LETTER_RETENTION_SHORT = Warning "dead-letter-retention-short"
        "Somebody has to look at a dead letter before SQS deletes it, holidays included; 14 days are the most and cost nothing more (SQS API reference, MessageRetentionPeriod).";
    DEAD_LETTER_QUEUE_REDRIVES = Error "dead-letter-queue-redrives"
        "Each look into it counts as a receive, and at its own maxReceiveCount SQS moves messages on; `dlq` refuses such a queue (SQS developer guide, \"Dead-letter queues\").";
    REDRIVE_ALLOW_EXCLUDES = Error "redrive-allow-policy-excludes"
        "SQS refuses the redrive policy of a source that the dead-letter queue does not admit, at its next change at the latest (SQS API reference, SetQueueAttributes: RedriveAllowPolicy).";
    REDRIVE_ALLOW_OPEN = Info "redrive-allow-policy-open"
        "Any queue of the account can send its dead messages here, where this consumer's operators would replay them (SQS API reference, SetQueueAttributes: RedriveAllowPolicy).";
    DEAD_LETTERS_NEAR_EXPIRY = Error "dead-letters-near-expiry"
        "SQS deletes a message at the end of its retention and tells nobody; the alert FleetDlqNearRetention begins at the same three days.";
    DEAD_LETTERS_UNCHECKED = Unchecked "dead-letters-unchecked"
        "SQS does not tell how old the oldest message is, and receiving them would count as a receive; the database has it on record.";
    DEAD_LETTERS_UNRECORDED = Info "dead-letters-unrecorded"
        "SQS moved them at maxReceiveCount or somebody sent them, so nothing is known of their age but by looking.";
    INBOX_FORGETS_EARLY = Error "inbox-forgets-early"
        "A message can wait in its queue, in the dead-letter queue, and after a replay in its queue again; an event that the inbox has forgotten by then is done twice (docs/reliability.md).";
}

/// How long before its end a dead letter is a finding, as the alert FleetDlqNearRetention has it.
const NEAR: SignedDuration = SignedDuration::from_hours(3 * 24);

/// The longest that SQS keeps a message. Source: SQS API reference, MessageRetentionPeriod.
const RETENTION_MAX: Duration = Duration::from_secs(14 * 86_400);

/// Judges each dead-letter queue against its source.
pub(super) fn check(examination: &mut Examination, facts: &Facts) {
    for one in &facts.queues {
        let (Ok(source), Some(Ok(dead))) = (&one.queue, &one.dead_letters) else {
            continue;
        };
        check_type(examination, one, dead);
        check_retention(examination, source, dead);
        check_policies(examination, one, source, dead);
        let subject = dead.subject();
        check_encryption(examination, &subject, &dead.url, &dead.attributes);
        check_inbox(examination, &one.subject(), source, dead);
        check_expiry(examination, dead, facts);
    }
}

fn check_type(examination: &mut Examination, one: &QueueFacts, dead: &DeadLetterQueue) {
    let source = &one.consumer.queue_url;
    let is_fifo = dead.name.ends_with(".fifo");
    let differs = (is_fifo != source.is_fifo()).then(|| {
        let kind = |is_fifo| {
            if is_fifo {
                "a FIFO queue"
            } else {
                "a standard queue"
            }
        };
        let (ours, theirs) = (kind(source.is_fifo()), kind(is_fifo));
        let name = remedy::dead_letter_name(source.name());
        let create = remedy::create_queue(&name, "MessageRetentionPeriod=1209600");
        Fault::new(
            format!("it is {theirs}, and {} is {ours}", source.name()),
            create,
        )
        .then("name it in the redrive policy of the source")
    });
    examination.judge(&DEAD_LETTER_TYPE_DIFFERS, &dead.subject(), differs);
}

fn check_retention(
    examination: &mut Examination,
    source: &QueueAttributes,
    dead: &DeadLetterQueue,
) {
    let subject = dead.subject();
    let (given, of_source) = (dead.attributes.retention, source.retention);
    let set = || remedy::set_secs(&dead.url, "MessageRetentionPeriod", RETENTION_MAX);
    let kept = given.render();
    if given < of_source {
        let what = format!(
            "it keeps messages for {kept}, its source for {}",
            of_source.render()
        );
        let fault = Fault::new(what, set());
        return examination.find(&DEAD_LETTER_RETENTION_BELOW_SOURCE, &subject, fault);
    }
    examination.judge(&DEAD_LETTER_RETENTION_BELOW_SOURCE, &subject, None);
    let short = (given < RETENTION_MAX)
        .then(|| Fault::new(format!("it keeps messages for {kept} of 14d"), set()));
    examination.judge(&DEAD_LETTER_RETENTION_SHORT, &subject, short);
}

fn check_policies(
    examination: &mut Examination,
    one: &QueueFacts,
    source: &QueueAttributes,
    dead: &DeadLetterQueue,
) {
    let subject = dead.subject();
    let next = dead.attributes.dead_letter_queue.as_ref();
    let redrives = next.map(|next| {
        let what = format!("it has a redrive policy itself, to {next}");
        Fault::new(what, remedy::remove_redrive(&dead.url))
    });
    examination.judge(&DEAD_LETTER_QUEUE_REDRIVES, &subject, redrives);
    let arn = arn_beside(source, one.consumer.queue_url.name());
    let allow = |others: &[String]| {
        let mut sources: Vec<&str> = others.iter().map(String::as_str).collect();
        sources.push(&arn);
        remedy::set_redrive_allow(&dead.url, &sources)
    };
    let excludes = |what: &str, others: &[String]| {
        Some(Fault::new(
            format!("{what}, and {arn} is its source"),
            allow(others),
        ))
    };
    let excluded = match &dead.attributes.redrive_allow {
        RedriveAllow::All => None,
        RedriveAllow::Queues(sources) if sources.contains(&arn) => None,
        RedriveAllow::Queues(sources) => {
            excludes("its redrive-allow policy names other queues", sources)
        }
        RedriveAllow::Nobody => excludes("its redrive-allow policy admits no queue", &[]),
        RedriveAllow::Unreadable => excludes("its redrive-allow policy cannot be read", &[]),
    };
    examination.judge(&REDRIVE_ALLOW_EXCLUDES, &subject, excluded);
    let open = (dead.attributes.redrive_allow == RedriveAllow::All)
        .then(|| Fault::new("its redrive-allow policy admits every queue", allow(&[])));
    examination.judge(&REDRIVE_ALLOW_OPEN, &subject, open);
}

fn check_inbox(
    examination: &mut Examination,
    subject: &str,
    source: &QueueAttributes,
    dead: &DeadLetterQueue,
) {
    let inbox = PRUNABLE.iter().find(|prunable| prunable.table == "inbox");
    let Some(inbox) = inbox else { return };
    let needed = 2 * source.retention + dead.attributes.retention;
    let early = (needed >= inbox.kept).then(|| {
        let what = format!(
            "a message can be on its way for {}, and the inbox knows it for {}",
            needed.render(),
            inbox.kept.render(),
        );
        Fault::new(what, "shorten MessageRetentionPeriod of the source")
    });
    examination.judge(&INBOX_FORGETS_EARLY, subject, early);
}

fn check_expiry(examination: &mut Examination, dead: &DeadLetterQueue, facts: &Facts) {
    let (subject, depth) = (dead.subject(), dead.depth());
    if depth == 0 {
        return examination.judge(&DEAD_LETTERS_NEAR_EXPIRY, &subject, None);
    }
    let Some(roster) = facts.roster() else {
        let fix = "let `doctor` reach the database: DATABASE_URL";
        let fault = Fault::new(format!("about {depth} messages of unknown age"), fix);
        return examination.find(&DEAD_LETTERS_UNCHECKED, &subject, fault);
    };
    let on_record = roster.dead.iter().find(|one| one.queue == dead.name);
    let near = on_record.and_then(|record| near_expiry(record, dead, facts));
    examination.judge(&DEAD_LETTERS_NEAR_EXPIRY, &subject, near);
    let unknown = depth.saturating_sub(on_record.map_or(0, |record| record.count));
    let unrecorded = (unknown > 0).then(|| {
        let what = format!("about {unknown} of {depth} messages are not on record");
        Fault::new(what, format!("{} dlq ls {}", facts.program, dead.name))
    });
    examination.judge(&DEAD_LETTERS_UNRECORDED, &subject, unrecorded);
}

fn near_expiry(record: &DeadOnRecord, dead: &DeadLetterQueue, facts: &Facts) -> Option<Fault> {
    let kept = SignedDuration::try_from(dead.attributes.retention).unwrap_or(SignedDuration::MAX);
    let left = kept.saturating_sub(facts.now.duration_since(record.oldest));
    (left < NEAR).then(|| {
        let what = format!(
            "{} dead letters are on record, and SQS deletes the oldest in {} h",
            record.count,
            left.as_hours().max(0),
        );
        Fault::new(what, format!("{} dlq group {}", facts.program, dead.name)).then(format!(
            "{} dlq replay {}, or export it",
            facts.program, dead.name
        ))
    })
}

#[cfg(test)]
mod tests {
    use super::super::finding::looking::codes;
    use super::super::testing;
    use super::*;

    const DAY: u64 = 86_400;

    fn found(change: impl FnOnce(&mut Facts)) -> Vec<&'static str> {
        let mut facts = testing::facts(&[]);
        change(&mut facts);
        codes(|examination| check(examination, &facts))
    }

    fn dead(facts: &mut Facts) -> &mut DeadLetterQueue {
        let dead = facts.queues[0].dead_letters.as_mut();
        dead.and_then(|dead| dead.as_mut().ok())
            .expect("it was looked at")
    }

    #[test]
    fn a_dead_letter_queue_fits_its_source() {
        assert_eq!(found(|_| {}), [""; 0]);
        let of_type = found(|facts| dead(facts).name = "billing-dlq.fifo".to_owned());
        assert_eq!(of_type, ["dead-letter-queue-type-differs"]);
        let redrives = found(|facts| {
            dead(facts).attributes.dead_letter_queue = Some("further".to_owned());
        });
        assert_eq!(redrives, ["dead-letter-queue-redrives"]);
    }

    #[test]
    fn a_dead_letter_is_kept_as_long_as_can_be() {
        for (source, days, expected) in [
            (4, 14, &[][..]),
            (14, 14, &[]),
            (4, 13, &["dead-letter-retention-short"]),
            (4, 4, &["dead-letter-retention-short"]),
            (4, 3, &["dead-letter-retention-below-source"]),
            (
                16,
                14,
                &["dead-letter-retention-below-source", "inbox-forgets-early"],
            ),
        ] {
            let codes = found(|facts| {
                let queue = facts.queues[0].queue.as_mut().expect("it was looked at");
                queue.retention = Duration::from_secs(source * DAY);
                dead(facts).attributes.retention = Duration::from_secs(days * DAY);
            });
            assert_eq!(codes, expected, "{source} {days}");
        }
    }

    #[test]
    fn a_dead_letter_queue_admits_its_source() {
        let queues = |arn: &str| RedriveAllow::Queues(vec![arn.to_owned()]);
        for (policy, expected) in [
            (queues(testing::ARN), &[][..]),
            (
                queues("arn:aws:sqs:eu-central-1:123456789012:mail"),
                &["redrive-allow-policy-excludes"],
            ),
            (RedriveAllow::Nobody, &["redrive-allow-policy-excludes"]),
            (RedriveAllow::Unreadable, &["redrive-allow-policy-excludes"]),
            (RedriveAllow::All, &["redrive-allow-policy-open"]),
        ] {
            let codes = found(|facts| dead(facts).attributes.redrive_allow = policy.clone());
            assert_eq!(codes, expected, "{policy:?}");
        }
    }

    #[test]
    fn dead_letters_that_are_about_to_go_are_told_of() {
        for (depth, on_record, days, expected) in [
            (0, 7, 13, &[][..]),
            (7, 7, 1, &[]),
            (7, 7, 11, &[]),
            (7, 7, 12, &["dead-letters-near-expiry"]),
            (9, 7, 1, &["dead-letters-unrecorded"]),
            (9, 0, 1, &["dead-letters-unrecorded"]),
        ] {
            let codes = found(|facts| {
                dead(facts).attributes.visible = depth;
                testing::record_dead(facts, on_record, days);
            });
            assert_eq!(codes, expected, "{depth} {on_record} {days}");
        }
        let unchecked = found(|facts| {
            dead(facts).attributes.in_flight = 1;
            facts.database = None;
        });
        assert_eq!(unchecked, ["dead-letters-unchecked"]);
    }
}
