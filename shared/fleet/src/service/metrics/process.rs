use std::fmt::Write;
use std::fs;

use super::catalogue::{
    LOG_LINES_LOST, Metric, PANICS, PROCESS_CPU, PROCESS_OPEN_FDS, PROCESS_RESIDENT_MEMORY,
    PROCESS_START_TIME,
};
use crate::service::telemetry;

/// What the kernel says in its files: ticks are 1/100 s to every program,
/// whatever the kernel uses inside.
///
/// Source: time(7), `USER_HZ`.
const TICKS_PER_SECOND: f64 = 100.0;

/// Appends the metrics of this process as it is at this moment: what its log has counted, and
/// what the kernel tells; what that does not tell (on another system, say) is left out.
pub(super) fn render_into(page: &mut String) {
    let stat = fs::read_to_string("/proc/self/stat")
        .ok()
        .and_then(|text| Stat::parse(&text));
    let boot = fs::read_to_string("/proc/stat")
        .ok()
        .and_then(|text| boot_time(&text));
    let memory = fs::read_to_string("/proc/self/status")
        .ok()
        .and_then(|text| resident(&text));
    let open_fds = fs::read_dir("/proc/self/fd")
        .ok()
        .map(|entries| entries.count() as f64);
    let start = stat
        .as_ref()
        .zip(boot)
        .map(|(stat, boot)| boot + stat.start_seconds);

    append(page, &PANICS, Some(telemetry::panics() as f64));
    append(page, &LOG_LINES_LOST, Some(telemetry::lines_lost() as f64));
    append(
        page,
        &PROCESS_CPU,
        stat.as_ref().map(|stat| stat.cpu_seconds),
    );
    append(page, &PROCESS_RESIDENT_MEMORY, memory);
    append(page, &PROCESS_OPEN_FDS, open_fds);
    append(page, &PROCESS_START_TIME, start);
}

fn append(page: &mut String, metric: &Metric, value: Option<f64>) {
    let Metric {
        name, kind, help, ..
    } = metric;
    if let Some(value) = value {
        let kind = kind.as_str();
        // A String takes whatever is written to it.
        let _ = write!(
            page,
            "# HELP {name} {help}\n# TYPE {name} {kind}\n{name} {value}\n\n"
        );
    }
}

/// What is of interest in `/proc/self/stat`.
struct Stat {
    cpu_seconds: f64,
    /// Counted from the boot.
    start_seconds: f64,
}

impl Stat {
    /// Reads fields 14 (utime), 15 (stime) and 22 (starttime) of proc(5); the
    /// second one, the name, may hold blanks and parentheses.
    fn parse(text: &str) -> Option<Self> {
        let (_, after_name) = text.rsplit_once(')')?;
        let fields: Vec<_> = after_name.split_whitespace().collect();
        let ticks = |field: usize| fields.get(field - 3)?.parse::<f64>().ok();
        Some(Self {
            cpu_seconds: (ticks(14)? + ticks(15)?) / TICKS_PER_SECOND,
            start_seconds: ticks(22)? / TICKS_PER_SECOND,
        })
    }
}

fn boot_time(stat: &str) -> Option<f64> {
    stat.lines()
        .find_map(|line| line.strip_prefix("btime "))?
        .trim()
        .parse()
        .ok()
}

/// Reads the resident memory, which the kernel tells in kB, in bytes.
fn resident(status: &str) -> Option<f64> {
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kilobytes: f64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kilobytes * 1024.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_blanks_and_parentheses_does_not_shift_the_fields() {
        let text = "7 (a) b (c)) S 1 1 1 0 -1 4 5 0 0 0 150 50 0 0 20 0 3 0 1200 9 9";
        let stat = Stat::parse(text).expect("well formed");
        assert_eq!((stat.cpu_seconds, stat.start_seconds), (2.0, 12.0));
        assert!(Stat::parse("7 (x) S 1").is_none());
    }

    #[test]
    fn memory_and_boot_time_are_read_from_their_lines() {
        assert_eq!(
            resident("Name:\tx\nVmRSS:\t   2048 kB\n"),
            Some(2_097_152.0)
        );
        assert_eq!(
            boot_time("cpu 1 2\nbtime 1700000000\n"),
            Some(1_700_000_000.0)
        );
        assert_eq!(resident("Name:\tx\n"), None);
    }
}
