use std::ops::RangeInclusive;

use super::env::Env;
use super::report::{ConfigError, Problem, Report, Setting, Source};
use super::value::Value;

/// Characters of a malformed value that a report shows at most: enough to
/// recognise it, too little to fill a screen.
const SHOWN_CHARS_MAX: usize = 80;

/// A configuration without a problem, and the report of what took effect.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Loaded<T> {
    /// What the sections parsed.
    pub settings: T,
    /// Every variable that was read, with its source, and the warnings.
    pub report: Report,
}

/// Reads the sections that `sections` names and returns them when nothing is
/// wrong with any variable.
///
/// Inside `sections` a malformed variable yields its default or `None`, so that
/// the rest can be checked too; such a value never leaves this function.
///
/// # Errors
///
/// Names every problem of every section.
pub fn load<T>(
    env: &dyn Env,
    sections: impl FnOnce(&mut Reader<'_>) -> T,
) -> Result<Loaded<T>, ConfigError> {
    let mut reader = Reader::new(env);
    let settings = sections(&mut reader);
    let report = reader.finish()?;
    Ok(Loaded { settings, report })
}

/// Parses variables and collects every problem and every effective value.
pub struct Reader<'a> {
    env: &'a dyn Env,
    report: Report,
    problems: Vec<Problem>,
}

impl<'a> Reader<'a> {
    /// Starts with nothing read.
    pub fn new(env: &'a dyn Env) -> Self {
        Self {
            env,
            report: Report::default(),
            problems: Vec::new(),
        }
    }

    /// Reads a variable that has a default; a malformed one counts as the default.
    pub fn or_default<T: Value>(
        &mut self,
        name: &str,
        default: T,
        check: impl Fn(&T) -> Result<(), String>,
    ) -> T {
        match self.given(name) {
            Some(text) => self.parsed(name, &text, check).unwrap_or(default),
            None => {
                self.effective(name, Some(&default), Source::Default);
                default
            }
        }
    }

    /// Reads a variable that may be absent.
    pub fn optional<T: Value>(
        &mut self,
        name: &str,
        check: impl Fn(&T) -> Result<(), String>,
    ) -> Option<T> {
        match self.given(name) {
            Some(text) => self.parsed(name, &text, check),
            None => {
                self.effective::<T>(name, None, Source::Default);
                None
            }
        }
    }

    /// Reads a variable that must be set; `advice` completes "set it to …".
    pub fn required<T: Value>(
        &mut self,
        name: &str,
        advice: &str,
        check: impl Fn(&T) -> Result<(), String>,
    ) -> Option<T> {
        match self.given(name) {
            Some(text) => self.parsed(name, &text, check),
            None => {
                let found = if self.env.get(name).is_some() {
                    "is empty"
                } else {
                    "is not set"
                };
                self.problem(name, format!("{found}; set it to {advice}"));
                None
            }
        }
    }

    /// Returns the variable's text without recording it, `None` when unset or blank.
    pub fn peek(&self, name: &str) -> Option<String> {
        self.given(name)
    }

    /// Records a problem, such as a broken rule between two variables.
    pub fn problem(&mut self, variable: &str, message: impl Into<String>) {
        self.problems.push(Problem {
            variable: variable.to_owned(),
            message: message.into(),
        });
    }

    /// Records something that is allowed but likely unintended.
    pub fn warning(&mut self, variable: &str, message: impl Into<String>) {
        let warning = Problem {
            variable: variable.to_owned(),
            message: message.into(),
        };
        self.report.warnings.push(warning);
    }

    /// Tells whether none of the variables has a problem so far, so that a rule
    /// between them does not report a consequence of a mistake already named.
    pub fn is_sound(&self, names: &[&str]) -> bool {
        !self
            .problems
            .iter()
            .any(|problem| names.contains(&problem.variable.as_str()))
    }

    /// Returns what is allowed but likely unintended so far, for whom a problem is not the end.
    pub fn warnings(&self) -> &[Problem] {
        &self.report.warnings
    }

    /// Returns the report of what took effect.
    ///
    /// # Errors
    ///
    /// Names every problem that was recorded.
    pub fn finish(self) -> Result<Report, ConfigError> {
        if self.problems.is_empty() {
            Ok(self.report)
        } else {
            Err(ConfigError {
                problems: self.problems,
            })
        }
    }

    fn given(&self, name: &str) -> Option<String> {
        self.env.get(name).filter(|text| !text.trim().is_empty())
    }

    fn parsed<T: Value>(
        &mut self,
        name: &str,
        text: &str,
        check: impl Fn(&T) -> Result<(), String>,
    ) -> Option<T> {
        let parsed = if text.contains(char::REPLACEMENT_CHARACTER) {
            Err("is not valid UTF-8".to_owned())
        } else {
            T::parse(text).and_then(|value| check(&value).map(|()| value))
        };
        match parsed {
            Ok(value) => {
                self.effective(name, Some(&value), Source::Environment);
                Some(value)
            }
            Err(message) => {
                let shown = if T::SECRET || carries_credentials(text) {
                    "its value".to_owned()
                } else {
                    quoted(text)
                };
                self.problem(name, format!("{shown} {message}"));
                None
            }
        }
    }

    fn effective<T: Value>(&mut self, name: &str, value: Option<&T>, source: Source) {
        if self
            .report
            .settings
            .iter()
            .any(|setting| setting.name == name)
        {
            return;
        }
        let value = value.map(|value| {
            if T::SECRET {
                "***".to_owned()
            } else {
                value.render()
            }
        });
        self.report.settings.push(Setting {
            name: name.to_owned(),
            value,
            source,
        });
    }
}

/// Tells whether a text may be an address with a user or a password in it, however malformed.
fn carries_credentials(text: &str) -> bool {
    text.contains('@')
}

/// Accepts every value.
///
/// # Errors
///
/// Never.
pub fn anything<T>(_value: &T) -> Result<(), String> {
    Ok(())
}

/// Accepts the values of a range.
pub fn within<T: Value + PartialOrd>(
    range: RangeInclusive<T>,
) -> impl Fn(&T) -> Result<(), String> {
    move |value| {
        if range.contains(value) {
            return Ok(());
        }
        let (least, most) = (range.start().render(), range.end().render());
        Err(format!(
            "is out of range; give a value from {least} to {most}"
        ))
    }
}

fn quoted(text: &str) -> String {
    let shown: String = text.chars().take(SHOWN_CHARS_MAX).collect();
    let more = if shown.len() < text.len() { "…" } else { "" };
    format!("\"{}{more}\"", shown.escape_debug())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::time::Duration;

    use super::super::value::Secret;
    use super::*;

    fn env(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect()
    }

    #[test]
    fn one_report_names_every_problem() {
        let env = env(&[
            ("COUNT", "many"),
            ("WAIT", "30"),
            ("URL", " "),
            ("LIMIT", "0"),
        ]);
        let error = load(&env, |reader| {
            reader.or_default::<u32>("COUNT", 1, anything);
            reader.or_default("WAIT", Duration::ZERO, anything);
            reader.required::<String>("URL", "an address", anything);
            reader.required::<String>("NAME", "a name", anything);
            reader.or_default::<u32>("LIMIT", 1, within(1..=9));
        })
        .expect_err("five problems");
        insta::assert_snapshot!(error, @r#"
        the configuration has 5 problems:
          COUNT: "many" is not a whole number
          WAIT: "30" is not a duration; give a whole number and a unit, such as 500ms, 30s, 2m or 1h
          URL: is empty; set it to an address
          NAME: is not set; set it to a name
          LIMIT: "0" is out of range; give a value from 1 to 9
        "#);
    }

    #[test]
    fn a_secret_is_neither_in_the_report_nor_in_an_error() {
        let env = env(&[("GOOD", "hunter2"), ("BAD", "hunter3")]);
        let mut reader = Reader::new(&env);
        reader.optional::<Secret>("GOOD", anything);
        assert_eq!(reader.report.settings[0].value.as_deref(), Some("***"));
        reader.optional::<Secret>("BAD", |_| Err("is not an address".to_owned()));
        let error = reader.finish().expect_err("a problem").to_string();
        assert!(
            error.contains("BAD: its value is not an address"),
            "{error}"
        );
        assert!(!error.contains("hunter"), "{error}");
    }

    #[test]
    fn the_report_shows_values_and_sources_in_columns() {
        let env = env(&[("WAIT", "1500ms"), ("PASSWORD", "hunter2"), ("BLANK", "")]);
        let loaded = load(&env, |reader| {
            reader.or_default("WAIT", Duration::ZERO, anything);
            reader.or_default("GRACE", Duration::from_secs(60), anything);
            reader.optional::<Secret>("PASSWORD", anything);
            reader.optional::<String>("BLANK", anything);
            reader.warning("WAIT", "is odd");
        })
        .expect("no problem");
        insta::assert_snapshot!(loaded.report, @"
        WAIT      1500ms   environment
        GRACE     1m       default
        PASSWORD  ***      environment
        BLANK     (unset)  default
        warning: WAIT: is odd
        ");
    }

    #[test]
    fn a_malformed_value_is_escaped_and_cut() {
        assert_eq!(quoted("a\nb\u{1b}"), r#""a\nb\u{1b}""#);
        assert_eq!(
            quoted(&"x".repeat(100)).chars().count(),
            SHOWN_CHARS_MAX + 3
        );
    }

    #[test]
    fn bytes_that_are_no_text_are_a_problem_of_their_variable() {
        let env = env(&[("NAME", "a\u{fffd}")]);
        let error = load(&env, |reader| reader.optional::<String>("NAME", anything));
        assert!(
            error
                .expect_err("a problem")
                .to_string()
                .contains("is not valid UTF-8")
        );
    }
}
