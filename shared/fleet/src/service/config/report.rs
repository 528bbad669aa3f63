use std::fmt;

use serde::Serialize;

/// One thing that is wrong with one variable.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Problem {
    /// The variable's name.
    pub variable: String,
    /// What is wrong, the given value unless it is secret, and what to do.
    pub message: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.variable, self.message)
    }
}

/// Where a value came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Source {
    /// The variable is not set; the built-in value holds.
    Default,
    /// The variable is set.
    Environment,
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Default => "default",
            Self::Environment => "environment",
        })
    }
}

/// One variable as it takes effect: a row of `fleet config`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Setting {
    /// The variable's name.
    pub name: String,
    /// The value as it would be typed, `***` for a secret; `None` when the
    /// variable is optional and not set.
    pub value: Option<String>,
    /// Whether the variable or the default decided.
    pub source: Source,
}

/// The effective configuration of one start.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Report {
    /// Every variable that was read, in reading order.
    pub settings: Vec<Setting>,
    /// What is allowed but likely unintended.
    pub warnings: Vec<Problem>,
}

impl fmt::Display for Report {
    /// Writes a row a variable (name, value, source in aligned columns), then a
    /// line a warning.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = |setting: &Setting| setting.value.clone().unwrap_or_else(|| "(unset)".into());
        let width = |column: fn(&Setting) -> String| {
            self.settings
                .iter()
                .map(|setting| column(setting).chars().count())
                .max()
                .unwrap_or(0)
        };
        let name_width = width(|setting| setting.name.clone());
        let value_width = self
            .settings
            .iter()
            .map(|s| shown(s).chars().count())
            .max()
            .unwrap_or(0);
        for setting in &self.settings {
            let (name, value) = (&setting.name, shown(setting));
            writeln!(
                f,
                "{name:name_width$}  {value:value_width$}  {}",
                setting.source
            )?;
        }
        for warning in &self.warnings {
            writeln!(f, "warning: {warning}")?;
        }
        Ok(())
    }
}

/// Everything that is wrong with the configuration of one start.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, thiserror::Error)]
pub struct ConfigError {
    /// The problems, in reading order; never empty.
    pub problems: Vec<Problem>,
}

impl fmt::Display for ConfigError {
    /// Writes a heading and one line a problem.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.problems.len() {
            1 => write!(f, "the configuration has a problem:")?,
            count => write!(f, "the configuration has {count} problems:")?,
        }
        self.problems
            .iter()
            .try_for_each(|problem| write!(f, "\n  {problem}"))
    }
}
