use serde::Serialize;

/// How much a finding matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Severity {
    /// Something does not work, or messages will be lost.
    Error,
    /// It works until something else happens.
    Warning,
    /// Nobody knows.
    Unchecked,
    /// Worth knowing.
    Info,
}

/// What is checked, and why. The page docs/doctor.md says the same.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Rule {
    /// The stable name.
    pub(crate) code: &'static str,
    /// How much it matters when it is broken.
    pub(crate) severity: Severity,
    /// Why it is a rule, and who says so.
    pub(crate) why: &'static str,
}

/// A rule that is broken.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Finding {
    pub(crate) code: &'static str,
    pub(crate) severity: Severity,
    /// What it is about, such as `queue billing`.
    pub(crate) subject: String,
    /// What is wrong, with the figures.
    pub(crate) what: String,
    pub(crate) why: &'static str,
    /// What to type, or which variable to set, a step each.
    pub(crate) fix: Vec<String>,
    /// Whether it was said beforehand that this is meant.
    pub(crate) accepted: bool,
}

/// A rule that holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Passed {
    pub(crate) code: &'static str,
    pub(crate) subject: String,
}

/// In which way a rule is broken, and the remedy.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Fault {
    what: String,
    fix: Vec<String>,
}

/// What came of the checks so far.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Examination {
    pub(crate) findings: Vec<Finding>,
    pub(crate) passed: Vec<Passed>,
}

impl Severity {
    /// Returns the word that the report and the page use.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
            Self::Unchecked => "unchecked",
            Self::Info => "info",
        }
    }
}

impl Fault {
    /// Names a fault and its remedy in one step.
    pub(crate) fn new(what: impl Into<String>, fix: impl Into<String>) -> Self {
        Self::of(what).then(fix)
    }

    /// Names a fault whose remedy follows.
    pub(crate) fn of(what: impl Into<String>) -> Self {
        Self {
            what: what.into(),
            fix: Vec::new(),
        }
    }

    /// Adds a step to the remedy.
    pub(crate) fn then(mut self, step: impl Into<String>) -> Self {
        self.fix.push(step.into());
        self
    }
}

impl Examination {
    /// Notes whether a rule holds for a subject.
    pub(crate) fn judge(&mut self, rule: &Rule, subject: &str, fault: Option<Fault>) {
        let subject = subject.to_owned();
        let Rule {
            code,
            severity,
            why,
        } = *rule;
        match fault {
            None => self.passed.push(Passed { code, subject }),
            Some(Fault { what, fix }) => self.findings.push(Finding {
                code,
                severity,
                subject,
                what,
                why,
                fix,
                accepted: false,
            }),
        }
    }

    /// Notes that a rule is broken.
    pub(crate) fn find(&mut self, rule: &Rule, subject: &str, fault: Fault) {
        self.judge(rule, subject, Some(fault));
    }
}

/// Declares the rules of a file and lists them.
macro_rules! rules {
    ($($name:ident = $severity:ident $code:literal $why:literal;)+) => {
        $(
            const $name: $crate::command::doctor::finding::Rule =
                $crate::command::doctor::finding::Rule {
                    code: $code,
                    severity: $crate::command::doctor::finding::Severity::$severity,
                    why: $why,
                };
        )+

        /// The rules of this file.
        pub(super) const RULES: &[$crate::command::doctor::finding::Rule] = &[$($name),+];
    };
}

pub(super) use rules;

/// What the tests of the checks share.
#[cfg(test)]
pub(super) mod looking {
    use super::Examination;

    /// Runs a check and returns the codes of what it finds.
    pub(crate) fn codes(check: impl FnOnce(&mut Examination)) -> Vec<&'static str> {
        let mut examination = Examination::default();
        check(&mut examination);
        let codes = examination.findings.iter().map(|finding| finding.code);
        codes.collect()
    }

    /// Runs a check that finds one thing, and returns what is wrong and the remedy.
    #[track_caller]
    pub(crate) fn one(check: impl FnOnce(&mut Examination)) -> (String, Vec<String>) {
        let mut examination = Examination::default();
        check(&mut examination);
        let mut findings = examination.findings;
        assert_eq!(findings.len(), 1, "{findings:#?}");
        let finding = findings.remove(0);
        (finding.what, finding.fix)
    }
}
