/// What was measured, beside what was wanted.
#[derive(Default)]
pub(crate) struct Report {
    lines: Vec<Line>,
}

struct Line {
    what: String,
    figure: f64,
    unit: &'static str,
    limit: Option<f64>,
}

impl Report {
    /// Adds a figure that has a goal.
    pub(crate) fn line(&mut self, what: &str, figure: f64, unit: &'static str, limit: f64) {
        self.lines.push(Line {
            what: what.to_owned(),
            figure,
            unit,
            limit: Some(limit),
        });
    }

    /// Adds a figure that is only told.
    pub(crate) fn note(&mut self, what: &str, figure: f64, unit: &'static str) {
        self.lines.push(Line {
            what: what.to_owned(),
            figure,
            unit,
            limit: None,
        });
    }

    /// Prints a line a figure.
    pub(crate) fn print(&self) {
        let width = self
            .lines
            .iter()
            .map(|line| line.what.chars().count())
            .max()
            .unwrap_or(0);
        for Line {
            what,
            figure,
            unit,
            limit,
        } in &self.lines
        {
            let goal = match limit {
                Some(limit) if figure <= limit => format!("goal ≤ {limit}, reached"),
                Some(limit) => format!("goal ≤ {limit}, MISSED"),
                None => String::new(),
            };
            println!("{what:width$}  {figure:9.2} {unit:3}  {goal}");
        }
    }
}

/// Returns the middle one of some figures.
pub(crate) fn median(mut figures: Vec<f64>) -> f64 {
    figures.sort_by(f64::total_cmp);
    figures[figures.len() / 2]
}
