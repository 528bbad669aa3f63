use std::fmt;
use std::time::Duration;

use super::group_policy::GroupPolicy;
use super::rate::RateLimit;
use super::reader::{Reader, anything, within};
use super::service::ServiceConfig;
use super::transit::check_encrypted;
use super::value::Value;

/// What a receive may take beyond its wait (5 s until its attempt times out),
/// and what giving back its messages takes then (3 s): a grace must hold both.
pub const RECEIVE_TAIL: Duration = Duration::from_secs(8);

/// Enough to hide a network round trip behind work, few enough for one core and
/// the default pool of connections.
const CONCURRENCY: usize = 16;

/// Permits beyond this would only hold leases that nobody works on.
const CONCURRENCY_MAX: usize = 10_000;

/// A job that takes longer than half a minute should say so.
const HANDLER_TIMEOUT: Duration = Duration::from_secs(30);

/// SQS ends every lease 12 hours after its receive; five minutes are left for
/// the heartbeat and the settlement.
const HANDLER_TIMEOUT_RANGE: (Duration, Duration) = (
    Duration::from_millis(1),
    Duration::from_secs(12 * 3600 - 300),
);

/// With backoff, five attempts outlast a blip but not a bug.
const MAX_ATTEMPTS: u32 = 5;

/// The backstop on the queue is ten times this and ends at 1,000.
const MAX_ATTEMPTS_MAX: u32 = 100;

/// The longest that SQS allows: the fewest empty answers to pay for.
const RECEIVE_WAIT: Duration = Duration::from_secs(20);

/// The length at which SQS cuts a queue's name.
const QUEUE_NAME_LENGTH_MAX: usize = 80;

const QUEUE_URL_ADVICE: &str =
    "the queue's URL, such as https://sqs.eu-central-1.amazonaws.com/123456789012/orders";

/// How one consumer works.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConsumerConfig {
    /// The registered name, such as `billing`.
    pub name: String,
    /// `<CONSUMER>_QUEUE_URL`: the queue it consumes.
    pub queue_url: QueueUrl,
    /// `<CONSUMER>_CONCURRENCY`: how many messages it works on at once.
    pub concurrency: usize,
    /// `<CONSUMER>_HANDLER_TIMEOUT`: after how long a handler is cancelled.
    pub handler_timeout: Duration,
    /// `<CONSUMER>_MAX_ATTEMPTS`: the failures after which a message is dead-lettered.
    pub max_attempts: u32,
    /// `<CONSUMER>_RECEIVE_WAIT`: how long a receive waits for a message; whole seconds.
    pub receive_wait: Duration,
    /// `<CONSUMER>_RATE_LIMIT`: how many messages a second it receives at most.
    pub rate_limit: Option<RateLimit>,
    /// `<CONSUMER>_GROUP_POLICY`: what becomes of a group of a FIFO queue whose message failed for
    /// good; `None` on a standard queue.
    pub group_policy: Option<GroupPolicy>,
}

impl ConsumerConfig {
    /// Reads the section of the consumer `name` and checks it against the
    /// process's; `None` when the queue's URL is missing or malformed.
    pub fn read(reader: &mut Reader<'_>, name: &str, service: &ServiceConfig) -> Option<Self> {
        let prefix = consumer_prefix(name);
        let variable = |suffix: &str| format!("{prefix}_{suffix}");
        let (timeout_min, timeout_max) = HANDLER_TIMEOUT_RANGE;

        let queue_url = reader.required(&variable("QUEUE_URL"), QUEUE_URL_ADVICE, |_| Ok(()));
        let concurrency = reader.or_default(
            &variable("CONCURRENCY"),
            CONCURRENCY,
            within(1..=CONCURRENCY_MAX),
        );
        let handler_timeout = reader.or_default(
            &variable("HANDLER_TIMEOUT"),
            HANDLER_TIMEOUT,
            within(timeout_min..=timeout_max),
        );
        let max_attempts = reader.or_default(
            &variable("MAX_ATTEMPTS"),
            MAX_ATTEMPTS,
            within(1..=MAX_ATTEMPTS_MAX),
        );
        let receive_wait = reader.or_default(&variable("RECEIVE_WAIT"), RECEIVE_WAIT, long_poll);
        let rate_limit = reader.optional(&variable("RATE_LIMIT"), anything);

        let policy = reader.or_default(&variable("GROUP_POLICY"), GroupPolicy::default(), anything);
        let is_fifo = queue_url.as_ref().is_some_and(QueueUrl::is_fifo);
        if policy == GroupPolicy::Halt && !is_fifo && reader.is_sound(&[&variable("QUEUE_URL")]) {
            reader.problem(
                &variable("GROUP_POLICY"),
                "needs a FIFO queue, and this one keeps no order; give dead-letter, or the URL of a \
                 queue whose name ends in .fifo"
                    .to_owned(),
            );
        }
        check_wait(
            reader,
            &variable("RECEIVE_WAIT"),
            receive_wait,
            service.shutdown_grace,
        );
        warn_of_timeout(
            reader,
            &variable("HANDLER_TIMEOUT"),
            handler_timeout,
            service,
        );
        let name = name.to_owned();
        queue_url.map(|queue_url| Self {
            name,
            queue_url,
            concurrency,
            handler_timeout,
            max_attempts,
            receive_wait,
            rate_limit,
            group_policy: is_fifo.then_some(policy),
        })
    }
}

/// Returns what the variables of a consumer begin with: `mail-out` has
/// `MAIL_OUT_QUEUE_URL`.
pub fn consumer_prefix(name: &str) -> String {
    name.to_ascii_uppercase().replace('-', "_")
}

/// The address of a queue: `http(s)://host/account/name`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct QueueUrl(String);

impl QueueUrl {
    /// Returns the URL as the SDK wants it.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns the queue's name: the last part of the path.
    pub fn name(&self) -> &str {
        self.0
            .rsplit('/')
            .next()
            .expect("a split yields at least one part")
    }

    /// Tells whether the queue is a FIFO queue, which its name decides.
    pub fn is_fifo(&self) -> bool {
        self.name().ends_with(".fifo")
    }
}

impl fmt::Display for QueueUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Value for QueueUrl {
    fn parse(text: &str) -> Result<Self, String> {
        let rest = text
            .strip_prefix("https://")
            .or_else(|| text.strip_prefix("http://"));
        let mut parts = rest.unwrap_or_default().rsplit('/');
        let (name, account, host) = (
            parts.next(),
            parts.next(),
            parts.next_back().or(parts.next()),
        );
        let well_formed = name.is_some_and(is_queue_name)
            && account.is_some_and(|account| is_made_of(account, "-_"))
            && host.is_some_and(|host| is_made_of(host, "-.:[]"));
        if well_formed {
            check_encrypted(text).map(|()| Self(text.to_owned()))
        } else {
            Err(format!(
                "is not a queue's URL; set it to {QUEUE_URL_ADVICE}"
            ))
        }
    }

    fn render(&self) -> String {
        self.0.clone()
    }
}

/// Accepts up to 80 of A-Z, a-z, 0-9, `-` and `_`, the suffix `.fifo` included.
fn is_queue_name(name: &str) -> bool {
    name.len() <= QUEUE_NAME_LENGTH_MAX
        && is_made_of(name.strip_suffix(".fifo").unwrap_or(name), "-_")
}

fn is_made_of(text: &str, others: &str) -> bool {
    !text.is_empty()
        && text
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || others.contains(c))
}

fn long_poll(wait: &Duration) -> Result<(), String> {
    if wait.subsec_nanos() != 0 {
        return Err("is not what SQS can wait; give whole seconds from 0s to 20s".to_owned());
    }
    within(Duration::ZERO..=RECEIVE_WAIT)(wait)
}

fn check_wait(reader: &mut Reader<'_>, variable: &str, wait: Duration, grace: Duration) {
    if wait + RECEIVE_TAIL >= grace && reader.is_sound(&[variable, "SHUTDOWN_GRACE"]) {
        let (wait, grace, tail) = (wait.render(), grace.render(), RECEIVE_TAIL.render());
        reader.problem(
            variable,
            format!(
                "{wait} and {tail} do not fit into SHUTDOWN_GRACE={grace}, so the last receive \
                 could outlive the shutdown; lower this or raise SHUTDOWN_GRACE"
            ),
        );
    }
}

fn warn_of_timeout(
    reader: &mut Reader<'_>,
    variable: &str,
    timeout: Duration,
    service: &ServiceConfig,
) {
    if timeout > service.shutdown_grace && reader.is_sound(&[variable, "SHUTDOWN_GRACE"]) {
        let (timeout, grace) = (timeout.render(), service.shutdown_grace.render());
        reader.warning(
            variable,
            format!(
                "{timeout} is longer than SHUTDOWN_GRACE={grace}: a handler that needs it all is \
                 cancelled by a deploy and runs again"
            ),
        );
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::super::reader::{Loaded, load};
    use super::super::report::ConfigError;
    use super::*;

    const URL: &str = "http://127.0.0.1:9324/000000000000/billing";

    fn read(pairs: &[(&str, &str)]) -> Result<Loaded<ConsumerConfig>, ConfigError> {
        let mut env = BTreeMap::from([("BILLING_QUEUE_URL".to_owned(), URL.to_owned())]);
        env.extend(
            pairs
                .iter()
                .map(|(name, value)| ((*name).to_owned(), (*value).to_owned())),
        );
        let loaded = load(&env, |reader| {
            let service = ServiceConfig::read(reader);
            ConsumerConfig::read(reader, "billing", &service)
        })?;
        let settings = loaded.settings.expect("a sound section is complete");
        Ok(Loaded {
            settings,
            report: loaded.report,
        })
    }

    #[test]
    fn the_defaults_pass_their_own_check() {
        let loaded = read(&[]).expect("no problem");
        assert_eq!(loaded.report.warnings, []);
        assert_eq!(loaded.settings.concurrency, 16);
        let typed: Vec<_> = loaded
            .report
            .settings
            .iter()
            .filter_map(|setting| Some((setting.name.as_str(), setting.value.as_deref()?)))
            .collect();
        assert_eq!(
            read(&typed)
                .expect("the defaults, typed, are accepted")
                .settings,
            loaded.settings
        );
    }

    #[test]
    fn a_wait_that_outlives_the_grace_is_refused() {
        for (wait, grace, accepted) in [
            ("20s", "28s", false),
            ("20s", "29s", true),
            ("0s", "8s", false),
            ("1s", "10s", true),
        ] {
            let read = read(&[
                ("BILLING_RECEIVE_WAIT", wait),
                ("SHUTDOWN_GRACE", grace),
                ("BILLING_HANDLER_TIMEOUT", "1s"),
            ]);
            assert_eq!(read.is_ok(), accepted, "{wait} {grace}");
        }
    }

    #[test]
    fn a_consequence_of_a_malformed_variable_is_not_a_second_problem() {
        let error = read(&[("BILLING_RECEIVE_WAIT", "x"), ("SHUTDOWN_GRACE", "5s")]);
        assert_eq!(error.expect_err("malformed").problems.len(), 1);
    }

    #[test]
    fn a_timeout_above_the_grace_is_a_warning() {
        let loaded = read(&[("BILLING_HANDLER_TIMEOUT", "10m")]).expect("allowed");
        assert_eq!(loaded.report.warnings.len(), 1);
        assert!(
            loaded.report.warnings[0]
                .message
                .contains("10m is longer than SHUTDOWN_GRACE=30s")
        );
    }

    #[test]
    fn limits_are_named() {
        for (name, value) in [
            ("BILLING_CONCURRENCY", "0"),
            ("BILLING_CONCURRENCY", "10001"),
            ("BILLING_MAX_ATTEMPTS", "0"),
            ("BILLING_MAX_ATTEMPTS", "101"),
            ("BILLING_HANDLER_TIMEOUT", "0s"),
            ("BILLING_HANDLER_TIMEOUT", "12h"),
            ("BILLING_RECEIVE_WAIT", "21s"),
            ("BILLING_RECEIVE_WAIT", "500ms"),
            ("BILLING_RATE_LIMIT", "0"),
            ("BILLING_QUEUE_URL", ""),
        ] {
            let error = read(&[(name, value)]).expect_err(name);
            assert_eq!(error.problems[0].variable, name, "{error}");
        }
    }

    #[test]
    fn only_groups_of_a_fifo_queue_have_a_policy() {
        let fifo = ("BILLING_QUEUE_URL", "https://h/0/orders.fifo");
        let policy = |pairs: &[_]| read(pairs).map(|loaded| loaded.settings.group_policy);
        assert_eq!(policy(&[]).expect("no problem"), None);
        let default = policy(&[fifo]).expect("no problem");
        assert_eq!(default, Some(GroupPolicy::DeadLetter));
        let halt = ("BILLING_GROUP_POLICY", "halt");
        let halting = policy(&[fifo, halt]).expect("no problem");
        assert_eq!(halting, Some(GroupPolicy::Halt));
        let same = ("BILLING_GROUP_POLICY", "dead-letter");
        assert_eq!(policy(&[same]).expect("what a standard queue does"), None);

        for (pairs, what) in [
            (&[halt][..], "needs a FIFO queue"),
            (
                &[fifo, ("BILLING_GROUP_POLICY", "stop")],
                "dead-letter, halt",
            ),
        ] {
            let error = read(pairs).expect_err("a problem");
            let problem = &error.problems[0];
            assert_eq!(problem.variable, "BILLING_GROUP_POLICY");
            assert!(error.to_string().contains(what), "{error}");
        }
    }

    #[test]
    fn a_queue_url_has_a_host_an_account_and_a_name() {
        for (url, name) in [
            (URL, "billing"),
            (
                "https://sqs.eu-central-1.amazonaws.com/123456789012/orders.fifo",
                "orders.fifo",
            ),
            (
                "http://localhost:4566/queue/eu-central-1/000000000000/orders",
                "orders",
            ),
            ("http://[::1]:9324/000000000000/a-b_c", "a-b_c"),
        ] {
            assert_eq!(QueueUrl::parse(url).expect(url).name(), name);
        }
        for url in [
            "billing",
            "http://127.0.0.1:9324/billing",
            "http:///000000000000/billing",
            "http://user:secret@host/000000000000/billing",
            "sqs://host/000000000000/billing",
            "http://host/000000000000/",
            "http://host/000000000000/in-the-clear",
            "http://host/000000000000/bill ing",
            "http://host/000000000000/x?y=z",
        ] {
            assert!(QueueUrl::parse(url).is_err(), "{url}");
        }
        assert!(
            QueueUrl::parse("https://h/0/o.fifo")
                .expect("a queue")
                .is_fifo()
        );
    }

    #[test]
    fn a_hyphen_in_a_name_is_an_underscore_in_its_variables() {
        assert_eq!(consumer_prefix("mail-out"), "MAIL_OUT");
    }
}
