//! Who types a command, and what is told of what was done before.

use std::fs;
use std::os::unix::fs::MetadataExt as _;

use fleet::service::config::Env;
use fleet::service::machine;
use fleet::store::Pause;

/// Returns who types a command, and where, as records name them.
pub(crate) fn who(env: &dyn Env) -> String {
    let named = ["USER", "LOGNAME"]
        .into_iter()
        .find_map(|variable| env.get(variable).filter(|name| !name.is_empty()));
    format!("{}@{}", named.unwrap_or_else(user), machine::host_name())
}

/// Tells of a pause who did it, when and why.
pub(crate) fn story(pause: &Pause) -> String {
    let Pause {
        paused_by,
        paused_at,
        reason,
        ..
    } = pause;
    format!("by {paused_by} since {paused_at:.0}: {reason}")
}

/// Names the user of the operating system by number: a container has no names.
fn user() -> String {
    match fs::metadata("/proc/self") {
        Ok(process) => format!("uid {}", process.uid()),
        Err(_) => "unknown".to_owned(),
    }
}
