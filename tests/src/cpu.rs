//! What a process does with the processors: its time, its threads.

use std::time::Duration;

/// The unit of `/proc/PID/stat`: `USER_HZ`, which is 100 on every Linux of our architectures.
const TICK: Duration = Duration::from_millis(10);

/// Returns the processor time that a process has used in all its threads, in user and kernel mode.
///
/// # Panics
///
/// There is no such process.
pub fn cpu_time(process: u32) -> Duration {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat"));
    let stat = stat.expect("the process is alive");
    // The second field is the program's name in brackets, which may contain anything.
    let (_, fields) = stat.rsplit_once(')').expect("the name is in brackets");
    let fields: Vec<&str> = fields.split_ascii_whitespace().collect();
    let ticks = |at: usize| -> u32 { fields[at].parse().expect("ticks are a number") };
    // Fields 14 and 15 of proc(5); the two before the rest are cut off.
    TICK * (ticks(11) + ticks(12))
}

/// Counts the threads of a process that have a name.
///
/// # Panics
///
/// There is no such process.
pub fn threads(process: u32, name: &str) -> usize {
    let tasks = std::fs::read_dir(format!("/proc/{process}/task")).expect("the process is alive");
    let is_named = |task: &std::fs::DirEntry| {
        // A thread that has just ended has no name any more.
        std::fs::read_to_string(task.path().join("comm")).is_ok_and(|comm| comm.trim_end() == name)
    };
    tasks.flatten().filter(is_named).count()
}
