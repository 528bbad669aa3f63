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

mod report;

mod reader;

// The sections.
mod service;

mod database;

mod consumer;

mod aws;

pub use self::aws::AwsConfig;
pub use self::consumer::{ConsumerConfig, QueueUrl, RECEIVE_TAIL, consumer_prefix};
pub use self::database::DatabaseConfig;
pub use self::env::{Env, ProcessEnv};
pub use self::reader::{Loaded, Reader, anything, load, within};
pub use self::report::{ConfigError, Problem, Report, Setting, Source};
pub use self::service::{LogConfig, LogFormat, LogSuccess, ServiceConfig};
pub use self::value::{Secret, Value};
