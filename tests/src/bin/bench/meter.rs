use std::fs;

use crate::Outcome;

/// Ticks a second of the kernel's process accounting; it is 100 on every Linux that Rust runs on.
const TICKS_A_SECOND: f64 = 100.0;

/// Reads the CPU time of a process so far, all its threads together, in microseconds.
pub(crate) fn cpu_micros(pid: u32) -> Outcome<f64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    // The name, in parentheses, may contain anything; the fields after it are numbers.
    let fields = stat.rsplit_once(')').ok_or("no process accounting")?.1;
    let ticks = |field: usize| -> Outcome<f64> {
        Ok(fields
            .split_whitespace()
            .nth(field)
            .ok_or("no such field")?
            .parse()?)
    };
    // Fields 14 and 15 of the whole line: user and system time.
    Ok((ticks(11)? + ticks(12)?) / TICKS_A_SECOND * 1e6)
}

/// Reads the CPU time of the threads of a process that live now, in microseconds, exact to the nanosecond.
pub(crate) fn threads_cpu_micros(pid: u32) -> Outcome<f64> {
    let mut nanos = 0.0;
    for thread in fs::read_dir(format!("/proc/{pid}/task"))? {
        let schedule = fs::read_to_string(thread?.path().join("schedstat"))?;
        let on_cpu = schedule
            .split_whitespace()
            .next()
            .ok_or("no scheduler accounting")?;
        nanos += on_cpu.parse::<f64>()?;
    }
    Ok(nanos / 1e3)
}

/// Reads the peak resident memory of a process in MiB.
pub(crate) fn peak_rss_mib(pid: u32) -> Outcome<f64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status
        .lines()
        .find(|line| line.starts_with("VmHWM:"))
        .ok_or("no VmHWM")?;
    let kib: f64 = line.split_whitespace().nth(1).ok_or("no VmHWM")?.parse()?;
    Ok(kib / 1024.0)
}
