use std::collections::BTreeMap;

use anyhow::anyhow;
use fleet::consume::{Outcome, Rehearsal};
use fleet::dead_letter::Death;
use serde::Serialize;

use crate::exit::Exit;
use crate::output;

/// What would become of the dead letters of a queue.
#[derive(Debug)]
pub(super) struct Verdicts {
    queue: String,
    copies: u64,
    left_out: u64,
    /// By type, failure before, and what would be.
    lines: BTreeMap<(String, String, String), Line>,
    published: BTreeMap<String, Published>,
}

/// Events that would end the same way.
#[derive(Clone, Debug, Serialize)]
struct Line {
    event_type: Option<String>,
    /// What they died of.
    reason_before: String,
    fingerprint_before: String,
    /// `pass`, `already_done`, `no_handler`, or the outcome of a failure.
    would: &'static str,
    /// Why they would fail.
    reason: Option<String>,
    fingerprint: Option<String>,
    /// Whether they would die of the same again.
    is_same: bool,
    events: u64,
    sample_id: String,
}

/// Events of a type that handlers would publish.
#[derive(Clone, Copy, Debug, Default, Serialize)]
struct Published {
    events: u64,
    /// For each event one for each consumer that subscribes to it.
    messages: u64,
}

/// What `--json` writes.
#[derive(Debug, Serialize)]
pub(super) struct Summary<'a> {
    queue: &'a str,
    events: u64,
    would_pass: u64,
    already_done: u64,
    would_not: u64,
    copies: u64,
    left_out: u64,
    verdicts: Vec<&'a Line>,
    published: &'a BTreeMap<String, Published>,
}

impl Verdicts {
    pub(super) fn new(queue: &str, copies: u64, left_out: u64) -> Self {
        Self {
            queue: queue.to_owned(),
            copies,
            left_out,
            lines: BTreeMap::new(),
            published: BTreeMap::new(),
        }
    }

    /// Notes what would become of one event.
    pub(super) fn note(&mut self, death: &Death, rehearsal: &Rehearsal) {
        if let Rehearsal::Passes { published } = rehearsal {
            for publication in published {
                let of_type = self.published.entry(publication.event_type.clone());
                let sum = of_type.or_default();
                sum.events += 1;
                sum.messages += publication.subscribers as u64;
            }
        }
        let line = Line::of(death, rehearsal);
        let key = (
            line.event_type.clone().unwrap_or_default(),
            line.fingerprint_before.clone(),
            format!("{} {:?}", line.would, line.fingerprint),
        );
        let sample_id = line.sample_id.clone();
        let known = self.lines.entry(key).or_insert(line);
        known.events += 1;
        // The same one, in whatever order they ran.
        known.sample_id = sample_id.min(std::mem::take(&mut known.sample_id));
    }

    fn count(&self, is: impl Fn(&Line) -> bool) -> u64 {
        let lines = self.lines.values().filter(|line| is(line));
        lines.map(|line| line.events).sum()
    }

    pub(super) fn summary(&self) -> Summary<'_> {
        Summary {
            queue: &self.queue,
            events: self.count(|_| true),
            would_pass: self.count(|line| line.would == PASS),
            already_done: self.count(|line| line.would == ALREADY_DONE),
            would_not: self.count(|line| !line.is_good()),
            copies: self.copies,
            left_out: self.left_out,
            verdicts: self.lines.values().collect(),
            published: &self.published,
        }
    }

    pub(super) fn text(&self) -> String {
        if self.lines.is_empty() {
            return "nothing to rehearse\n".to_owned();
        }
        let rows = self.lines.values().map(|line| {
            vec![
                line.event_type.clone().unwrap_or_else(|| "-".to_owned()),
                line.reason_before.clone(),
                line.would(),
                line.events.to_string(),
                line.sample_id.clone(),
            ]
        });
        let headings = ["TYPE", "REASON BEFORE", "WOULD", "COUNT", "SAMPLE ID"];
        let mut text = output::table(&headings, rows.collect());
        if !self.published.is_empty() {
            let rows = self.published.iter().map(|(event_type, sum)| {
                vec![
                    event_type.clone(),
                    sum.events.to_string(),
                    sum.messages.to_string(),
                ]
            });
            let headings = ["WOULD PUBLISH", "EVENTS", "MESSAGES"];
            text += &format!("\n{}", output::table(&headings, rows.collect()));
        }
        text
    }

    /// Says what was left out, and ends as the verdicts deserve.
    pub(super) fn conclude(&self) -> Result<(), Exit> {
        if self.copies > 0 {
            output::note(&format!("{} copies of these were left out", self.copies));
        }
        if self.left_out > 0 {
            output::note(&format!(
                "{} more are meant; --max rehearses more, up to 100 MiB of messages",
                self.left_out
            ));
        }
        let (all, bad) = (self.count(|_| true), self.count(|line| !line.is_good()));
        match all - bad {
            _ if bad == 0 => Ok(()),
            0 => Err(Exit::Failed(anyhow!("none of {all} would get done"))),
            _ => Err(Exit::Partly(anyhow!("{bad} of {all} would not get done"))),
        }
    }
}

const PASS: &str = "pass";
const ALREADY_DONE: &str = "already_done";
const NO_HANDLER: &str = "no_handler";

impl Line {
    fn of(death: &Death, rehearsal: &Rehearsal) -> Self {
        let mut line = Self {
            event_type: death.event_type.clone(),
            reason_before: death.reason.clone(),
            fingerprint_before: death.fingerprint.to_string(),
            would: PASS,
            reason: None,
            fingerprint: None,
            is_same: false,
            events: 0,
            sample_id: death.key.id.clone(),
        };
        match rehearsal {
            Rehearsal::Passes { .. } => {}
            Rehearsal::AlreadyDone => line.would = ALREADY_DONE,
            Rehearsal::NoHandler => line.would = NO_HANDLER,
            Rehearsal::Fails {
                outcome,
                reason,
                fingerprint,
                is_same,
            } => {
                line.would = outcome.as_str();
                line.reason = Some(match outcome {
                    Outcome::Rejected {
                        detail: Some(detail),
                        ..
                    } => format!("{reason}: {detail}"),
                    _ => reason.clone(),
                });
                line.fingerprint = Some(fingerprint.to_string());
                line.is_same = *is_same;
            }
        }
        line
    }

    fn is_good(&self) -> bool {
        [PASS, ALREADY_DONE].contains(&self.would)
    }

    /// Says for people what would be.
    fn would(&self) -> String {
        let kind = match (self.would, self.is_same) {
            ("undecodable", false) => "undecodable",
            ("undecodable", true) => "undecodable again",
            (_, false) => "fail",
            (_, true) => "fail again",
        };
        match &self.reason {
            Some(reason) => format!("{kind}: {reason}"),
            None => self.would.replace('_', " "),
        }
    }
}
