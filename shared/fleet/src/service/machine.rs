//! Where this process runs, for those who look for it.

use std::fs;

/// Returns the name of this machine, pod or container, or `unknown` where the system does not tell.
pub fn host_name() -> String {
    let name = fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    match name.trim() {
        "" => "unknown".to_owned(),
        name => name.to_owned(),
    }
}
