use std::time::Duration;

use tokio::time::timeout;

use super::error::{DATABASE, HandlerError};
use super::outcome::{Ending, Outcome};
use crate::service::failpoint;
use crate::store::Transaction;

/// How long a commit may take before its outcome counts as unknown.
const COMMIT_TIMEOUT: Duration = Duration::from_secs(10);

/// Commits; only a confirmed commit counts as done.
///
/// # Cancellation
///
/// The outcome is unknown then, as it is after the timeout: the store cleans
/// up, and the inbox decides at the redelivery.
pub(super) async fn commit(transaction: Box<dyn Transaction>) -> Ending {
    failpoint::reach("commit.sending");
    let committed = timeout(COMMIT_TIMEOUT, transaction.commit()).await;
    failpoint::reach("commit.answered");
    match committed {
        Ok(Ok(())) => Outcome::Processed.into(),
        Ok(Err(error)) => HandlerError::from(error).into(),
        Err(_) => Outcome::Unavailable {
            dependency: Some(DATABASE.into()),
        }
        .into(),
    }
}
