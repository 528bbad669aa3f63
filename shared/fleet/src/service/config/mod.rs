//! Configuration: read from the environment alone, every mistake of one start
//! in one report.
//!
//! A variable that is empty or blank counts as unset: its default holds, and
//! where a value is required the report says that it is empty.
//!
//! # Examples
//!
//! ```
//! use std::collections::BTreeMap;
//! use fleet::service::config::{ServiceConfig, load};
//!
//! let env = BTreeMap::from([("SHUTDOWN_GRACE".to_owned(), "45s".to_owned())]);
//! let loaded = load(&env, |reader| ServiceConfig::read(reader)).unwrap();
//! assert_eq!(loaded.settings.shutdown_grace.as_secs(), 45);
//! ```

// How a variable is read, in reading order (the formatter sorts within a block).
mod env;

mod value;

mod rate;

mod transit;

mod report;

mod reader;

// The sections.
mod otlp;

mod traces;

mod service;

mod database;

mod group_policy;

mod consumer;

mod aws;

pub use self::aws::AwsConfig;
pub use self::consumer::{ConsumerConfig, QueueUrl, RECEIVE_TAIL, consumer_prefix};
pub use self::database::DatabaseConfig;
pub use self::env::{Env, ProcessEnv};
pub use self::group_policy::GroupPolicy;
pub use self::otlp::{Endpoint, Headers, Ratio, ResourceAttributes, Sampler};
pub use self::rate::RateLimit;
pub use self::reader::{Loaded, Reader, anything, load, within};
pub use self::report::{ConfigError, Problem, Report, Setting, Source};
pub use self::service::{LogConfig, LogFormat, LogSuccess, ServiceConfig};
pub use self::traces::TracesConfig;
pub use self::transit::check_encrypted;
pub use self::value::{Secret, Value};

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    /// The variables of the page with their defaults, as its tables write them.
    fn documented() -> BTreeMap<String, String> {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/configuration.md");
        let page = std::fs::read_to_string(path).expect("docs/configuration.md is readable");
        page.lines()
            .filter_map(|line| line.strip_prefix("| `")?.split_once("` | "))
            .map(|(name, rest)| {
                let default = rest.split(" | ").next().expect("a split has a first part");
                (name.to_owned(), default.replace('`', ""))
            })
            .collect()
    }

    #[test]
    fn the_page_of_the_documentation_has_every_variable_and_its_default() {
        let required = ["DATABASE_URL", "BILLING_QUEUE_URL"];
        let env = BTreeMap::from([
            (
                "DATABASE_URL".to_owned(),
                "postgres://localhost/shop".to_owned(),
            ),
            (
                "BILLING_QUEUE_URL".to_owned(),
                "http://localhost/000000000000/billing".to_owned(),
            ),
            ("AWS_PROFILE".to_owned(), "shop".to_owned()),
        ]);
        let loaded = load(&env, |reader| {
            let service = ServiceConfig::read(reader);
            DatabaseConfig::read(reader);
            AwsConfig::read(reader);
            ConsumerConfig::read(reader, "billing", &service);
        })
        .expect("no problem");
        let read: BTreeMap<_, _> = loaded
            .report
            .settings
            .into_iter()
            .map(|setting| {
                let default = match setting.value {
                    _ if required.contains(&setting.name.as_str()) => "required".to_owned(),
                    Some(value) => value,
                    None => "unset".to_owned(),
                };
                (setting.name.replace("BILLING_", "<CONSUMER>_"), default)
            })
            .collect();
        assert_eq!(documented(), read);
    }
}
