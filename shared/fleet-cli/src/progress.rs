use std::fmt;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressState, ProgressStyle};

use crate::output;

/// How often a bar is drawn anew.
const DRAW_PERIOD: Duration = Duration::from_millis(200);

/// A progress bar on a terminal; nothing elsewhere.
pub(crate) struct Bar {
    bar: ProgressBar,
}

impl Bar {
    /// Makes a bar without a known end, which shows a count and a rate.
    pub(crate) fn counting(verb: &'static str) -> Self {
        let bar = ProgressBar::no_length();
        bar.set_style(style(&format!(
            "{{spinner}} {{human_pos}} {verb}, {{rate}}"
        )));
        Self::watched(bar)
    }

    /// Makes a bar towards about so many, which shows a rate and the time that is left.
    pub(crate) fn towards(about: u64, verb: &'static str) -> Self {
        let bar = ProgressBar::new(about);
        bar.set_style(style(&format!(
            "{{bar:20}} {{human_pos}} of about {{human_len}} {verb}, {{rate}}, {{eta}} left"
        )));
        Self::watched(bar)
    }

    /// Makes a bar that shows a sentence.
    #[cfg(feature = "dev")]
    pub(crate) fn telling() -> Self {
        let bar = ProgressBar::no_length();
        bar.set_style(style("{spinner} {msg}"));
        Self::watched(bar)
    }

    fn watched(bar: ProgressBar) -> Self {
        if output::is_watched() {
            bar.enable_steady_tick(DRAW_PERIOD);
        } else {
            bar.set_draw_target(ProgressDrawTarget::hidden());
        }
        Self { bar }
    }

    pub(crate) fn advance(&self, steps: u64) {
        self.bar.inc(steps);
    }

    /// Shows a sentence in place of the last one.
    #[cfg(feature = "dev")]
    pub(crate) fn tell(&self, text: String) {
        self.bar.set_message(text);
    }

    /// Writes a line above the bar.
    pub(crate) fn note(&self, text: &str) {
        self.bar.suspend(|| output::note(text));
    }

    pub(crate) fn finish(&self) {
        self.bar.finish_and_clear();
    }
}

fn style(template: &str) -> ProgressStyle {
    let style = ProgressStyle::with_template(template);
    let style = style.expect("the templates are ours and well-formed");
    style.with_key(
        "rate",
        |state: &ProgressState, text: &mut dyn fmt::Write| {
            // What cannot be written is drawn anew soon.
            let _ = write!(text, "{:.0}/s", state.per_sec());
        },
    )
}
