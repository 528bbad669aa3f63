//! Loops that should never end, and are started again when they do.

use std::any::Any;
use std::error::Error;
use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::time::Duration;

use futures_util::FutureExt;
use tokio::runtime::Handle;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::health::{Health, Pulse};
use super::retry::{Backoff, Jitter};

/// The ceiling of the first delay: a hiccup costs next to nothing.
const BACKOFF_INITIAL: Duration = Duration::from_millis(100);

/// The ceiling of every later delay: flow resumes within five seconds of the
/// end of an outage.
const BACKOFF_CAP: Duration = Duration::from_secs(4);

/// How long a loop must have run before its next failure counts as a first one.
const STEADY_AFTER: Duration = Duration::from_secs(60);

/// What a loop may end with: any error, logged once with its chain of causes.
pub type LoopError = Box<dyn Error + Send + Sync>;

/// Runs named loops and starts them again until its token is cancelled.
#[derive(Debug, Clone)]
pub struct Supervisor {
    runtime: Handle,
    health: Health,
    jitter: Jitter,
    stop: CancellationToken,
    loops: TaskTracker,
}

impl Supervisor {
    /// Makes a supervisor whose loops run on `runtime` and are not started
    /// again once `stop` is cancelled.
    pub fn new(runtime: Handle, health: Health, jitter: Jitter, stop: CancellationToken) -> Self {
        Self {
            runtime,
            health,
            jitter,
            stop,
            loops: TaskTracker::new(),
        }
    }

    /// Runs a loop: calls `body` for a future and drives it to its end, again
    /// and again with capped full-jitter backoff, however it ends.
    ///
    /// The body gets the loop's pulse, which it ticks at least every
    /// `max_silence`; in between tries the supervisor ticks it. A body watches
    /// the token itself and returns: it is never cancelled from here, so that
    /// no receive and no settlement is.
    pub fn run<F>(
        &self,
        name: &str,
        max_silence: Duration,
        mut body: impl FnMut(Pulse) -> F + Send + 'static,
    ) where
        F: Future<Output = Result<(), LoopError>> + Send + 'static,
    {
        let pulse = self.health.register_loop(name, max_silence);
        let mut backoff = Backoff::new(BACKOFF_INITIAL, BACKOFF_CAP, self.jitter.clone());
        let stop = self.stop.clone();
        let name = name.to_owned();
        let supervised = async move {
            while !stop.is_cancelled() {
                let started = Instant::now();
                let end = AssertUnwindSafe(async { body(pulse.clone()).await })
                    .catch_unwind()
                    .await;
                if stop.is_cancelled() {
                    report_last(&name, end);
                    return;
                }
                if started.elapsed() >= STEADY_AFTER {
                    backoff.reset();
                }
                let delay = backoff.next();
                report_restart(&name, end, delay);
                rest(delay, &pulse, &stop).await;
            }
        };
        self.loops.spawn_on(supervised, &self.runtime);
    }

    /// Waits until every loop has returned, which the token asks them to.
    ///
    /// # Cancellation
    ///
    /// The loops go on; a later call waits again.
    pub async fn ended(&self) {
        self.loops.close();
        self.loops.wait().await;
    }
}

type End = Result<Result<(), LoopError>, Box<dyn Any + Send>>;

/// Waits for `delay` or the token, and ticks meanwhile: waiting for a retry is
/// not being stuck.
async fn rest(delay: Duration, pulse: &Pulse, stop: &CancellationToken) {
    let until = Instant::now() + delay;
    let mut ticks = tokio::time::interval(tick_period(pulse.max_silence()));
    loop {
        tokio::select! {
            biased;
            () = stop.cancelled() => return,
            () = tokio::time::sleep_until(until) => break,
            _ = ticks.tick() => pulse.tick(),
        }
    }
    pulse.tick();
}

/// Half of the allowed silence, and never the zero that an interval refuses.
fn tick_period(max_silence: Duration) -> Duration {
    (max_silence / 2).max(Duration::from_millis(1))
}

fn report_restart(name: &str, end: End, delay: Duration) {
    let delay_ms = delay.as_millis();
    match end {
        Ok(Err(error)) => {
            let error = chain(error.as_ref());
            tracing::warn!(
                r#loop = name,
                error,
                delay_ms,
                "loop failed, starting it again"
            );
        }
        Ok(Ok(())) => tracing::warn!(r#loop = name, delay_ms, "loop returned, starting it again"),
        // The panic hook has logged where; the payload may hold data.
        Err(_payload) => {
            tracing::error!(r#loop = name, delay_ms, "loop panicked, starting it again");
        }
    }
}

fn report_last(name: &str, end: End) {
    match end {
        Ok(Ok(())) => {}
        Ok(Err(error)) => {
            let error = chain(error.as_ref());
            tracing::warn!(r#loop = name, error, "loop failed at shutdown");
        }
        Err(_payload) => tracing::error!(r#loop = name, "loop panicked at shutdown"),
    }
}

/// Joins an error and its causes to one line.
fn chain(error: &(dyn Error + 'static)) -> String {
    let mut line = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        line.push_str(": ");
        line.push_str(&error.to_string());
        cause = error.source();
    }
    line
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    const SILENCE: Duration = Duration::from_secs(1);

    fn supervisor(health: &Health, stop: &CancellationToken) -> Supervisor {
        Supervisor::new(
            Handle::current(),
            health.clone(),
            Jitter::seeded(1),
            stop.clone(),
        )
    }

    #[tokio::test(start_paused = true)]
    async fn a_loop_is_started_again_however_it_ends_until_the_token_is_cancelled() {
        let (health, stop) = (Health::new(), CancellationToken::new());
        let supervisor = supervisor(&health, &stop);
        let starts = Arc::new(AtomicUsize::new(0));
        let (counted, asked) = (starts.clone(), stop.clone());
        supervisor.run("receiver", SILENCE, move |_pulse| {
            let nth = counted.fetch_add(1, Ordering::Relaxed);
            let asked = asked.clone();
            async move {
                match nth {
                    0 => panic!("a bug"),
                    1 => Err("a failure".into()),
                    2 => Ok(()),
                    _ => {
                        asked.cancel();
                        Ok(())
                    }
                }
            }
        });
        supervisor.ended().await;
        assert_eq!(starts.load(Ordering::Relaxed), 4);
        assert_eq!(health.live().loops, [], "an ended loop is not watched");
    }

    #[tokio::test(start_paused = true)]
    async fn a_loop_that_fails_for_an_hour_is_alive_and_never_given_up() {
        let (health, stop) = (Health::new(), CancellationToken::new());
        let supervisor = supervisor(&health, &stop);
        let starts = Arc::new(AtomicUsize::new(0));
        let counted = starts.clone();
        supervisor.run("relay", SILENCE, move |_pulse| {
            counted.fetch_add(1, Ordering::Relaxed);
            async { Err("the database is down".into()) }
        });
        for _ in 0..3_600 {
            tokio::time::advance(Duration::from_secs(1)).await;
            tokio::task::yield_now().await;
            assert!(health.live().ok);
        }
        assert!(
            starts.load(Ordering::Relaxed) > 900,
            "at most four seconds apart"
        );
        stop.cancel();
        supervisor.ended().await;
    }

    #[tokio::test(start_paused = true)]
    async fn a_loop_that_hangs_is_not_alive() {
        let (health, stop) = (Health::new(), CancellationToken::new());
        let supervisor = supervisor(&health, &stop);
        let asked = stop.clone();
        supervisor.run("stuck", SILENCE, move |_pulse| {
            let asked = asked.clone();
            async move {
                asked.cancelled().await;
                Ok(())
            }
        });
        tokio::time::advance(SILENCE * 2).await;
        assert!(!health.live().ok);
        stop.cancel();
        supervisor.ended().await;
    }

    #[test]
    fn the_chain_of_causes_is_one_line() {
        #[derive(Debug, thiserror::Error)]
        #[error("cannot receive")]
        struct Outer(#[source] std::io::Error);
        let error = Outer(std::io::Error::other("connection reset"));
        assert_eq!(chain(&error), "cannot receive: connection reset");
    }
}
