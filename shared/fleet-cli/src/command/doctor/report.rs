use std::fmt::Write as _;

use serde::Serialize;

use super::finding::{Examination, Finding, Severity};
use crate::output::escape;

/// What `--json` writes.
#[derive(Serialize)]
pub(super) struct Report<'a> {
    #[serde(flatten)]
    examination: &'a Examination,
    #[serde(flatten)]
    counts: Counts,
}

/// How many findings there are of each kind, those aside that were accepted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub(super) struct Counts {
    errors: usize,
    warnings: usize,
    unchecked: usize,
    infos: usize,
    accepted: usize,
}

impl<'a> Report<'a> {
    /// Puts it together.
    pub(super) fn of(examination: &'a Examination) -> Self {
        Self {
            examination,
            counts: Counts::of(examination),
        }
    }
}

impl Counts {
    /// Counts the findings.
    pub(super) fn of(examination: &Examination) -> Self {
        let mut counts = Self::default();
        for finding in &examination.findings {
            let count = match finding.severity {
                _ if finding.accepted => &mut counts.accepted,
                Severity::Error => &mut counts.errors,
                Severity::Warning => &mut counts.warnings,
                Severity::Unchecked => &mut counts.unchecked,
                Severity::Info => &mut counts.infos,
            };
            *count += 1;
        }
        counts
    }

    /// Tells whether a gate may open.
    pub(super) fn is_well(self) -> bool {
        self.errors + self.warnings + self.unchecked == 0
    }

    /// Says it in a line.
    pub(super) fn sentence(self, passed: usize) -> String {
        let of = |count: usize, one: &str, many: &str| match count {
            0 => None,
            1 => Some(format!("1 {one}")),
            count => Some(format!("{count} {many}")),
        };
        let parts = [
            of(self.errors, "error", "errors"),
            of(self.warnings, "warning", "warnings"),
            of(
                self.unchecked,
                "could not be checked",
                "could not be checked",
            ),
            of(self.infos, "info", "infos"),
            of(self.accepted, "accepted", "accepted"),
            of(passed, "check is well", "checks are well"),
        ];
        let parts: Vec<String> = parts.into_iter().flatten().collect();
        parts.join(", ")
    }
}

/// Writes the findings for people, the worst first.
pub(super) fn text(examination: &Examination) -> String {
    let blocks: Vec<String> = examination.findings.iter().map(block).collect();
    blocks.join("\n")
}

fn block(finding: &Finding) -> String {
    let Finding {
        code,
        severity,
        subject,
        what,
        why,
        fix,
        accepted,
    } = finding;
    let accepted = if *accepted { ", accepted" } else { "" };
    let mut text = format!(
        "{}{accepted}: {code}: {}\n  what  {}\n  why   {why}\n",
        severity.as_str(),
        escape(subject.clone()),
        escape(what.clone()),
    );
    for (step, number) in fix.iter().zip(1..) {
        let head = if number == 1 { "fix" } else { "" };
        let _ = writeln!(text, "  {head:5} {}", escape(step.clone()));
    }
    text
}

/// Writes what is well for people.
pub(super) fn well(examination: &Examination) -> String {
    let lines = examination.passed.iter().map(|passed| {
        let subject = escape(passed.subject.clone());
        format!("well: {}: {subject}\n", passed.code)
    });
    lines.collect()
}

#[cfg(test)]
mod tests {
    use super::super::finding::{Fault, Rule};
    use super::*;

    const RULE: fn(&'static str, Severity) -> Rule = |code, severity| Rule {
        code,
        severity,
        why: "It is a rule.",
    };

    fn examination() -> Examination {
        let mut examination = Examination::default();
        let fault = Fault::new("it is 1\u{1b}[2J", "set it to 2").then("start again");
        examination.find(&RULE("too-small", Severity::Error), "queue a", fault);
        examination.judge(&RULE("too-big", Severity::Warning), "queue a", None);
        examination
    }

    #[test]
    fn a_finding_is_a_block_that_cannot_steer_a_terminal() {
        let examination = examination();
        assert_eq!(
            text(&examination),
            "error: too-small: queue a\n  what  it is 1\\u{1b}[2J\n  why   It is a rule.\n  \
             fix   set it to 2\n        start again\n"
        );
        assert_eq!(well(&examination), "well: too-big: queue a\n");
    }

    #[test]
    fn a_gate_opens_for_infos_and_for_what_is_accepted() {
        for (severity, is_well) in [
            (Severity::Error, false),
            (Severity::Warning, false),
            (Severity::Unchecked, false),
            (Severity::Info, true),
        ] {
            let mut examination = examination();
            examination.findings[0].severity = severity;
            assert_eq!(Counts::of(&examination).is_well(), is_well, "{severity:?}");
            examination.findings[0].accepted = true;
            assert!(Counts::of(&examination).is_well());
        }
        let sentence = Counts::of(&examination()).sentence(1);
        assert_eq!(sentence, "1 error, 1 check is well");
    }
}
