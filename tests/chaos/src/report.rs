//! What a run says of itself: a file for machines, a table for people.

use std::collections::BTreeMap;
use std::io::{self, Write as _};
use std::path::PathBuf;

use anyhow::Context as _;
use serde::Serialize;

use crate::journal::Totals;
use crate::machine::Machine;
use crate::nemesis::Done;
use crate::options::Options;
use crate::traffic::Traffic;
use crate::verdict::{Kind, Verdict};

/// How long each phase took, in seconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Seconds {
    /// Until everything was there.
    pub start: f64,
    /// While it was attacked.
    pub storm: f64,
    /// Until nothing was left to do.
    pub calm: f64,
    /// To compare.
    pub check: f64,
    /// All of it.
    pub whole: f64,
}

/// Everything that is told of a run.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// What was asked for, the seed included.
    pub options: Options,
    /// On what.
    pub machine: Machine,
    /// What was found.
    pub verdict: Verdict,
    /// How long it took.
    pub seconds: Seconds,
    /// What the producer knows.
    pub sends: Totals,
    /// What was done to the fleet.
    pub done: Done,
    /// What it cost in deliveries.
    pub traffic: Traffic,
    /// Commits whose answer was lost.
    pub lost_commits: u64,
    /// How many processes there were.
    pub processes: usize,
    /// Attempts on record, by their outcome.
    pub attempts: BTreeMap<String, i64>,
    /// What arrived downstream and had arrived before.
    pub repeated_downstream: u64,
    /// Events a second, from the first send to the last effect.
    pub messages_per_second: f64,
    /// Where the output of the processes is, if it was kept.
    pub kept: Option<PathBuf>,
}

impl Report {
    /// Makes one that has nothing to count yet.
    pub fn new(options: &Options, verdict: Verdict, seconds: Seconds) -> Self {
        Self {
            messages_per_second: f64::from(options.messages) / (seconds.storm + seconds.calm),
            options: options.clone(),
            machine: Machine::here(),
            verdict,
            seconds,
            sends: Totals::default(),
            done: Done::default(),
            traffic: Traffic::default(),
            lost_commits: 0,
            processes: 0,
            attempts: BTreeMap::new(),
            repeated_downstream: 0,
            kept: None,
        }
    }

    /// Counts the deliveries that ran alone because an earlier one of them ended nobody knows how.
    fn suspects(&self) -> i64 {
        let outcomes = ["started", "finished"].into_iter();
        outcomes
            .filter_map(|outcome| self.attempts.get(outcome))
            .sum()
    }

    /// Writes the file.
    ///
    /// # Errors
    ///
    /// It cannot be written.
    pub fn write(&self) -> anyhow::Result<()> {
        let json = serde_json::to_string_pretty(self)?;
        let path = &self.options.report;
        std::fs::write(path, json + "\n")
            .with_context(|| format!("cannot write {}", path.display()))
    }

    /// Prints the table; the verdict is its last line.
    pub fn print(&self) {
        let Seconds {
            start,
            storm,
            calm,
            check,
            whole,
        } = self.seconds;
        let Done {
            kills,
            stops,
            terminations,
            crashes,
            read_only,
        } = self.done;
        say("");
        line("sent", self.sends.events);
        line("acknowledged", self.sends.acknowledged);
        line("sends without an answer", self.sends.sends_unknown);
        line("sends that failed", self.sends.sends_failed);
        line("SIGKILL", kills);
        line("SIGSTOP longer than the lease", stops);
        line("SIGTERM", terminations);
        line("crashes of Postgres", crashes);
        line("read-only flips of Postgres", read_only);
        line("COMMITs whose answer was lost", self.lost_commits);
        line("calls to SQS that failed", self.traffic.faulty_calls);
        line("redeliveries", self.traffic.redeliveries);
        line(
            "duplicates absorbed, at least",
            self.traffic.duplicates_absorbed,
        );
        line("suspects", self.suspects());
        line("processes in all", self.processes as u64);
        line("messages a second", self.messages_per_second.round());
        line(
            "seconds",
            format!(
                "{whole:.0} (start {start:.0}, storm {storm:.0}, calm {calm:.0}, check {check:.0})"
            ),
        );
        self.print_findings();
        say("");
        for (name, kind) in [
            ("lost", Kind::Lost),
            ("doubled", Kind::Doubled),
            ("unexpected", Kind::Unexpected),
        ] {
            say(&format!("{name} {}", self.verdict.count(kind)));
        }
        say(&format!("recovered {}", self.verdict.recovered));
        say(&format!("seed {}", self.options.seed));
        say(&format!("repeat: {}", self.options.repeat()));
        say(match self.verdict.is_whole() {
            true => "whole",
            false => "BROKEN",
        });
    }

    fn print_findings(&self) {
        for (kind, findings) in &self.verdict.findings {
            say("");
            say(&format!("{kind:?}: {}", findings.count));
            for (what, known) in &findings.samples {
                say(&format!("  {what}: {known}"));
            }
        }
        if let Some(kept) = &self.kept {
            say(&format!("what the processes wrote: {}", kept.display()));
        }
    }
}

/// Says a line on stdout; whoever has stopped reading misses it.
pub fn say(line: &str) {
    let _unread = writeln!(io::stdout(), "{line}");
}

fn line(name: &str, value: impl std::fmt::Display) {
    say(&format!("{name:<32}{value:>12}"));
}
