//! Lines that a person can type as they stand.

use std::time::Duration;

use serde_json::json;

/// Sets one attribute of a queue.
pub(super) fn set_attribute(url: &str, name: &str, value: impl std::fmt::Display) -> String {
    format!("aws sqs set-queue-attributes --queue-url {url} --attributes {name}={value}")
}

/// Sets an attribute of a queue to a duration.
pub(super) fn set_secs(url: &str, name: &str, value: Duration) -> String {
    set_attribute(url, name, secs_up(value))
}

/// Sets the redrive policy of a queue.
pub(super) fn set_redrive(url: &str, dead_letter_arn: &str, receives: u64) -> String {
    let policy = json!({
        "deadLetterTargetArn": dead_letter_arn,
        "maxReceiveCount": receives.to_string(),
    });
    set_policy(url, "RedrivePolicy", &policy)
}

/// Sets which queues may use a queue as their dead-letter queue.
pub(super) fn set_redrive_allow(url: &str, source_arns: &[&str]) -> String {
    let policy = json!({ "redrivePermission": "byQueue", "sourceQueueArns": source_arns });
    set_policy(url, "RedriveAllowPolicy", &policy)
}

/// Takes the redrive policy away from a queue.
pub(super) fn remove_redrive(url: &str) -> String {
    let attributes = json!({ "RedrivePolicy": "" });
    format!("aws sqs set-queue-attributes --queue-url {url} --attributes '{attributes}'")
}

fn set_policy(url: &str, name: &str, policy: &serde_json::Value) -> String {
    let attributes = json!({ name: policy.to_string() });
    format!("aws sqs set-queue-attributes --queue-url {url} --attributes '{attributes}'")
}

/// Makes a queue.
pub(super) fn create_queue(name: &str, attributes: &str) -> String {
    let fifo = match name.ends_with(".fifo") {
        true => ",FifoQueue=true",
        false => "",
    };
    format!("aws sqs create-queue --queue-name {name} --attributes {attributes}{fifo}")
}

/// Returns the usual name of the dead-letter queue of a queue.
pub(super) fn dead_letter_name(name: &str) -> String {
    match name.strip_suffix(".fifo") {
        Some(stem) => format!("{stem}-dlq.fifo"),
        None => format!("{name}-dlq"),
    }
}

/// Writes a name as an identifier between the quotes of a shell.
pub(super) fn identifier(name: &str) -> String {
    let quoted = format!("\"{}\"", name.replace('"', "\"\""));
    quoted.replace('\'', r"'\''")
}

/// Returns a duration in whole seconds, rounded up.
pub(super) fn secs_up(duration: Duration) -> u64 {
    duration.as_secs() + u64::from(duration.subsec_nanos() > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    const URL: &str = "https://sqs.eu-central-1.amazonaws.com/123456789012/billing";

    #[test]
    fn policies_are_json_in_json_between_quotes() {
        let line = set_redrive(
            URL,
            "arn:aws:sqs:eu-central-1:123456789012:billing-dlq",
            100,
        );
        let (_, attributes) = line
            .split_once(" --attributes ")
            .expect("it has attributes");
        let text = attributes.trim_matches('\'');
        let attributes: serde_json::Value = serde_json::from_str(text).expect("it is JSON");
        let policy = attributes["RedrivePolicy"].as_str().expect("it is text");
        let policy: serde_json::Value = serde_json::from_str(policy).expect("it is JSON");
        assert_eq!(policy["maxReceiveCount"], "100");
    }

    #[test]
    fn names_cannot_leave_their_quotes() {
        assert_eq!(identifier("shop"), "\"shop\"");
        assert_eq!(identifier("a\"b'c"), "\"a\"\"b'\\''c\"");
    }

    #[test]
    fn a_fifo_queue_has_a_fifo_dead_letter_queue() {
        assert_eq!(dead_letter_name("orders.fifo"), "orders-dlq.fifo");
        let line = create_queue("orders-dlq.fifo", "MessageRetentionPeriod=1209600");
        assert!(line.ends_with("=1209600,FifoQueue=true"), "{line}");
        assert_eq!(secs_up(Duration::from_millis(1_001)), 2);
    }
}
