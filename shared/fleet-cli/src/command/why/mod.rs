//! One timeline of an event, from Postgres alone.

/// What happened, one after the other.
mod timeline;

/// How it stands.
mod verdict;

use anyhow::{Context as _, anyhow};
use fleet::EventKey;
use fleet::service::config::Env;
use fleet::store::{PostgresStore, Story};
use serde::Serialize;

use crate::app::App;
use crate::cli::why::Why;
use crate::exit::Exit;
use crate::host::runtime;
use crate::output::counted;
use crate::{database, output, settings};

use timeline::{timeline, trace_id};
use verdict::{Verdict, verdicts};

/// Everything that is known of what was asked for.
#[derive(Serialize)]
struct Answer<'a> {
    asked: &'a str,
    events: Vec<Told>,
}

/// One event.
#[derive(Serialize)]
struct Told {
    source: String,
    id: String,
    event_type: Option<String>,
    trace_id: Option<String>,
    verdicts: Vec<Verdict>,
    #[serde(flatten)]
    story: Story,
}

/// Tells what became of an event, for every consumer.
pub(crate) fn why(app: &App, args: &Why, env: &dyn Env) -> Result<(), Exit> {
    let store = database::beside_work(&settings::database(env)?)?;
    let events = runtime()?.block_on(async {
        database::check_runtime(&store, app).await?;
        find(&store, args).await
    })?;
    let answer = Answer {
        asked: &args.id,
        events,
    };
    match args.json {
        true => output::json(&answer),
        false => output::data(&text(&answer)),
    }
    .context("cannot write")?;
    Ok(())
}

async fn find(store: &PostgresStore, args: &Why) -> Result<Vec<Told>, Exit> {
    let why = "the database cannot be asked";
    let found = store.find_events(&args.id).await.context(why)?;
    let mut keys = found.keys;
    if let Some(source) = &args.source {
        keys.retain(|key| key.source == *source);
        // It may be one of those that were left out.
        let key = EventKey::new(source, &args.id);
        if !keys.contains(&key) {
            keys.push(key);
        }
    }
    let mut events = Vec::new();
    for key in keys {
        let story = store.story(&key).await.context(why)?;
        if story.attempts_left_out > 0 {
            let line = format!(
                "{} of {key} are left out",
                counted(story.attempts_left_out, "earlier attempt")
            );
            output::note(&output::escape(line));
        }
        if !story.is_empty() {
            events.push(tell(key, story));
        }
    }
    if events.is_empty() {
        return Err(unknown(args, found.sources_left_out).into());
    }
    if args.source.is_none() && (found.keys_left_out || found.sources_left_out) {
        output::note("there may be more events with this id; name the source with --source");
    }
    Ok(events)
}

fn tell(key: EventKey, story: Story) -> Told {
    let sent = story.outbox.iter().map(|row| &row.event_type);
    let dead = story
        .dead_letters
        .iter()
        .filter_map(|row| row.event_type.as_ref());
    Told {
        event_type: sent.chain(dead).next().cloned(),
        trace_id: trace_id(&story).map(str::to_owned),
        verdicts: verdicts(&story),
        source: key.source,
        id: key.id,
        story,
    }
}

/// Says where was looked, and what may be the reason that nothing was found.
fn unknown(args: &Why, sources_left_out: bool) -> anyhow::Error {
    let Why { id, source, .. } = args;
    let of = match source {
        Some(source) => format!("{id} of {source}"),
        None => id.clone(),
    };
    let more = match sources_left_out && source.is_none() {
        true => "; the inbox has more sources than were looked through: name it with --source",
        false => "",
    };
    anyhow!(
        "nothing is on record of {of}: neither the outbox nor the attempts, dead letters, replays or \
         finished events of this database know it as an event's id or as a MessageId; either the id \
         is wrong, or the event was sent straight to SQS and no consumer has finished or failed it \
         so far, or it is longer ago than rows are kept (7 days once sent, 45 days once done or \
         failed){more}"
    )
}

fn text(answer: &Answer<'_>) -> String {
    let events = answer.events.iter().map(|told| {
        let verdicts = told.verdicts.iter().map(|verdict| {
            let line = format!("{}: {}", verdict.consumer, verdict.text);
            output::escape(line) + "\n"
        });
        format!(
            "{}\n{}\n{}",
            output::escape(headline(answer.asked, told)),
            verdicts.collect::<String>(),
            table(told)
        )
    });
    events.collect::<Vec<_>>().join("\n")
}

fn headline(asked: &str, told: &Told) -> String {
    let mut line = match told.source.is_empty() {
        true => format!("message {}, which nobody could read so far", told.id),
        false => format!("event {} of {}", told.id, told.source),
    };
    if let Some(event_type) = &told.event_type {
        line = format!("{line}, {event_type}");
    }
    if let Some(trace) = &told.trace_id {
        line = format!("{line}, trace {trace}");
    }
    if asked != told.id {
        line = format!("{line}, to which message {asked} belongs");
    }
    line
}

fn table(told: &Told) -> String {
    let row = |entry: timeline::Entry| {
        let at = format!("{:.0}", entry.at);
        vec![at, entry.consumer, entry.what, entry.detail]
    };
    let rows = timeline(&told.story).into_iter().map(row).collect();
    output::table(&["TIME", "CONSUMER", "WHAT", "DETAIL"], rows)
}
