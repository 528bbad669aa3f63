use fleet::service::config::{Problem, consumer_prefix};

use super::finding::{Examination, Fault, rules};
use crate::settings::Pieces;

rules! {
    CONFIGURATION_INVALID = Error "configuration-invalid"
        "A serving command ends with exit code 2 at its start (docs/configuration.md).";
    CONFIGURATION_DOUBTFUL = Warning "configuration-doubtful"
        "It is allowed, and every start warns of it: a handler that takes longer than SHUTDOWN_GRACE is cancelled by each deploy and runs again (docs/configuration.md).";
    CONSUMERS_SHARE_A_QUEUE = Error "consumers-share-a-queue"
        "SQS gives a message to one receiver, so each consumer gets only a part of the events, and dead-letters the types that it does not know (SQS developer guide, \"Amazon SQS queue types\").";
}

const SUBJECT: &str = "configuration";

/// Judges what the environment says by itself.
pub(super) fn check(examination: &mut Examination, pieces: &Pieces) {
    let faults = [
        (
            &CONFIGURATION_INVALID,
            &pieces.problems,
            "give a value that docs/configuration.md allows",
        ),
        (
            &CONFIGURATION_DOUBTFUL,
            &pieces.warnings,
            "lower it, or raise SHUTDOWN_GRACE",
        ),
    ];
    for (rule, problems, usual) in faults {
        for Problem { variable, message } in problems {
            // Most messages end with what to do.
            let (what, remedy) = message.split_once("; ").unwrap_or((message, usual));
            let fault = Fault::new(what, format!("{variable}: {remedy}"));
            examination.find(rule, variable, fault);
        }
        if problems.is_empty() {
            examination.judge(rule, SUBJECT, None);
        }
    }
    check_sharing(examination, pieces);
}

fn check_sharing(examination: &mut Examination, pieces: &Pieces) {
    let consumers = &pieces.consumers;
    for (index, consumer) in consumers.iter().enumerate() {
        let url = &consumer.queue_url;
        let others = consumers[..index].iter();
        let other = others.rev().find(|other| other.queue_url == *url);
        let fault = other.map(|other| {
            let prefix = consumer_prefix(&consumer.name);
            Fault::new(
                format!("{} and {} consume it both", other.name, consumer.name),
                format!(
                    "give {} a queue of its own: {prefix}_QUEUE_URL",
                    consumer.name
                ),
            )
        });
        let subject = format!("queue {}", url.name());
        examination.judge(&CONSUMERS_SHARE_A_QUEUE, &subject, fault);
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use fleet::Consumer;

    use super::super::finding::looking::{codes, one};
    use super::*;
    use crate::settings::piecewise;

    fn read(pairs: &[(&str, &str)]) -> Pieces {
        let sound = [
            ("DATABASE_URL", "postgres://u:hunter2@localhost/shop"),
            ("AWS_REGION", "eu-central-1"),
            (
                "BILLING_QUEUE_URL",
                "http://127.0.0.1:9324/000000000000/billing",
            ),
            ("MAIL_QUEUE_URL", "http://127.0.0.1:9324/000000000000/mail"),
        ];
        let env: BTreeMap<_, _> = sound
            .iter()
            .chain(pairs)
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect();
        piecewise(&env, &[&Consumer::new("billing"), &Consumer::new("mail")])
    }

    #[test]
    fn what_a_variable_lacks_is_the_remedy() {
        for (name, value, what, remedy) in [
            (
                "LOG_FORMAT",
                "xml",
                "\"xml\" is unknown",
                "LOG_FORMAT: give one of auto, json, text",
            ),
            (
                "BILLING_CONCURRENCY",
                "many",
                "\"many\" is not a whole number",
                "BILLING_CONCURRENCY: give a value that docs/configuration.md allows",
            ),
        ] {
            let pieces = read(&[(name, value)]);
            let found = one(|examination| check(examination, &pieces));
            assert_eq!(found, (what.to_owned(), vec![remedy.to_owned()]));
        }
    }

    #[test]
    fn each_problem_is_a_finding_and_what_is_sound_is_kept() {
        let billing = "http://127.0.0.1:9324/000000000000/billing";
        for (pairs, expected, consumers, has_database) in [
            (&[][..], &[][..], &["billing", "mail"][..], true),
            (
                &[("BILLING_CONCURRENCY", "many")],
                &["configuration-invalid"],
                &["mail"],
                true,
            ),
            (
                &[("LOG_FORMAT", "xml"), ("MAIL_HANDLER_TIMEOUT", "10m")],
                &["configuration-invalid", "configuration-doubtful"],
                &["billing", "mail"],
                true,
            ),
            (
                &[("SHUTDOWN_GRACE", "soon")],
                &["configuration-invalid"],
                &[],
                true,
            ),
            (
                &[("DATABASE_URL", "mysql://u:hunter2@localhost/shop")],
                &["configuration-invalid"],
                &["billing", "mail"],
                false,
            ),
            (
                &[("MAIL_HANDLER_TIMEOUT", "10m")],
                &["configuration-doubtful"],
                &["billing", "mail"],
                true,
            ),
            (
                &[("MAIL_QUEUE_URL", billing)],
                &["consumers-share-a-queue"],
                &["billing", "mail"],
                true,
            ),
        ] {
            let pieces = read(pairs);
            let names: Vec<_> = pieces.consumers.iter().map(|one| &*one.name).collect();
            assert_eq!(names, consumers, "{pairs:?}");
            assert_eq!(pieces.database.is_some(), has_database, "{pairs:?}");
            let found = codes(|examination| check(examination, &pieces));
            assert_eq!(found, expected, "{pairs:?}");
        }
    }
}
