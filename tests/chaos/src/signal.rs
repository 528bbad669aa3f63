//! Signals, real ones.

use tokio::process::Command;

/// What is done to a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signal {
    /// What nothing can catch.
    Kill,
    /// It stands still, and does not know of it.
    Stop,
    /// It goes on.
    Continue,
    /// It is asked to end.
    Terminate,
}

impl Signal {
    /// Sends it to a process that was not waited for yet.
    ///
    /// # Panics
    ///
    /// There is no such process.
    pub async fn send(self, id: u32) {
        let flag = match self {
            Self::Kill => "-KILL",
            Self::Stop => "-STOP",
            Self::Continue => "-CONT",
            Self::Terminate => "-TERM",
        };
        let sent = Command::new("kill").arg(flag).arg(id.to_string()).status();
        let sent = sent.await.expect("`kill` is everywhere");
        assert!(sent.success(), "kill {flag} {id}");
    }
}
