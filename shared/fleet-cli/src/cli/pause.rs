//! What may be typed behind `pause` and `resume`.

use std::time::Duration;

use clap::Args;

use super::duration;

/// The most characters of a reason: it stands in every process's log. The story belongs elsewhere.
const REASON_MAX: usize = 500;

/// The shortest pause: anything less is over before it is heeded.
const PAUSE_MIN: Duration = Duration::from_secs(1);

/// The longest pause with an end: nobody means more.
const PAUSE_MAX: Duration = Duration::from_secs(365 * 86_400);

#[derive(Debug, Args)]
pub(crate) struct Pause {
    /// The consumer to pause
    pub(crate) consumer: String,
    /// Why, for those who wonder
    #[arg(long, value_name = "TEXT", value_parser = reason)]
    pub(crate) reason: String,
    /// Resume by itself after this time (such as 90s, 1h); without it, when somebody says so
    #[arg(long = "for", value_name = "TIME", value_parser = pause_length)]
    pub(crate) length: Option<Duration>,
}

#[derive(Debug, Args)]
pub(crate) struct Resume {
    /// The consumer to resume
    pub(crate) consumer: String,
}

/// Reads a reason: a line that says something.
pub(super) fn reason(text: &str) -> Result<String, String> {
    match text.trim() {
        "" => Err("say why".to_owned()),
        text if text.chars().count() > REASON_MAX => {
            Err(format!("say it in at most {REASON_MAX} characters"))
        }
        text => Ok(text.to_owned()),
    }
}

fn pause_length(text: &str) -> Result<Duration, String> {
    let length = duration(text)?;
    match (PAUSE_MIN..=PAUSE_MAX).contains(&length) {
        true => Ok(length),
        false => {
            Err("a pause lasts from a second to a year; without --for it has no end".to_owned())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pause_has_a_reason_and_a_length_that_somebody_can_mean() {
        assert_eq!(reason(" why "), Ok("why".to_owned()));
        assert!(reason("  ").is_err());
        assert!(reason(&"x".repeat(501)).is_err());
        assert_eq!(pause_length("1h"), Ok(Duration::from_secs(3_600)));
        assert!(pause_length("0s").is_err());
        assert!(pause_length("9000h").is_err());
    }
}
