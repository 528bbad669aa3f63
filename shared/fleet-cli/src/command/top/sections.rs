use fleet::store::RecentFailure;
use jiff::Timestamp;

use super::snapshot::{Consumer, Database, Outbox, Process, Snapshot, Stale, Work};
use crate::output;

/// A table of the view.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Section {
    pub(super) title: &'static str,
    /// The last column takes what room there is.
    pub(super) columns: &'static [Column],
    pub(super) rows: Vec<Vec<Cell>>,
    /// What is said where there is no row.
    pub(super) nothing: &'static str,
    /// It is not the latest.
    pub(super) is_stale: bool,
}

/// A column of a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Column {
    pub(super) heading: &'static str,
    /// Where there is too little room, columns of a high rank are left out first; rank 0 never is.
    pub(super) rank: u8,
    /// Its numbers are compared with those above and below.
    pub(super) is_number: bool,
}

/// A piece of text, escaped, and how it is meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Cell {
    pub(super) text: String,
    pub(super) tone: Tone,
}

/// How a piece of text is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tone {
    Plain,
    Good,
    Notable,
    Bad,
}

const CONSUMERS: &[Column] = &[
    text("CONSUMER", 0),
    text("QUEUE", 4),
    number("BACKLOG", 0),
    number("IN FLIGHT", 2),
    number("DELAYED", 3),
    number("DEAD", 0),
    number("LAG", 0),
    number("RATE", 0),
    number("BUSY", 0),
    number("P99", 1),
    number("PROCESSES", 2),
    text("STATE", 0),
];

const PROCESSES: &[Column] = &[
    text("HOST", 0),
    number("PID", 0),
    text("KIND", 0),
    text("VERSION", 0),
    text("BUILD", 2),
    number("UP", 0),
    text("SEEN", 0),
    text("CONSUMERS", 1),
];

const OUTBOX: &[Column] = &[
    text("DESTINATION", 0),
    number("PENDING", 0),
    number("PARKED", 0),
    number("OLDEST", 0),
];

const FAILURES: &[Column] = &[
    text("AT", 0),
    text("CONSUMER", 0),
    text("WHAT", 2),
    text("TYPE", 1),
    text("EVENT", 3),
    text("REASON", 0),
];

/// Lays a snapshot out as tables.
pub(super) fn sections(snapshot: &Snapshot) -> Vec<Section> {
    let is_stale = matches!(snapshot.database, Database::Stale(_));
    let of_database = |title, columns, rows: Option<Vec<Vec<Cell>>>, nothing| Section {
        title,
        columns,
        nothing: match rows {
            Some(_) => nothing,
            None => "unknown",
        },
        rows: rows.unwrap_or_default(),
        is_stale,
    };
    let consumers = Section {
        title: "CONSUMERS",
        columns: CONSUMERS,
        rows: snapshot.consumers.iter().map(consumer).collect(),
        nothing: "this program has none",
        is_stale: false,
    };
    let processes = snapshot.processes.as_ref();
    let outbox = snapshot.outbox.as_ref();
    let failures = snapshot.failures.as_ref();
    vec![
        consumers,
        of_database(
            "PROCESSES",
            PROCESSES,
            processes.map(|rows| rows.iter().map(process).collect()),
            "none has shown itself lately",
        ),
        of_database(
            "OUTBOX",
            OUTBOX,
            outbox.map(|rows| rows.iter().map(outgoing).collect()),
            "nothing waits",
        ),
        of_database(
            "RECENT FAILURES",
            FAILURES,
            failures.map(|rows| rows.iter().map(failure).collect()),
            "none",
        ),
    ]
}

/// Writes a snapshot as plain text, with everything.
pub(super) fn plain(snapshot: &Snapshot) -> String {
    let texts = sections(snapshot).into_iter().map(|section| {
        let headings: Vec<_> = section.columns.iter().map(|one| one.heading).collect();
        let rows: Vec<Vec<_>> = section
            .rows
            .into_iter()
            .map(|row| row.into_iter().map(|cell| cell.text).collect())
            .collect();
        let table = match rows.is_empty() {
            true => format!("{}\n", section.nothing),
            false => output::table(&headings, rows),
        };
        format!("{}\n{table}", section.title)
    });
    texts.collect::<Vec<_>>().join("\n")
}

/// Says since when something is not the latest.
pub(super) fn since(stale: &Stale) -> String {
    match stale.as_of {
        Some(as_of) => format!("stale since {}", moment(as_of)),
        None => "no answer yet".to_owned(),
    }
}

/// Writes a moment to the second.
pub(super) fn moment(at: Timestamp) -> String {
    format!("{at:.0}")
}

fn consumer(one: &Consumer) -> Vec<Cell> {
    let work = one.work.as_ref();
    let dead = match one.dead_letters {
        Some(1..) => Tone::Bad,
        _ => Tone::Plain,
    };
    vec![
        cell(&one.consumer),
        cell(&one.queue),
        known(one.backlog),
        known(one.in_flight),
        known(one.delayed),
        Cell {
            tone: dead,
            ..known(one.dead_letters)
        },
        known(one.lag_secs.map(output::age)),
        known(work.map(|work| format!("{:.1}/s", work.per_second))),
        known(work.map(|work| format!("{}/{}", work.busy, work.concurrency))),
        known(work.and_then(|work| work.p99_ms).map(milliseconds)),
        known(work.map(|work| work.processes)),
        state(one, work),
    ]
}

/// Says the one thing about a consumer that an operator has to know first.
fn state(one: &Consumer, work: Option<&Work>) -> Cell {
    let said = |text: String, tone| Cell {
        text: output::escape(text),
        tone,
    };
    if let Some(stale) = &one.stale {
        return said(since(stale), Tone::Bad);
    }
    if let Some(pause) = &one.pause {
        let text = format!("paused by {}: {}", pause.by, pause.reason);
        return said(text, Tone::Notable);
    }
    match work {
        None => cell("-"),
        Some(work) if !work.down.is_empty() => {
            said(format!("waits for {}", work.down.join(", ")), Tone::Bad)
        }
        Some(work) if work.processes == 0 => said("nobody serves it".to_owned(), Tone::Bad),
        Some(_) => said("runs".to_owned(), Tone::Good),
    }
}

fn process(one: &Process) -> Vec<Cell> {
    let (seen, tone) = match one.is_present {
        true => ("now".to_owned(), Tone::Good),
        false => (format!("{} ago", output::age(one.seen_secs_ago)), Tone::Bad),
    };
    vec![
        cell(&one.host),
        cell(&one.pid.to_string()),
        cell(&one.kind),
        cell(&one.version),
        cell(&one.build),
        cell(&output::age(one.up_secs)),
        Cell { text: seen, tone },
        cell(&one.consumers.join(", ")),
    ]
}

fn outgoing(one: &Outbox) -> Vec<Cell> {
    let parked = match one.parked {
        0 => Tone::Plain,
        _ => Tone::Bad,
    };
    vec![
        cell(&one.destination),
        cell(&one.pending.to_string()),
        Cell {
            text: one.parked.to_string(),
            tone: parked,
        },
        cell(&match one.pending {
            0 => "-".to_owned(),
            _ => output::age(one.oldest_secs),
        }),
    ]
}

fn failure(one: &RecentFailure) -> Vec<Cell> {
    vec![
        cell(&moment(one.at)),
        cell(&one.consumer),
        cell(&one.what),
        cell(one.event_type.as_deref().unwrap_or("-")),
        cell(one.event_id.as_deref().unwrap_or("-")),
        cell(&one.reason),
    ]
}

fn cell(text: &str) -> Cell {
    Cell {
        text: output::escape(text.to_owned()),
        tone: Tone::Plain,
    }
}

fn known(value: Option<impl ToString>) -> Cell {
    cell(&value.map_or_else(|| "-".to_owned(), |value| value.to_string()))
}

const fn text(heading: &'static str, rank: u8) -> Column {
    Column {
        heading,
        rank,
        is_number: false,
    }
}

const fn number(heading: &'static str, rank: u8) -> Column {
    Column {
        heading,
        rank,
        is_number: true,
    }
}

fn milliseconds(p99: f64) -> String {
    format!("{p99:.0} ms")
}
