use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};
use std::time::Duration;

use tracing_subscriber::EnvFilter;

use super::reader::{Reader, anything, within};
use super::traces::TracesConfig;
use super::value::words;

/// Loopback only: the endpoint is unauthenticated, so a wider address is a
/// decision. 9464 is the port that OpenTelemetry gives to Prometheus exporters.
const ADMIN_ADDR: SocketAddr = SocketAddr::V4(SocketAddrV4::new(Ipv4Addr::LOCALHOST, 9464));

/// Ten seconds more than the longest long poll, for what it brings to end well.
const SHUTDOWN_GRACE: Duration = Duration::from_secs(30);

/// A handler may run for half a day; nobody waits longer for a shutdown.
const SHUTDOWN_GRACE_RANGE: (Duration, Duration) =
    (Duration::from_secs(1), Duration::from_secs(12 * 3600));

/// Longer than any rolling deploy, in which old workers see new types.
const UNKNOWN_TYPE_GRACE: Duration = Duration::from_secs(3600);

/// SQS keeps a message for 14 days at most.
const UNKNOWN_TYPE_GRACE_MAX: Duration = Duration::from_secs(14 * 86_400);

/// Enough to follow what happens, without a line a poll.
const LOG_LEVEL: &str = "info";

/// What every process has, whatever it runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServiceConfig {
    /// `ADMIN_ADDR`: where probes and metrics are served; port 0 takes a free one.
    pub admin_addr: SocketAddr,
    /// `SHUTDOWN_GRACE`: how long running handlers may go on after SIGTERM.
    pub shutdown_grace: Duration,
    /// `UNKNOWN_TYPE_GRACE`: how long a message of an unknown type is released
    /// before it is dead-lettered.
    pub unknown_type_grace: Duration,
    /// `LOG_FORMAT`, `LOG_LEVEL` and `LOG_SUCCESS`.
    pub log: LogConfig,
    /// `OTEL_*`: traces.
    pub traces: TracesConfig,
}

impl ServiceConfig {
    /// Reads the section; what is malformed counts as its default until the
    /// reader reports it.
    pub fn read(reader: &mut Reader<'_>) -> Self {
        let (grace_min, grace_max) = SHUTDOWN_GRACE_RANGE;
        Self {
            admin_addr: reader.or_default("ADMIN_ADDR", ADMIN_ADDR, anything),
            shutdown_grace: reader.or_default(
                "SHUTDOWN_GRACE",
                SHUTDOWN_GRACE,
                within(grace_min..=grace_max),
            ),
            unknown_type_grace: reader.or_default(
                "UNKNOWN_TYPE_GRACE",
                UNKNOWN_TYPE_GRACE,
                within(Duration::ZERO..=UNKNOWN_TYPE_GRACE_MAX),
            ),
            log: LogConfig::read(reader),
            traces: TracesConfig::read(reader),
        }
    }
}

/// What is logged, and how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogConfig {
    /// `LOG_FORMAT`: JSON or text.
    pub format: LogFormat,
    /// `LOG_LEVEL`: a level, or directives such as `info,fleet::consume=debug`.
    pub level: String,
    /// `LOG_SUCCESS`: which messages that ended well get their line.
    pub success: LogSuccess,
}

impl LogConfig {
    /// Reads the section.
    pub fn read(reader: &mut Reader<'_>) -> Self {
        Self {
            format: reader.or_default("LOG_FORMAT", LogFormat::default(), anything),
            level: reader.or_default("LOG_LEVEL", LOG_LEVEL.to_owned(), |level| directives(level)),
            success: reader.or_default("LOG_SUCCESS", LogSuccess::default(), anything),
        }
    }
}

impl Default for LogConfig {
    fn default() -> Self {
        Self {
            format: LogFormat::default(),
            level: LOG_LEVEL.to_owned(),
            success: LogSuccess::default(),
        }
    }
}

/// How a log line looks.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum LogFormat {
    /// Text on a terminal, JSON anywhere else.
    #[default]
    Auto,
    /// One JSON object a line.
    Json,
    /// Text for eyes.
    Text,
}

/// Which messages that ended well get their log line; failures always do.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum LogSuccess {
    /// Every one.
    #[default]
    All,
    /// A share of them.
    Sampled,
    /// None.
    None,
}

words!(LogFormat, "auto" => Auto, "json" => Json, "text" => Text);
words!(LogSuccess, "all" => All, "sampled" => Sampled, "none" => None);

/// Accepts what the filter accepts, but a word alone must be a level: the filter
/// would take a misspelt level for the name of a module and silence the rest.
fn directives(text: &str) -> Result<(), String> {
    const LEVELS: [&str; 6] = ["off", "error", "warn", "info", "debug", "trace"];
    let misspelt = text.split(',').map(str::trim).any(|directive| {
        !directive.contains(['=', '['])
            && !LEVELS.contains(&directive.to_ascii_lowercase().as_str())
    });
    if misspelt || EnvFilter::builder().parse(text).is_err() {
        return Err(
            "is not a log level; give one of error, warn, info, debug, trace, \
                    or directives such as info,fleet::consume=debug"
                .to_owned(),
        );
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::super::reader::load;
    use super::*;

    fn with(name: &str, value: &str) -> Result<ServiceConfig, String> {
        let env = BTreeMap::from([(name.to_owned(), value.to_owned())]);
        load(&env, ServiceConfig::read)
            .map(|loaded| loaded.settings)
            .map_err(|error| error.problems[0].to_string())
    }

    #[test]
    fn the_defaults_pass_their_own_check() {
        let loaded = load(&BTreeMap::new(), ServiceConfig::read).expect("no problem");
        let env: BTreeMap<_, _> = loaded
            .report
            .settings
            .iter()
            .map(|setting| {
                // What is unset has no default that could be typed.
                let value = setting.value.clone().unwrap_or_default();
                (setting.name.clone(), value)
            })
            .collect();
        let again = load(&env, ServiceConfig::read).expect("the defaults, typed, are accepted");
        assert_eq!(again.settings, loaded.settings);
        assert_eq!(loaded.settings.log, LogConfig::default());
    }

    #[test]
    fn a_misspelt_level_is_refused_though_the_filter_takes_it_for_a_module() {
        assert!(EnvFilter::builder().parse("inof").is_ok());
        assert!(
            with("LOG_LEVEL", "inof")
                .expect_err("misspelt")
                .contains("is not a log level")
        );
        assert!(with("LOG_LEVEL", "info,fleet=loud").is_err());
        assert!(with("LOG_LEVEL", "warn,fleet::consume=debug").is_ok());
        assert!(with("LOG_LEVEL", "INFO").is_ok());
    }

    #[test]
    fn an_unknown_word_names_the_known_ones() {
        assert_eq!(
            with("LOG_FORMAT", "xml"),
            Err("LOG_FORMAT: \"xml\" is unknown; give one of auto, json, text".to_owned())
        );
        assert_eq!(
            with("LOG_SUCCESS", "Sampled").unwrap().log.success,
            LogSuccess::Sampled
        );
    }

    #[test]
    fn a_host_name_is_no_admin_address() {
        assert!(
            with("ADMIN_ADDR", "localhost:9464")
                .expect_err("a name")
                .contains("127.0.0.1:9464")
        );
        assert_eq!(
            with("ADMIN_ADDR", "0.0.0.0:0").unwrap().admin_addr.port(),
            0
        );
    }
}
