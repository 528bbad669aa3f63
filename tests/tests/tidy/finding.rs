//! What a rule found, and how a test tells its reader.

use std::fmt;

/// One place that breaks a rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Finding {
    pub(crate) path: String,
    /// Counted from 1.
    pub(crate) line: usize,
    /// What stands there; exceptions name it.
    pub(crate) what: String,
    /// What to do about it.
    pub(crate) instead: &'static str,
}

/// An exception to a rule.
#[derive(Debug)]
pub(crate) struct Allowed {
    pub(crate) rule: &'static str,
    pub(crate) path: &'static str,
    /// Text that the finding contains; empty for all of the file.
    pub(crate) what: &'static str,
    pub(crate) reason: &'static str,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}:{}: {}\n    {}",
            self.path, self.line, self.what, self.instead
        )
    }
}

impl Allowed {
    fn covers(&self, rule: &str, finding: &Finding) -> bool {
        self.rule == rule && self.path == finding.path && finding.what.contains(self.what)
    }
}

/// Fails with every finding that no exception covers, and with every exception
/// that covers no finding.
pub(crate) fn report(rule: &str, mut findings: Vec<Finding>, allowed: &[Allowed]) {
    // `use a::{b, c}` is found once a name.
    findings.dedup();
    let lines = complaints(rule, &findings, allowed);
    assert!(lines.is_empty(), "rule `{rule}`:\n{}\n", lines.join("\n"));
}

fn complaints(rule: &str, findings: &[Finding], allowed: &[Allowed]) -> Vec<String> {
    let broken = findings
        .iter()
        .filter(|finding| {
            !allowed
                .iter()
                .any(|exception| exception.covers(rule, finding))
        })
        .map(ToString::to_string);
    let stale = allowed
        .iter()
        .filter(|exception| exception.rule == rule)
        .filter(|exception| {
            !findings
                .iter()
                .any(|finding| exception.covers(rule, finding))
        })
        .map(|exception| {
            format!(
                "{}: the exception for {:?} is needed no more; take it out of allowed.rs",
                exception.path, exception.what
            )
        });
    broken.chain(stale).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn finding(path: &str, what: &str) -> Finding {
        Finding {
            path: path.to_owned(),
            line: 7,
            what: what.to_owned(),
            instead: "mend it",
        }
    }

    const ALLOWED: &[Allowed] = &[Allowed {
        rule: "rule",
        path: "a.rs",
        what: "fn long",
        reason: "a table",
    }];

    #[test]
    fn an_exception_covers_its_own_finding_only() {
        let check = |found: &[Finding], expected: &[&str]| {
            assert_eq!(complaints("rule", found, ALLOWED), expected);
        };
        let allowed = finding("a.rs", "fn long has 80 lines");
        check(std::slice::from_ref(&allowed), &[]);
        check(
            &[allowed, finding("b.rs", "fn long has 80 lines")],
            &["b.rs:7: fn long has 80 lines\n    mend it"],
        );
    }

    #[test]
    fn a_stale_exception_is_a_complaint() {
        let lines = complaints("rule", &[], ALLOWED);
        assert!(lines[0].starts_with("a.rs: the exception for \"fn long\" is needed no more"));
        assert!(complaints("another rule", &[], ALLOWED).is_empty());
    }
}
