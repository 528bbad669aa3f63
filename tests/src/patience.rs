//! Waiting for what a test expects, within a limit.

use std::future::Future;
use std::time::Duration;

use tokio::time::{MissedTickBehavior, interval, timeout};

/// How long anything may take before a test gives up: two cores may be building something.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// How long between two looks.
const LOOK_PERIOD: Duration = Duration::from_millis(20);

/// Looks until there is an answer.
///
/// # Panics
///
/// There is none within [`PATIENCE`]; the message says what was waited for.
pub async fn until<T, F>(what: &str, look: impl FnMut() -> F) -> T
where
    F: Future<Output = Option<T>>,
{
    until_within(PATIENCE, what, look).await
}

/// Looks until there is an answer, for as long as the caller says.
///
/// # Panics
///
/// There is none within the limit.
pub async fn until_within<T, F>(limit: Duration, what: &str, mut look: impl FnMut() -> F) -> T
where
    F: Future<Output = Option<T>>,
{
    let looking = async {
        let mut ticks = interval(LOOK_PERIOD);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            if let Some(answer) = look().await {
                return answer;
            }
        }
    };
    match timeout(limit, looking).await {
        Ok(answer) => answer,
        Err(_) => panic!("waited {} s in vain until {what}", limit.as_secs()),
    }
}
