use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::Context as _;
use fleet::dead_letter::Death;
use fleet::queue::Sqs;
use fleet::service::config::Env;
use jiff::Timestamp;
use serde::Serialize;

use super::look::{conclude, look};
use super::target::Target;
use crate::app::App;
use crate::cli::dlq::Look;
use crate::exit::Exit;
use crate::interrupt::Interrupt;
use crate::output;

/// Within which time an expiry is near: when the alert for it pages, too.
const SOON: Duration = Duration::from_secs(3 * 86_400);

/// What is in a dead-letter queue.
#[derive(Serialize)]
struct Stats {
    queue: String,
    sources: Vec<String>,
    visible: u64,
    in_flight: u64,
    retention_secs: u64,
    looked_at: u64,
    is_complete: bool,
    oldest_death: Option<Timestamp>,
    newest_death: Option<Timestamp>,
    next_expiry: Option<Timestamp>,
    /// How many SQS throws away within three days.
    expire_soon: u64,
    counts: Vec<Count>,
}

/// How many of a kind there are.
#[derive(Serialize)]
struct Count {
    class: &'static str,
    event_type: Option<String>,
    messages: u64,
}

/// Counts what is in a dead-letter queue.
pub(super) async fn stats(app: &App, args: &Look, env: &dyn Env) -> Result<(), Exit> {
    let interrupt = Interrupt::listen()?;
    let sqs = Sqs::connect().await;
    let target = Target::find(app, env, &sqs, &args.queue.name).await?;
    let now = Timestamp::now();
    let filter = args.filter.filter(now);
    let retention = target.attributes.retention;
    let mut counts: BTreeMap<(&'static str, Option<String>), u64> = BTreeMap::new();
    let (mut oldest_death, mut newest_death, mut next_expiry) = (None, None, None);
    let mut expire_soon = 0;
    let soon = now.checked_add(SOON).unwrap_or(Timestamp::MAX);
    let earlier = |known: &mut Option<Timestamp>, time: Timestamp| {
        *known = Some(known.map_or(time, |known| known.min(time)));
    };
    let see = |death: Death, _| {
        earlier(&mut oldest_death, death.at());
        newest_death = newest_death.max(Some(death.at()));
        let expiry = death.expires_at(retention);
        earlier(&mut next_expiry, expiry);
        expire_soon += u64::from(expiry < soon);
        *counts
            .entry((death.class.as_str(), death.event_type))
            .or_default() += 1;
    };
    let looked = look(&target, &sqs, &filter, args.scan.scan, &interrupt, see).await?;
    let stats = Stats {
        queue: target.name.clone(),
        sources: target.sources.iter().map(|s| s.name.clone()).collect(),
        visible: target.attributes.visible,
        in_flight: target.attributes.in_flight,
        retention_secs: retention.as_secs(),
        looked_at: looked.scanned.seen,
        is_complete: looked.scanned.is_complete,
        oldest_death,
        newest_death,
        next_expiry,
        expire_soon,
        counts: counts
            .into_iter()
            .map(|((class, event_type), messages)| Count {
                class,
                event_type,
                messages,
            })
            .collect(),
    };
    match args.json {
        true => output::json(&stats),
        false => output::data(&text(&stats)),
    }
    .context("cannot write")?;
    conclude(&target, &looked, &interrupt)
}

fn text(stats: &Stats) -> String {
    let time = |time: Option<Timestamp>| time.map_or_else(|| "-".to_owned(), |t| format!("{t:.0}"));
    let rows = stats.counts.iter().map(|count| {
        vec![
            count.class.to_owned(),
            count.event_type.clone().unwrap_or_else(|| "-".to_owned()),
            count.messages.to_string(),
        ]
    });
    let facts = vec![
        vec!["queue".to_owned(), stats.queue.clone()],
        vec!["dead letters of".to_owned(), stats.sources.join(", ")],
        vec!["visible".to_owned(), stats.visible.to_string()],
        vec!["in flight".to_owned(), stats.in_flight.to_string()],
        vec!["oldest death".to_owned(), time(stats.oldest_death)],
        vec!["newest death".to_owned(), time(stats.newest_death)],
        vec!["next expiry".to_owned(), time(stats.next_expiry)],
        vec!["expire in 3 days".to_owned(), stats.expire_soon.to_string()],
    ];
    let facts = output::table(&["", ""], facts);
    let counts = match stats.counts.is_empty() {
        true => String::new(),
        false => "\n".to_owned() + &output::table(&["CLASS", "TYPE", "MESSAGES"], rows.collect()),
    };
    facts.trim_start_matches('\n').to_owned() + &counts
}
