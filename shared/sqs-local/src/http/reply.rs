//! What dispatch returns: the answer, and what becomes of it on its way.

use jiff::Timestamp;

use crate::error::Error;
use crate::fault::Breakage;

/// An answer before it is one of HTTP.
pub(super) struct Reply {
    pub(super) result: Result<Vec<u8>, Error>,
    /// What becomes of the connection instead.
    pub(super) breakage: Option<Breakage>,
    /// What the server's clock shows, if it is off.
    pub(super) shown: Option<Timestamp>,
}

/// How a connection ends without an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the fault plan ends this connection")]
pub enum Broken {
    /// It is closed.
    Closed,
    /// It is reset.
    Reset,
}

impl From<Result<Vec<u8>, Error>> for Reply {
    /// Makes a reply that arrives.
    fn from(result: Result<Vec<u8>, Error>) -> Self {
        Self {
            result,
            breakage: None,
            shown: None,
        }
    }
}

impl From<Error> for Reply {
    fn from(error: Error) -> Self {
        Err(error).into()
    }
}
