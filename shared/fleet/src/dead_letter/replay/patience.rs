use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::trouble::ReplayTrouble;
use crate::service::retry::{Backoff, Jitter};
use crate::store::{StoreError, StoreErrorClass};

/// How long an answer is waited for before a replay ends: an outage that takes longer needs
/// somebody's attention, and the lease has to suffice for it.
pub(super) const PATIENCE: Duration = Duration::from_secs(30);

/// The ceilings of the pauses between two tries.
pub(super) const PAUSES: (Duration, Duration) =
    (Duration::from_millis(100), Duration::from_secs(4));

/// Writes to the journal, and tries again what may pass.
pub(super) async fn journal<T, F>(
    jitter: &Jitter,
    mut write: impl FnMut() -> F,
) -> Result<T, ReplayTrouble>
where
    F: Future<Output = Result<T, StoreError>>,
{
    let mut backoff = Backoff::new(PAUSES.0, PAUSES.1, jitter.clone());
    let deadline = Instant::now() + PATIENCE;
    loop {
        let error = match write().await {
            Ok(written) => return Ok(written),
            Err(error) => error,
        };
        let pause = backoff.next();
        if !may_pass(error.class) || Instant::now() + pause >= deadline {
            return Err(ReplayTrouble::Journal(error));
        }
        sleep(pause).await;
    }
}

fn may_pass(class: StoreErrorClass) -> bool {
    match class {
        StoreErrorClass::Unavailable | StoreErrorClass::Busy | StoreErrorClass::Conflict => true,
        StoreErrorClass::Data | StoreErrorClass::Statement | StoreErrorClass::Misconfigured => {
            false
        }
    }
}
