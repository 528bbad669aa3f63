use std::time::Duration;

use clap::Args;

use super::duration;

/// The shortest time between two looks: each asks every queue, and SQS charges for requests.
const EVERY_MIN: Duration = Duration::from_secs(1);

/// The longest: a view that is older than this is no view.
const EVERY_MAX: Duration = Duration::from_secs(3_600);

#[derive(Debug, Args)]
pub(crate) struct Top {
    /// Print it once; so it does where there is no terminal
    #[arg(long)]
    pub(crate) once: bool,
    /// Write JSON, once
    #[arg(long)]
    pub(crate) json: bool,
    /// How often to look (such as 2s, 1m)
    #[arg(long, value_name = "TIME", default_value = "2s", value_parser = every)]
    pub(crate) every: Duration,
}

fn every(text: &str) -> Result<Duration, String> {
    let every = duration(text)?;
    match (EVERY_MIN..=EVERY_MAX).contains(&every) {
        true => Ok(every),
        false => Err("look every 1s to 1h".to_owned()),
    }
}
