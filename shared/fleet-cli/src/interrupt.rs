use anyhow::Context as _;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::exit::Exit;
use crate::output;

/// What a shell reports for a process that a signal interrupted.
const EXIT_INTERRUPTED: i32 = 130;

/// Ctrl-C of an operator's command: the first asks it to end in order, the second ends it.
///
/// SIGTERM means the same. What was begun is finished and given back in between.
pub(crate) struct Interrupt {
    stop: CancellationToken,
    listening: TaskTracker,
}

impl Interrupt {
    /// Listens from now on.
    pub(crate) fn listen() -> Result<Self, Exit> {
        let why = "cannot listen for signals";
        let mut interrupt = signal(SignalKind::interrupt()).context(why)?;
        let mut terminate = signal(SignalKind::terminate()).context(why)?;
        let stop = CancellationToken::new();
        let (listening, asked) = (TaskTracker::new(), stop.clone());
        listening.spawn(async move {
            for is_last in [false, true] {
                tokio::select! {
                    _ = interrupt.recv() => {}
                    _ = terminate.recv() => {}
                }
                if is_last {
                    output::note("ended at once");
                    std::process::exit(EXIT_INTERRUPTED);
                }
                asked.cancel();
            }
        });
        Ok(Self { stop, listening })
    }

    /// Returns the token that is cancelled by the first signal.
    pub(crate) fn token(&self) -> &CancellationToken {
        &self.stop
    }

    /// Tells whether somebody wants it to end.
    pub(crate) fn is_requested(&self) -> bool {
        self.stop.is_cancelled()
    }

    /// Waits until somebody wants it to end.
    pub(crate) async fn requested(&self) {
        self.stop.cancelled().await;
    }
}

impl Drop for Interrupt {
    fn drop(&mut self) {
        self.listening.close();
    }
}
