use anyhow::{Context as _, anyhow};
use serde::Serialize;

use super::target::Target;
use crate::cli::dlq::Import;
use crate::exit::Exit;
use crate::interrupt::Interrupt;
use crate::output;

/// What became of the lines.
#[derive(Debug, Default, Serialize)]
pub(super) struct Imported {
    /// Those that are in the queue now; of a dry run, those that would be.
    pub(super) sent: u64,
    /// Their events are in the dead-letter queue already.
    pub(super) there: u64,
    /// Their events stand in the file before.
    pub(super) repeated: u64,
    /// Their events are done.
    pub(super) done: u64,
    /// Nobody knows any more whether their events are done.
    pub(super) too_old: u64,
    /// They are broken, or SQS did not take them.
    pub(super) not_sent: u64,
}

impl Imported {
    /// Says it in a line.
    pub(super) fn told(&self, sent: &str) -> String {
        let parts = [
            (self.there, "in the queue already"),
            (self.repeated, "twice in the file"),
            (self.done, "done already"),
            (self.too_old, "older than is known what is done"),
            (self.not_sent, "not sent"),
        ];
        let parts = parts.iter().filter(|(count, _)| *count > 0);
        let parts = parts.map(|(count, what)| format!(", {count} {what}"));
        format!("{} {sent}{}", self.sent, parts.collect::<String>())
    }

    /// Says what became of the lines, and ends as that deserves.
    pub(super) fn report(
        &self,
        args: &Import,
        interrupt: &Interrupt,
        target: &Target<'_>,
    ) -> Result<(), Exit> {
        if args.json {
            output::json(self).context("cannot write")?;
        } else {
            let sent = if args.dry_run { "to be sent" } else { "sent" };
            output::note(&self.told(sent));
        }
        if interrupt.is_requested() {
            return Err(Exit::Interrupted(anyhow!(
                "interrupted; the same command sends the rest"
            )));
        }
        if self.too_old > 0 {
            output::note("--force sends also what is too old: it may be done twice");
        }
        match (self.sent, self.not_sent + self.too_old) {
            (_, 0) => Ok(()),
            (0, _) => Err(anyhow!("nothing was sent to {}", target.name).into()),
            _ => Err(Exit::Partly(anyhow!("some lines were not sent"))),
        }
    }
}
