use std::borrow::Cow;
use std::error::Error;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::store::{StoreError, StoreErrorClass};

/// The dependency by which the fleet's own database is known to the breaker.
pub(crate) const DATABASE: &str = "database";

type Cause = Box<dyn Error + Send + Sync>;

/// What made a handler fail, shared by all messages that failed with it.
pub(super) type SharedCause = Arc<dyn Error + Send + Sync>;

/// What went wrong in a handler, said in terms of what to do about it.
///
/// There is no conversion from just any error: a `?` on a failure that nobody
/// classified does not compile. Failures of the database are classified
/// already and may be passed on by `?`.
///
/// A reason is a short, stable phrase that an operator understands and groups
/// by, such as `no customer`. It is stored, logged and shown: no content of the
/// message and no personal data belongs into it.
///
/// # Examples
///
/// ```
/// use fleet::HandlerError;
///
/// fn quantity(text: &str) -> Result<u32, HandlerError> {
///     text.parse().map_err(|_| HandlerError::permanent("quantity is no number"))
/// }
/// assert_eq!(quantity("7").ok(), Some(7));
/// ```
///
/// ```compile_fail,E0277
/// fn quantity(text: &str) -> Result<u32, fleet::HandlerError> {
///     Ok(text.parse::<u32>()?) // and what is to be done about it?
/// }
/// ```
#[derive(Debug)]
pub enum HandlerError {
    /// No retry can help: the message goes to the dead-letter queue at once.
    Permanent {
        /// The stable phrase.
        reason: Cow<'static, str>,
        /// What is particular to this message, such as `line 3`.
        detail: Option<String>,
    },
    /// A retry may help: an attempt is charged.
    Retryable {
        /// The stable phrase.
        reason: Cow<'static, str>,
        /// When to try again; by default exponential backoff with full jitter.
        after: Option<Duration>,
        /// What caused it; logged once.
        source: Option<Cause>,
    },
    /// A dependency is down: nobody is charged, and the fleet stops receiving until it is back.
    Unavailable {
        /// A registered name of the dependency, such as `smtp`.
        dependency: Cow<'static, str>,
        /// What caused it; logged once.
        source: Option<Cause>,
    },
    /// Another transaction or a busy pool was in the way: run it again soon, uncharged.
    Contended {
        /// What caused it; logged once.
        source: Option<Cause>,
    },
    /// The event was done before; [`Context::begin`](super::Context::begin) says so.
    Duplicate(Seal),
}

/// Keeps [`HandlerError::Duplicate`] in the hands of the inbox.
#[derive(Debug)]
pub struct Seal(pub(super) ());

/// What went wrong in a [`BatchHandler`](super::BatchHandler): all of it, or one event of the slice.
#[derive(Debug)]
pub struct BatchError {
    pub(super) index: Option<usize>,
    pub(super) error: HandlerError,
}

impl HandlerError {
    /// Makes an error that skips all retries.
    pub fn permanent(reason: impl Into<Cow<'static, str>>) -> Self {
        Self::Permanent {
            reason: reason.into(),
            detail: None,
        }
    }

    /// Makes an error that charges an attempt and tries again later.
    pub fn retryable(reason: impl Into<Cow<'static, str>>) -> Self {
        Self::Retryable {
            reason: reason.into(),
            after: None,
            source: None,
        }
    }

    /// Makes an error that blames a dependency.
    pub fn unavailable(dependency: impl Into<Cow<'static, str>>) -> Self {
        Self::Unavailable {
            dependency: dependency.into(),
            source: None,
        }
    }

    /// Adds what is particular to this message; only permanent errors carry it.
    #[must_use]
    pub fn with_detail(mut self, text: impl Into<String>) -> Self {
        if let Self::Permanent { detail, .. } = &mut self {
            *detail = Some(text.into());
        }
        self
    }

    /// Says when to try again; only retryable errors carry it.
    #[must_use]
    pub fn retry_after(mut self, delay: Duration) -> Self {
        if let Self::Retryable { after, .. } = &mut self {
            *after = Some(delay);
        }
        self
    }

    /// Adds the cause, which is logged with its chain. A permanent error carries
    /// none: what there is to know about it belongs into its detail.
    #[must_use]
    pub fn caused_by(mut self, cause: impl Into<Cause>) -> Self {
        match &mut self {
            Self::Retryable { source, .. }
            | Self::Unavailable { source, .. }
            | Self::Contended { source } => *source = Some(cause.into()),
            Self::Permanent { .. } | Self::Duplicate(_) => {}
        }
        self
    }
}

impl HandlerError {
    /// Makes the error of a statement of the runtime's own, on its own tables.
    ///
    /// A missing table or privilege is then a fault of the installation, and no
    /// message is charged for it.
    pub(super) fn of_runtime(error: StoreError) -> Self {
        match error.class {
            StoreErrorClass::Statement => Self::Unavailable {
                dependency: DATABASE.into(),
                source: Some(error.into()),
            },
            _ => error.into(),
        }
    }

    /// Takes the cause out.
    pub(super) fn take_cause(&mut self) -> Option<SharedCause> {
        match self {
            Self::Retryable { source, .. }
            | Self::Unavailable { source, .. }
            | Self::Contended { source } => source.take().map(Arc::from),
            Self::Permanent { .. } | Self::Duplicate(_) => None,
        }
    }
}

impl BatchError {
    /// Rejects one event of the slice; the others run again without it.
    pub fn reject(index: usize, error: HandlerError) -> Self {
        Self {
            index: Some(index),
            error,
        }
    }
}

impl From<HandlerError> for BatchError {
    /// Blames nobody in particular: the batch is bisected until the culprit stands alone.
    fn from(error: HandlerError) -> Self {
        Self { index: None, error }
    }
}

impl From<StoreError> for HandlerError {
    fn from(error: StoreError) -> Self {
        match error.class {
            StoreErrorClass::Unavailable | StoreErrorClass::Misconfigured => Self::Unavailable {
                dependency: DATABASE.into(),
                source: Some(error.into()),
            },
            StoreErrorClass::Busy | StoreErrorClass::Conflict => Self::Contended {
                source: Some(error.into()),
            },
            StoreErrorClass::Data => Self::Permanent {
                reason: "the database refuses the data".into(),
                detail: error.sqlstate.map(|state| format!("SQLSTATE {state}")),
            },
            StoreErrorClass::Statement => Self::Retryable {
                reason: match &error.sqlstate {
                    Some(state) => {
                        format!("the database refused the statement (SQLSTATE {state})").into()
                    }
                    None => "the database refused the statement".into(),
                },
                after: None,
                source: Some(error.into()),
            },
        }
    }
}

impl From<StoreError> for BatchError {
    fn from(error: StoreError) -> Self {
        HandlerError::from(error).into()
    }
}

impl fmt::Display for HandlerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Permanent { reason, .. } | Self::Retryable { reason, .. } => f.write_str(reason),
            Self::Unavailable { dependency, .. } => write!(f, "{dependency} is unavailable"),
            Self::Contended { .. } => f.write_str("another transaction was in the way"),
            Self::Duplicate(_) => f.write_str("the event was done before"),
        }
    }
}

impl Error for HandlerError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Retryable { source, .. }
            | Self::Unavailable { source, .. }
            | Self::Contended { source } => source
                .as_deref()
                .map(|cause| cause as &(dyn Error + 'static)),
            Self::Permanent { .. } | Self::Duplicate(_) => None,
        }
    }
}
