use fleet::queue::{QueueError, QueueErrorKind};
use fleet::service::config::consumer_prefix;

use super::facts::{Facts, QueueFacts, chain};
use super::finding::{Examination, Fault, Rule, rules};
use super::remedy;

rules! {
    QUEUE_MISSING = Error "queue-missing"
        "A consumer whose queue does not exist ends at its start with exit code 2; events for it stay in the outbox (SQS API reference, QueueDoesNotExist).";
    DEAD_LETTER_QUEUE_MISSING = Error "dead-letter-queue-missing"
        "What fails for good has nowhere to go: a consumer does not start without it, and SQS drops the message at the end of its retention (SQS developer guide, \"Dead-letter queues\").";
    ENDPOINT_UNREACHABLE = Error "endpoint-unreachable"
        "No answer came in time: consumers started now would wait for SQS and not be ready (docs/reliability.md).";
    CREDENTIALS_MISSING = Error "credentials-missing"
        "SQS answers signed requests only; the SDK looks in the environment, in profiles and at the instance's role (AWS SDKs reference guide, \"Credential providers\").";
    QUEUE_UNCHECKED = Unchecked "queue-unchecked"
        "SQS did not show the settings of this queue, so nothing is known of them.";
}

/// Judges whether each queue and its dead-letter queue can be looked at.
pub(super) fn check(examination: &mut Examination, facts: &Facts) {
    for one in &facts.queues {
        let subject = one.subject();
        match &one.queue {
            Ok(_) => {
                for rule in [&QUEUE_MISSING, &ENDPOINT_UNREACHABLE, &CREDENTIALS_MISSING] {
                    examination.judge(rule, &subject, None);
                }
            }
            Err(error) if error.kind == QueueErrorKind::NoSuchQueue => {
                examination.find(&QUEUE_MISSING, &subject, missing(one));
            }
            Err(error) => find_trouble(examination, &subject, error, facts),
        }
        let Ok(queue) = &one.queue else { continue };
        let Some(name) = &queue.dead_letter_queue else {
            continue;
        };
        let subject = format!("dead-letter queue {name}");
        match &one.dead_letters {
            None | Some(Ok(_)) => examination.judge(&DEAD_LETTER_QUEUE_MISSING, &subject, None),
            Some(Err(error)) if error.kind == QueueErrorKind::NoSuchQueue => {
                let what = format!("{} names it, and there is none", one.subject());
                let fix = remedy::create_queue(name, "MessageRetentionPeriod=1209600");
                examination.find(&DEAD_LETTER_QUEUE_MISSING, &subject, Fault::new(what, fix));
            }
            Some(Err(error)) => find_trouble(examination, &subject, error, facts),
        }
    }
}

fn missing(one: &QueueFacts) -> Fault {
    let url = &one.consumer.queue_url;
    let prefix = consumer_prefix(&one.consumer.name);
    let create = remedy::create_queue(url.name(), "VisibilityTimeout=60");
    Fault::new(format!("there is no queue at {url}"), create).then(format!(
        "or set {prefix}_QUEUE_URL to the URL of one that is there"
    ))
}

fn find_trouble(examination: &mut Examination, subject: &str, error: &QueueError, facts: &Facts) {
    let (rule, fix) = remedy_of(error, facts);
    examination.find(rule, subject, Fault::new(chain(error), fix));
}

fn remedy_of(error: &QueueError, facts: &Facts) -> (&'static Rule, String) {
    match error.kind {
        QueueErrorKind::Unreachable => {
            let endpoint = facts.pieces.aws.endpoint_url.as_deref();
            let fix = match endpoint {
                Some(_) => "set AWS_ENDPOINT_URL_SQS to an address that answers, or unset it",
                None => "let this machine reach SQS: AWS_REGION, DNS, routes, security groups",
            };
            (&ENDPOINT_UNREACHABLE, fix.to_owned())
        }
        // Without a code nobody has answered: there was nothing to sign with.
        QueueErrorKind::Credentials if error.code.is_none() => {
            let fix = "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE";
            (&CREDENTIALS_MISSING, fix.to_owned())
        }
        QueueErrorKind::Credentials => {
            let fix = "allow sqs:GetQueueAttributes and sqs:GetQueueUrl on this queue";
            (&QUEUE_UNCHECKED, fix.to_owned())
        }
        _ => (&QUEUE_UNCHECKED, "try again in a while".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::super::finding::looking::codes;
    use super::super::testing;
    use super::*;

    fn error(kind: QueueErrorKind, code: Option<&str>) -> QueueError {
        QueueError {
            operation: "GetQueueAttributes",
            kind,
            code: code.map(str::to_owned),
            source: None,
        }
    }

    #[test]
    fn a_queue_that_cannot_be_looked_at_is_a_finding() {
        use QueueErrorKind::{Credentials, NoSuchQueue, Server, Unreachable};
        for (kind, code, of_queue, of_dead) in [
            (
                NoSuchQueue,
                None,
                "queue-missing",
                "dead-letter-queue-missing",
            ),
            (
                Unreachable,
                None,
                "endpoint-unreachable",
                "endpoint-unreachable",
            ),
            (
                Credentials,
                None,
                "credentials-missing",
                "credentials-missing",
            ),
            (
                Credentials,
                Some("AccessDenied"),
                "queue-unchecked",
                "queue-unchecked",
            ),
            (
                Server,
                Some("InternalError"),
                "queue-unchecked",
                "queue-unchecked",
            ),
        ] {
            let mut facts = testing::facts(&[]);
            assert_eq!(codes(|examination| check(examination, &facts)), [""; 0]);
            facts.queues[0].dead_letters = Some(Err(error(kind, code)));
            assert_eq!(codes(|examination| check(examination, &facts)), [of_dead]);
            facts.queues[0].queue = Err(error(kind, code));
            facts.queues[0].dead_letters = None;
            assert_eq!(codes(|examination| check(examination, &facts)), [of_queue]);
        }
    }
}
