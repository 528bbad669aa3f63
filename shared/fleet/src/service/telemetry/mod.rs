//! Log lines on stderr (stdout belongs to data), and a panic hook that writes one.
//!
//! On a pipe every line is one flat JSON object: `timestamp`, `level`, `target`,
//! `message` and the dotted fields of the event and its spans, the innermost
//! first. On a terminal it is text. In both, control and bidi characters are
//! escaped, so that no data can forge a line.
//!
//! A line is handed to a thread that writes: a stderr that is closed, full or
//! not read costs lines, which are counted, and never stops the process.

mod escape;

mod cause;

mod line;

mod output;

mod layer;

use std::any::Any;
use std::io::{self, IsTerminal};
use std::panic::PanicHookInfo;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::layer::SubscriberExt;

use self::layer::LogLayer;
use self::line::Style;
use self::output::Output;
use super::config::{LogConfig, LogFormat};

/// What libraries below say on every request is of no use above `warn`; whoever
/// needs it names the target in `LOG_LEVEL`, which comes after these and wins.
const QUIET: &str =
    "aws_=warn,hyper=warn,h2=warn,rustls=warn,tower=warn,tokio_postgres=warn,mio=warn";

static OUTPUT: OnceLock<Output> = OnceLock::new();

static PANICS: AtomicU64 = AtomicU64::new(0);

/// Why logging cannot begin.
#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    /// The level is not one that the configuration would have accepted.
    #[error("the log level cannot be parsed")]
    Level(#[from] tracing_subscriber::filter::ParseError),
    /// The operating system gives no thread to write with.
    #[error("the log's thread cannot be started")]
    Thread(#[source] io::Error),
    /// A process logs once; this one does already.
    #[error("logging has begun already")]
    Begun,
}

/// Begins logging to stderr and logs panics instead of printing their payload.
///
/// # Errors
///
/// Fails when logging has begun already or the thread cannot be started.
pub fn init(config: &LogConfig) -> Result<(), TelemetryError> {
    let filter = EnvFilter::builder().parse(format!("{QUIET},{}", config.level))?;
    let style = match config.format {
        LogFormat::Json => Style::Json,
        LogFormat::Text => Style::Text,
        LogFormat::Auto if io::stderr().is_terminal() => Style::Text,
        LogFormat::Auto => Style::Json,
    };
    let output = Output::start(io::stderr()).map_err(TelemetryError::Thread)?;
    let layer = LogLayer::new(style, output.clone());
    let subscriber = tracing_subscriber::registry().with(filter).with(layer);
    tracing::subscriber::set_global_default(subscriber).map_err(|_| TelemetryError::Begun)?;
    OUTPUT.set(output).map_err(|_| TelemetryError::Begun)?;
    std::panic::set_hook(Box::new(log_panic));
    Ok(())
}

/// Waits until the lines logged so far are written, at most a second.
///
/// To be called before the process ends; blocks the calling thread.
pub fn flush() {
    if let Some(output) = OUTPUT.get() {
        output.flush();
    }
}

/// Returns how many panics there were since logging began, those that were caught included.
pub fn panics() -> u64 {
    PANICS.load(Ordering::Relaxed)
}

/// Returns how many lines nobody read in time, or could not be written at all.
pub fn lines_lost() -> u64 {
    OUTPUT.get().map_or(0, Output::lost_lines)
}

/// Logs where a panic happened and of what type its payload is; the payload
/// itself may hold what no log may.
fn log_panic(panic: &PanicHookInfo<'_>) {
    PANICS.fetch_add(1, Ordering::Relaxed);
    let location = panic
        .location()
        .map(ToString::to_string)
        .unwrap_or_default();
    let thread = thread::current();
    let payload = payload_type(panic.payload());
    tracing::error!(
        location,
        thread = thread.name().unwrap_or("unnamed"),
        payload,
        "panicked"
    );
    // A panic of the main thread ends the process.
    if thread.name() == Some("main") {
        flush();
    }
}

fn payload_type(payload: &(dyn Any + Send)) -> &'static str {
    if payload.is::<&str>() {
        "&str"
    } else if payload.is::<String>() {
        "String"
    } else {
        "other"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sdk_is_quiet_unless_the_level_names_it() {
        let targets = |level: &str| {
            let filter = EnvFilter::builder()
                .parse(format!("{QUIET},{level}"))
                .expect("sound");
            filter.to_string()
        };
        assert!(targets("debug").contains("aws_=warn"));
        assert!(targets("debug").contains("debug"));
        assert!(targets("info,aws_=debug").contains("aws_=debug"));
        assert!(!targets("info,aws_=debug").contains("aws_=warn"));
    }

    #[test]
    fn a_panics_payload_is_known_by_its_type_only() {
        assert_eq!(payload_type(&"card 4242"), "&str");
        assert_eq!(payload_type(&"card 4242".to_owned()), "String");
        assert_eq!(payload_type(&4242), "other");
    }
}
