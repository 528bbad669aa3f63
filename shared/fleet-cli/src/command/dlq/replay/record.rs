use fleet::service::config::{RateLimit, Value as _};
use fleet::store::{Replay as Record, ReplayKind, ReplayState};

use crate::command::dlq::target::Target;
use crate::exit::Exit;

/// Reads a rate that was written down.
pub(super) fn rate_of(a_second: Option<f64>) -> Option<RateLimit> {
    RateLimit::parse(&a_second?.to_string()).ok()
}

/// Refuses to go on with what is done, of another queue, or no replay.
pub(super) fn check_resumable(record: &Record, target: &Target<'_>) -> Result<(), Exit> {
    let Record {
        id,
        queue,
        kind,
        state,
        ..
    } = record;
    let not_ours = match kind {
        ReplayKind::Replay => None,
        ReplayKind::Edit => {
            Some("is an edit of one dead letter; to go on with it, type its `dlq edit` again")
        }
        ReplayKind::Native => Some("is a move task of SQS's own, and cannot be resumed"),
    };
    if let Some(why) = not_ours {
        return Err(Exit::refused(format!("replay {id} {why}")));
    }
    if *queue != target.name {
        let name = &target.name;
        return Err(Exit::refused(format!(
            "replay {id} is of {queue}, not of {name}"
        )));
    }
    match state {
        ReplayState::Done => Err(Exit::refused(format!(
            "replay {id} is done: {} replayed, {} deleted",
            record.counts.replayed(),
            record.counts.deleted
        ))),
        ReplayState::Running | ReplayState::Stopped => Ok(()),
    }
}
