//! The end in two steps: first nothing new is received, then, when the grace is
//! over, what still runs is cancelled.

use std::future::Future;
use std::io;
use std::time::Duration;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;

use super::aside::Aside;

/// What a shell reports for a process that a signal interrupted.
const EXIT_INTERRUPTED: i32 = 130;

/// The two tokens that end a process; a clone ends the same process.
#[derive(Debug, Clone)]
pub struct Shutdown {
    /// After this nothing new is received.
    pub stop_receiving: CancellationToken,
    /// After this what still runs is cancelled.
    pub stop_working: CancellationToken,
    grace: Duration,
}

impl Shutdown {
    /// Makes two tokens that nothing has cancelled.
    pub fn new(grace: Duration) -> Self {
        Self {
            stop_receiving: CancellationToken::new(),
            stop_working: CancellationToken::new(),
            grace,
        }
    }

    /// Makes two tokens that the signals of this process cancel.
    ///
    /// The first SIGTERM or SIGINT (or SIGHUP, unless the process was started
    /// under `nohup`) begins the shutdown; the second ends the process at once
    /// with 130. A closed pipe is no signal here: Rust ignores SIGPIPE. The
    /// signals are heard on `aside`, also while handlers block the workers.
    ///
    /// # Errors
    ///
    /// Fails when a signal handler cannot be installed.
    pub fn on_signals(grace: Duration, aside: &Aside) -> io::Result<Self> {
        let shutdown = Self::new(grace);
        let signals = {
            let _runtime = aside.handle().enter();
            Signals::listen()?
        };
        let (watched, stopping) = (shutdown.clone(), aside.stopping());
        aside.spawn(async move {
            tokio::select! {
                () = watched.watch(signals) => {
                    super::telemetry::flush();
                    std::process::exit(EXIT_INTERRUPTED);
                }
                () = stopping.cancelled() => {}
            }
        });
        Ok(shutdown)
    }

    /// Begins the shutdown, as the first signal does; a repetition changes nothing.
    pub fn request(&self) {
        self.stop_receiving.cancel();
    }

    /// Returns how long running work may go on after the request.
    pub fn grace(&self) -> Duration {
        self.grace
    }

    /// Waits for the request and then the grace, and cancels what still runs;
    /// returns earlier when somebody else did.
    ///
    /// # Cancellation
    ///
    /// Nobody enforces the grace any more; a later call starts it anew.
    pub async fn enforce_grace(&self) {
        self.stop_receiving.cancelled().await;
        let cut_short = self.stop_working.cancelled();
        if tokio::time::timeout(self.grace, cut_short).await.is_err() {
            tracing::warn!(grace = ?self.grace, "grace is over, cancelling what still runs");
        }
        self.stop_working.cancel();
    }

    /// Turns the first signal into the request and returns at the second.
    async fn watch(&self, mut signals: impl SignalSource) {
        let first = tokio::select! {
            name = signals.next() => Some(name),
            () = self.stop_receiving.cancelled() => None,
        };
        if let Some(signal) = first {
            tracing::info!(signal, grace = ?self.grace, "shutting down, a second signal ends at once");
            self.request();
        }
        let grace = async {
            self.enforce_grace().await;
            std::future::pending().await
        };
        let second = tokio::select! {
            name = signals.next() => name,
            never = grace => never,
        };
        tracing::warn!(signal = second, "interrupted, ending at once");
    }
}

/// Where the signals come from, so that a test needs none.
trait SignalSource: Send {
    /// Waits for the next signal and returns its name.
    fn next(&mut self) -> impl Future<Output = &'static str> + Send;
}

/// The signals of this process that ask it to end.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hangup: Option<Signal>,
}

impl Signals {
    fn listen() -> io::Result<Self> {
        let ignored = std::fs::read_to_string("/proc/self/status")
            .is_ok_and(|status| ignores_hangup(&status));
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hangup: if ignored {
                None
            } else {
                Some(signal(SignalKind::hangup())?)
            },
        })
    }
}

impl SignalSource for Signals {
    async fn next(&mut self) -> &'static str {
        let hangup = async {
            match &mut self.hangup {
                Some(hangup) => hangup.recv().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            _ = self.terminate.recv() => "SIGTERM",
            _ = self.interrupt.recv() => "SIGINT",
            _ = hangup => "SIGHUP",
        }
    }
}

/// Tells from `/proc/self/status` whether SIGHUP (1, the lowest bit of the mask)
/// is ignored: listening would undo what `nohup` asked for.
fn ignores_hangup(status: &str) -> bool {
    status
        .lines()
        .find_map(|line| line.strip_prefix("SigIgn:"))
        .and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok())
        .is_some_and(|mask| mask & 1 == 1)
}

#[cfg(test)]
mod tests {
    use tokio::sync::mpsc;
    use tokio::time::Instant;

    use super::*;

    const GRACE: Duration = Duration::from_secs(30);

    /// Signals that a test sends.
    struct Script(mpsc::Receiver<&'static str>);

    fn script() -> (mpsc::Sender<&'static str>, Script) {
        let (signals, source) = mpsc::channel(2);
        (signals, Script(source))
    }

    impl SignalSource for Script {
        async fn next(&mut self) -> &'static str {
            match self.0.recv().await {
                Some(name) => name,
                None => std::future::pending().await,
            }
        }
    }

    #[tokio::test(start_paused = true)]
    async fn the_first_signal_stops_receiving_and_the_grace_stops_working() {
        let shutdown = Shutdown::new(GRACE);
        let (signals, source) = script();
        let watched = shutdown.clone();
        let watch = tokio::spawn(async move { watched.watch(source).await });
        assert!(!shutdown.stop_receiving.is_cancelled());

        signals.send("SIGTERM").await.unwrap();
        shutdown.stop_receiving.cancelled().await;
        let begun = Instant::now();
        assert!(!shutdown.stop_working.is_cancelled());
        shutdown.stop_working.cancelled().await;
        assert_eq!(begun.elapsed().as_secs(), GRACE.as_secs());
        assert!(
            !watch.is_finished(),
            "the end of the grace does not end the process"
        );
        watch.abort();
    }

    #[tokio::test(start_paused = true)]
    async fn the_second_signal_ends_the_watch_at_once() {
        let shutdown = Shutdown::new(GRACE);
        let (signals, source) = script();
        signals.send("SIGTERM").await.unwrap();
        signals.send("SIGINT").await.unwrap();
        let begun = Instant::now();
        shutdown.watch(source).await;
        assert_eq!(begun.elapsed(), Duration::ZERO);
        assert!(shutdown.stop_receiving.is_cancelled());
        assert!(!shutdown.stop_working.is_cancelled());
    }

    #[tokio::test(start_paused = true)]
    async fn a_request_without_a_signal_is_held_to_the_grace_too() {
        let shutdown = Shutdown::new(GRACE);
        let (_signals, source) = script();
        let watched = shutdown.clone();
        let watch = tokio::spawn(async move { watched.watch(source).await });
        shutdown.request();
        shutdown.request();
        shutdown.stop_working.cancelled().await;
        watch.abort();
    }

    #[tokio::test(start_paused = true)]
    async fn the_grace_ends_early_when_the_work_is_done() {
        let shutdown = Shutdown::new(GRACE);
        shutdown.request();
        shutdown.stop_working.cancel();
        let begun = Instant::now();
        shutdown.enforce_grace().await;
        assert_eq!(begun.elapsed(), Duration::ZERO);
    }

    #[test]
    fn nohup_is_seen_in_the_mask_of_ignored_signals() {
        assert!(ignores_hangup("Name:\tfleet\nSigIgn:\t0000000000001001\n"));
        assert!(!ignores_hangup("SigIgn:\t0000000000001000\n"));
        assert!(!ignores_hangup(""));
    }
}
