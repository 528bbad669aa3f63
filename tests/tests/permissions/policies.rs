//! The policies as files, read without Terraform.

use std::collections::BTreeSet;

use fleet_tests::programs::repository;
use fleet_tests::site::Site;
use serde_json::{Map, Value};
use tokio::process::Command;

pub(crate) const ROLES: [&str; 5] = ["autoscaler", "consumer", "operator", "producer", "relay"];

/// What a template calls the two queues, and which these are at a site.
const QUEUES: [(&str, &str); 2] = [("queue_arn", "billing"), ("dlq_arn", "billing-dlq")];

/// An action, such as `SendMessage`, and the queue it is about.
pub(crate) type Right = (String, String);

/// Returns the file of a policy as it is.
pub(crate) fn template(role: &str) -> String {
    let file = format!("infra/terraform/modules/queue/policies/{role}.json");
    std::fs::read_to_string(repository().join(&file)).expect(&file)
}

/// Returns the policy of a role for the queues of a site.
pub(crate) fn policy(role: &str) -> Value {
    let filled = QUEUES.iter().fold(template(role), |text, (name, queue)| {
        text.replace(&format!("${{{name}}}"), &arn(queue))
    });
    serde_json::from_str(&filled).expect("a policy is JSON")
}

fn arn(queue: &str) -> String {
    format!("arn:aws:sqs:us-east-1:000000000000:{queue}")
}

/// Returns every right that a policy gives.
pub(crate) fn rights(policy: &Value) -> BTreeSet<Right> {
    let statements = policy["Statement"].as_array().expect("it is a list");
    let mut rights = BTreeSet::new();
    for statement in statements {
        let queue = statement["Resource"].as_str().expect("it is one resource");
        let queue = queue.rsplit(':').next().unwrap_or_default();
        for action in statement["Action"].as_array().expect("it is a list") {
            let action = action.as_str().and_then(|text| text.strip_prefix("sqs:"));
            rights.insert((action.expect("of SQS").to_owned(), queue.to_owned()));
        }
    }
    rights
}

/// Returns the policy of a role without one right.
pub(crate) fn policy_without(role: &str, (action, queue): (&str, &str)) -> Value {
    let mut policy = policy(role);
    let action = Value::from(format!("sqs:{action}"));
    let statements = policy["Statement"].as_array_mut().expect("it is a list");
    let mut removed = 0;
    for statement in statements
        .iter_mut()
        .filter(|one| one["Resource"] == arn(queue))
    {
        let actions = statement["Action"].as_array_mut().expect("it is a list");
        let before = actions.len();
        actions.retain(|one| *one != action);
        removed += before - actions.len();
    }
    assert_eq!(removed, 1, "{role} has {action} on {queue} once");
    policy
}

/// Returns the access key of a role.
pub(crate) fn key(role: &str) -> String {
    format!("AKID{}", role.to_ascii_uppercase())
}

/// Gives each role its policy and nobody anything else.
pub(crate) fn enforce_all(site: &Site) {
    enforce(site, ROLES.map(|role| (key(role), policy(role))));
}

/// Gives these keys these policies and nobody anything else.
pub(crate) fn enforce(site: &Site, policies: impl IntoIterator<Item = (String, Value)>) {
    let lists = policies
        .into_iter()
        .map(|(key, policy)| (key, Value::from(vec![policy])));
    let text = Value::from(lists.collect::<Map<_, _>>()).to_string();
    let permissions = text.parse().expect("these are policies of what SQS does");
    site.sqs().set_permissions(permissions);
}

/// Makes the command line of a `fleet` with an access key.
pub(crate) fn fleet_with(site: &Site, key: &str, arguments: &[&str]) -> Command {
    let mut command = site.command(arguments);
    command.env("AWS_ACCESS_KEY_ID", key);
    command
}

/// Makes the command line of a `fleet` in a role.
pub(crate) fn fleet_as(site: &Site, role: &str, arguments: &[&str]) -> Command {
    fleet_with(site, &key(role), arguments)
}
