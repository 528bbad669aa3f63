use std::process::ExitCode;

use crate::output::escape_lines;

/// How a command ends when it does not end well; each kind has its exit code.
#[derive(Debug)]
pub(crate) enum Exit {
    /// It failed: 1.
    Failed(anyhow::Error),
    /// The command line or the configuration is wrong, or it refuses to go on: 2.
    Refused(anyhow::Error),
    /// Some of it is done and some is not: 3.
    Partly(anyhow::Error),
    /// Somebody interrupted it half-way: 130.
    Interrupted(anyhow::Error),
}

impl Exit {
    /// Refuses with a sentence.
    pub(crate) fn refused(
        text: impl std::fmt::Display + std::fmt::Debug + Send + Sync + 'static,
    ) -> Self {
        Self::Refused(anyhow::Error::msg(text))
    }

    /// Returns what is wrong, for a command that goes on without.
    pub(crate) fn into_error(self) -> anyhow::Error {
        match self {
            Self::Failed(error)
            | Self::Refused(error)
            | Self::Partly(error)
            | Self::Interrupted(error) => error,
        }
    }

    /// Says on stderr what is wrong and returns the exit code.
    pub(crate) fn report(&self, program: &str) -> ExitCode {
        let (code, error) = match self {
            Self::Failed(error) => (1, error),
            Self::Refused(error) => (2, error),
            Self::Partly(error) => (3, error),
            Self::Interrupted(error) => (130, error),
        };
        let text = escape_lines(&format!("{program}: {error:#}"));
        crate::output::note(text.trim_end());
        ExitCode::from(code)
    }
}

impl From<anyhow::Error> for Exit {
    fn from(error: anyhow::Error) -> Self {
        Self::Failed(error)
    }
}
