use std::error::Error;
use std::time::Duration;

/// The ceilings of the pauses while SQS or Postgres cannot be reached at the start.
pub(crate) const PAUSES: (Duration, Duration) =
    (Duration::from_millis(250), Duration::from_secs(4));

/// What was logged last of something that is tried again and again.
#[derive(Default)]
pub(crate) struct Said(Option<String>);

impl Said {
    /// Logs an error with its causes, unless that was the last thing said.
    pub(crate) fn say(&mut self, error: &(dyn Error + 'static), what: &str) {
        let text = error.to_string();
        if self.0.as_ref() != Some(&text) {
            tracing::warn!(error, "{what}");
            self.0 = Some(text);
        }
    }
}
