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
    if *kind != ReplayKind::Replay {
        let kind = kind.as_str();
        return Err(Exit::refused(format!(
            "replay {id} is of kind {kind}, and cannot be resumed"
        )));
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
