use tokio_util::sync::CancellationToken;

use crate::service::health::Pulse;
use crate::service::retry::Jitter;

/// What a process does again and again beside its work.
pub(super) trait Chore: Send + 'static {
    /// Does it until told to stop, and ticks; called again, it goes on with what it has learnt.
    fn run(
        &mut self,
        pulse: &Pulse,
        stop: &CancellationToken,
        jitter: Jitter,
    ) -> impl Future<Output = ()> + Send;
}
