//! One rule of a plan: what goes wrong, and for which calls.

use super::arguments::{Arguments, number, probability};
use super::faults::{Face, Subject};
use super::kind::Kind;
use crate::limits::Millis;
use crate::span::parse_span;

/// Every operation of SQS, known to this server or not: what `ops` may name.
const OPERATIONS: [&str; 23] = [
    "AddPermission",
    "CancelMessageMoveTask",
    "ChangeMessageVisibility",
    "ChangeMessageVisibilityBatch",
    "CreateQueue",
    "DeleteMessage",
    "DeleteMessageBatch",
    "DeleteQueue",
    "GetQueueAttributes",
    "GetQueueUrl",
    "ListDeadLetterSourceQueues",
    "ListMessageMoveTasks",
    "ListQueues",
    "ListQueueTags",
    "PurgeQueue",
    "ReceiveMessage",
    "RemovePermission",
    "SendMessage",
    "SendMessageBatch",
    "SetQueueAttributes",
    "StartMessageMoveTask",
    "TagQueue",
    "UntagQueue",
];

/// A rule.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Rule {
    pub(super) name: &'static str,
    pub(super) kind: Kind,
    pub(super) rate: f64,
    pub(super) count: Option<u64>,
    /// `None` stands for all.
    operations: Option<Vec<&'static str>>,
    /// `None` stands for all.
    queues: Option<Vec<String>>,
    from: Millis,
    until: Option<Millis>,
}

impl Rule {
    /// Reads a rule such as `error rate=0.1`.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let mut words = text.split_whitespace();
        let kind = words.next().unwrap_or_default();
        let mut arguments = Arguments::parse(words)?;
        let (name, kind) = Kind::parse(kind, &mut arguments)?;
        let allowed = kind.operations().unwrap_or(&OPERATIONS);
        let operations = arguments.take("ops", |ops| operations(ops, allowed))?;
        let rule = Self {
            name,
            kind,
            rate: arguments.take("rate", probability)?.unwrap_or(1.0),
            count: arguments.take("count", number)?,
            operations: operations.or_else(|| kind.operations().map(<[_]>::to_vec)),
            queues: arguments.take("queue", queues)?,
            from: arguments.take("from", millis)?.unwrap_or_default(),
            until: arguments.take("until", millis)?,
        };
        arguments.finish()?;
        if rule.until.is_some_and(|until| until <= rule.from) {
            return Err("until must be later than from".to_owned());
        }
        Ok(rule)
    }

    /// Tells whether a call that comes so long after the plan was set is one of those meant.
    pub(super) fn covers(&self, call: &Subject<'_>, age: Millis) -> bool {
        let operation = |names: &Vec<&str>| names.contains(&call.operation);
        let queue = |names: &Vec<String>| {
            call.queue
                .is_some_and(|queue| names.iter().any(|name| name == queue))
        };
        age >= self.from
            && self.until.is_none_or(|until| age < until)
            && self.operations.as_ref().is_none_or(operation)
            && self.queues.as_ref().is_none_or(queue)
            && (call.face == Face::Wire || !self.kind.needs_connection())
    }
}

fn operations(text: &str, allowed: &'static [&'static str]) -> Result<Vec<&'static str>, String> {
    let find = |name| {
        let found = allowed.iter().copied().find(|known| *known == name);
        found.ok_or_else(|| format!("{name} is none; allowed are {}", allowed.join(", ")))
    };
    text.split(',').map(find).collect()
}

fn queues(text: &str) -> Result<Vec<String>, String> {
    Ok(text.split(',').map(str::to_owned).collect())
}

fn millis(text: &str) -> Result<Millis, String> {
    let span = parse_span(text)?;
    Millis::try_from(span.as_millis()).map_err(|_| "expected less time".to_owned())
}
