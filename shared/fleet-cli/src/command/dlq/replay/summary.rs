use std::collections::BTreeMap;

use anyhow::{Context as _, anyhow};
use fleet::dead_letter::replay::{End, Report};
use fleet::service::failpoint;
use fleet::store::{Replay as Record, ReplayState};
use serde::Serialize;

use super::job::{Ended, Scene};
use super::watch::{Relapse, Verdict};
use crate::cli::replay::Replay;
use crate::exit::Exit;
use crate::output;

/// How many failures are told of one by one.
const RELAPSES_MAX: usize = 5;

/// How a replay ends: its state in the journal, why, and the exit code.
struct Ending {
    state: ReplayState,
    reason: Option<String>,
    exit: Result<(), Exit>,
}

/// What a replay has done, as the journal says it.
#[derive(Serialize)]
struct Summary {
    id: i64,
    state: &'static str,
    stopped_reason: Option<String>,
    queue: String,
    destination: String,
    replayed: u64,
    copies: u64,
    deleted: u64,
    planned: u64,
    sent: u64,
    /// Sent by an earlier replay, and only deleted by this run.
    finished: u64,
    passed_over: u64,
    hidden: u64,
    kept: BTreeMap<String, u64>,
}

/// Says that there was nothing to do.
pub(super) fn nothing(args: &Replay) -> Result<(), Exit> {
    if args.json {
        output::json(&serde_json::json!({ "state": "done", "replayed": 0 }))
            .context("cannot write")?;
    }
    Ok(())
}

/// Writes down how a replay ended, and says what came of it.
pub(super) async fn conclude(scene: &Scene<'_>, id: i64, ended: Ended) -> Result<(), Exit> {
    let unread = || {
        let (name, queue) = (scene.app.name, &scene.target.name);
        format!(
            "the journal cannot be read; when the database is back, {name} dlq replay {queue} \
             --resume {id} goes on"
        )
    };
    let before = scene.store.replay(id).await.with_context(unread);
    let before = before.map_err(|error| failed(&ended, error))?;
    let before = before.ok_or_else(|| anyhow!("replay {id} is no longer in the journal"))?;
    let ending = ending(scene, &before, &ended);
    failpoint::reach("replay.ending");
    let written = scene
        .store
        .end_replay(id, ending.state, ending.reason.as_deref(), None);
    written.await.with_context(unread)?;
    let summary = summary(&before, &ending, &ended.reports);
    match scene.args.json {
        true => output::json(&summary),
        false => output::data(&text(&summary)),
    }
    .context("cannot write")?;
    if ending.state == ReplayState::Stopped {
        let (name, queue) = (scene.app.name, &scene.target.name);
        output::note(&output::escape(format!(
            "to go on: {name} dlq replay {queue} --resume {id}"
        )));
    }
    ending.exit
}

/// A replay that could not go on, and whose journal is out of reach too.
fn failed(ended: &Ended, error: anyhow::Error) -> Exit {
    let has_sent = ended.reports.iter().any(|report| report.sent > 0);
    match has_sent {
        true => Exit::Partly(error),
        false => Exit::Failed(error),
    }
}

fn ending(scene: &Scene<'_>, record: &Record, ended: &Ended) -> Ending {
    let stopped = |reason: String, exit: fn(anyhow::Error) -> Exit| Ending {
        state: ReplayState::Stopped,
        exit: Err(exit(anyhow!(reason.clone()))),
        reason: Some(reason),
    };
    if let Some(verdict) = &ended.verdict {
        tell(scene, verdict);
        return stopped(verdict.to_string(), Exit::Partly);
    }
    if let Some(End::Trouble(trouble)) = ended.reports.last().map(|report| &report.end) {
        let reason = chain(trouble);
        return match record.counts.replayed() {
            0 => stopped(reason, Exit::Failed),
            _ => stopped(reason, Exit::Partly),
        };
    }
    if scene.interrupt.is_requested() {
        return stopped("interrupted".to_owned(), Exit::Interrupted);
    }
    let kept: u64 = ended
        .reports
        .iter()
        .flat_map(|report| report.kept.values())
        .sum();
    if kept > 0 {
        return stopped(format!("{kept} messages were not sent"), Exit::Partly);
    }
    if record.counts.sent > 0 {
        let sent = record.counts.sent;
        let reason = format!("{sent} messages were sent and could not be deleted");
        return stopped(reason, Exit::Partly);
    }
    if record.counts.planned > 0 {
        let planned = record.counts.planned;
        let reason = format!(
            "{planned} messages were planned and not met again: they are gone, or somebody hides \
             them"
        );
        return stopped(reason, Exit::Partly);
    }
    Ending {
        state: ReplayState::Done,
        reason: None,
        exit: Ok(()),
    }
}

fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        text = format!("{text}: {error}");
        source = error.source();
    }
    text
}

/// Says of a verdict what an operator does next.
fn tell(scene: &Scene<'_>, verdict: &Verdict) {
    let (name, queue) = (scene.app.name, &scene.target.name);
    let say = |text: String| output::note(&output::escape(text));
    let (Verdict::CanaryFailed(relapses) | Verdict::Returned(relapses)) = verdict else {
        return;
    };
    for relapse in relapses.iter().take(RELAPSES_MAX) {
        let Relapse {
            event_id,
            reason,
            fingerprint,
            ..
        } = relapse;
        say(format!(
            "event {event_id} failed anew: {reason} ({fingerprint})"
        ));
    }
    if let Some(first) = relapses.first() {
        let fingerprint = first.fingerprint;
        say(format!(
            "to look: {name} dlq ls {queue} --fingerprint {fingerprint}"
        ));
    }
}

fn summary(record: &Record, ending: &Ending, reports: &[Report]) -> Summary {
    let sum = |of: fn(&Report) -> u64| reports.iter().map(of).sum();
    let mut kept: BTreeMap<String, u64> = BTreeMap::new();
    for (why, count) in reports.iter().flat_map(|report| &report.kept) {
        *kept.entry(why.clone()).or_default() += count;
    }
    Summary {
        id: record.id,
        state: ending.state.as_str(),
        stopped_reason: ending.reason.clone(),
        queue: record.queue.clone(),
        destination: record.destination.clone(),
        replayed: record.counts.replayed(),
        copies: record.counts.copies,
        deleted: record.counts.deleted,
        planned: record.counts.planned,
        sent: record.counts.sent,
        finished: sum(|report| report.finished),
        passed_over: sum(|report| report.passed_over),
        hidden: sum(|report| report.hidden),
        kept,
    }
}

fn text(summary: &Summary) -> String {
    let mut facts = vec![
        ("replay", summary.id.to_string()),
        ("state", summary.state.to_owned()),
        ("from", summary.queue.clone()),
        ("to", summary.destination.clone()),
        ("replayed", summary.replayed.to_string()),
    ];
    let counts = [
        (
            "copies",
            summary.copies,
            "of the same events, deleted unsent",
        ),
        (
            "finished",
            summary.finished,
            "sent by an earlier replay, deleted now",
        ),
        ("undeleted", summary.sent, "sent, and still to be deleted"),
        (
            "unsent",
            summary.planned,
            "planned, and not known to be sent",
        ),
        ("hidden", summary.hidden, "come back by themselves"),
    ];
    for (name, count, text) in counts {
        if count > 0 {
            facts.push((name, format!("{count} {text}")));
        }
    }
    facts.extend(
        summary
            .kept
            .iter()
            .map(|(why, count)| ("kept", format!("{count}: {why}"))),
    );
    if let Some(reason) = &summary.stopped_reason {
        facts.push(("stopped", reason.clone()));
    }
    let rows = facts
        .into_iter()
        .map(|(name, text)| vec![name.to_owned(), text]);
    output::table(&["", ""], rows.collect())
        .trim_start_matches('\n')
        .to_owned()
}

impl std::fmt::Display for Verdict {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::CanaryFailed(relapses) => {
                let first = relapses.first().map_or("", |relapse| &relapse.reason);
                write!(f, "{} of the canary failed anew: {first}", relapses.len())
            }
            Self::CanaryUndecided {
                undecided,
                obstacle,
            } => {
                write!(f, "{undecided} of the canary have no outcome yet")?;
                obstacle.iter().try_for_each(|why| write!(f, ": {why}"))
            }
            Self::Returned(relapses) => {
                let first = relapses.first().map_or("", |relapse| &relapse.reason);
                let count = relapses.len();
                write!(f, "{count} failed again of what they had died of: {first}")
            }
            Self::Blind(error) => {
                write!(
                    f,
                    "what becomes of the messages cannot be seen: {}",
                    chain(error)
                )
            }
        }
    }
}
