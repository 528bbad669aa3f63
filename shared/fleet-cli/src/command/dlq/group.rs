use std::collections::BTreeMap;

use anyhow::Context as _;
use fleet::dead_letter::{Death, Filter, Fingerprint, normalise};
use fleet::queue::Sqs;
use fleet::service::config::Env;
use jiff::{Timestamp, ToSpan as _};
use serde::Serialize;

use super::copies::{Copies, Events};
use super::look::{conclude, look};
use super::target::Target;
use crate::app::App;
use crate::cli::dlq::{By, Grouping};
use crate::cli::filter::flags;
use crate::exit::Exit;
use crate::interrupt::Interrupt;
use crate::{output, shell};

/// How many ids stand for a group.
const SAMPLES_MAX: usize = 3;

/// What is equal within a group; its order breaks ties between groups of one size.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Likeness {
    Failure(Fingerprint),
    Type(Option<String>),
    Handler(Option<String>, String),
    Build(Option<String>),
    Hour(Timestamp),
}

/// Events that are alike.
#[derive(Serialize)]
struct Group {
    /// What they have in common, by which they were grouped.
    by: String,
    events: u64,
    messages: u64,
    first: Timestamp,
    last: Timestamp,
    /// The ids of some of them.
    samples: Vec<String>,
    /// What they died of, if it is the same for all.
    failure: Option<Failure>,
    /// What replays all of them.
    replay: String,
}

/// What a group died of.
#[derive(Clone, PartialEq, Eq, Serialize)]
struct Failure {
    fingerprint: Fingerprint,
    class: &'static str,
    reason: String,
    event_type: Option<String>,
    handler: Option<String>,
}

/// Groups what is in a dead-letter queue by what is alike.
pub(super) async fn group(app: &App, args: &Grouping, env: &dyn Env) -> Result<(), Exit> {
    let interrupt = Interrupt::listen()?;
    let sqs = Sqs::connect().await;
    let look_args = &args.look;
    let named = &look_args.queue.name;
    let target = Target::find(app, env, &sqs, named).await?;
    let filter = look_args.filter.filter(Timestamp::now());
    let mut events = Events::default();
    let see = |death, _| events.add(death);
    let limit = look_args.scan.scan;
    let looked = look(&target, &sqs, &filter, limit, &interrupt, see).await?;
    let mut alike: BTreeMap<Likeness, Vec<Copies>> = BTreeMap::new();
    for copies in events.in_order() {
        let likeness = Likeness::of(&copies.latest, args.by);
        alike.entry(likeness).or_default().push(copies);
    }
    let replay = |likeness: &Likeness| {
        let words = [app.name, "dlq", "replay", named].map(str::to_owned);
        shell::line([&words[..], &flags(&likeness.narrow(&filter))].concat())
    };
    let groups = alike.into_iter().filter_map(|(likeness, events)| {
        let command = replay(&likeness);
        Group::of(&likeness, &events, command)
    });
    let mut groups: Vec<_> = groups.collect();
    if args.by != By::Hour {
        groups.sort_by_key(|group| std::cmp::Reverse(group.events));
    }
    match (look_args.json, groups.is_empty()) {
        (true, _) => output::json(&groups),
        (false, true) => Ok(()),
        (false, false) => output::data(&text(&groups, args.by)),
    }
    .context("cannot write")?;
    conclude(&target, &looked, &interrupt)
}

impl Likeness {
    fn of(death: &Death, by: By) -> Self {
        match by {
            By::Reason => Self::Failure(death.fingerprint),
            By::Type => Self::Type(death.event_type.clone()),
            By::Handler => Self::Handler(death.consumer.clone(), death.queue.clone()),
            By::Version => Self::Build(death.version.clone()),
            By::Hour => {
                let secs = death.at().as_second();
                let hour = Timestamp::from_second(secs - secs.rem_euclid(3_600));
                Self::Hour(hour.unwrap_or(Timestamp::MIN))
            }
        }
    }

    /// Narrows a filter to what is alike in this way.
    fn narrow(&self, filter: &Filter) -> Filter {
        let mut narrow = filter.clone();
        match self.clone() {
            Self::Failure(print) => narrow.fingerprint = Some(print),
            // An empty word stands for those that have none.
            Self::Type(event_type) => narrow.event_type = Some(event_type.unwrap_or_default()),
            Self::Build(version) => narrow.version = Some(version.unwrap_or_default()),
            Self::Handler(_, queue) => narrow.queue = Some(queue),
            Self::Hour(start) => {
                let end = start.saturating_add(1.hour()).unwrap_or(Timestamp::MAX);
                narrow.since = narrow.since.max(Some(start));
                narrow.before = Some(narrow.before.map_or(end, |before| before.min(end)));
            }
        }
        narrow
    }

    fn name(&self) -> String {
        let known = |name: &Option<String>| name.clone().unwrap_or_else(|| "unknown".to_owned());
        match self {
            Self::Failure(print) => print.to_string(),
            Self::Type(name) | Self::Build(name) => known(name),
            Self::Handler(Some(consumer), _) => consumer.clone(),
            Self::Handler(None, queue) => queue.clone(),
            Self::Hour(start) => format!("{start:.0}"),
        }
    }
}

impl Group {
    /// Adds events up that are alike; `None` for none.
    fn of(likeness: &Likeness, events: &[Copies], replay: String) -> Option<Self> {
        let deaths = || events.iter().map(|copies| &copies.latest);
        let failure = Failure::of(deaths().next()?);
        let is_same = deaths().all(|death| death.fingerprint == failure.fingerprint);
        Some(Self {
            by: likeness.name(),
            events: events.len() as u64,
            messages: events.iter().map(Copies::count).sum(),
            first: deaths().map(Death::at).min()?,
            last: deaths().map(Death::at).max()?,
            samples: deaths()
                .take(SAMPLES_MAX)
                .map(|death| death.key.id.clone())
                .collect(),
            failure: is_same.then_some(failure),
            replay,
        })
    }
}

impl Failure {
    fn of(death: &Death) -> Self {
        Self {
            fingerprint: death.fingerprint,
            class: death.class.as_str(),
            reason: normalise(&death.reason),
            event_type: death.event_type.clone(),
            handler: death.consumer.clone(),
        }
    }
}

fn text(groups: &[Group], by: By) -> String {
    match by {
        By::Reason => groups.iter().map(told).collect::<Vec<_>>().join("\n"),
        By::Type | By::Handler | By::Version | By::Hour => table(groups, by),
    }
}

/// Tells of one failure in a few lines: a row would be wider than a terminal.
fn told(group: &Group) -> String {
    // Each by itself: a line break in one of them is no line of ours.
    let known = |text: &Option<String>| match text {
        Some(text) => output::escape(text.clone()),
        None => "unknown".to_owned(),
    };
    let Group {
        events, messages, ..
    } = group;
    let copies = match messages - events {
        0 => String::new(),
        _ => format!(" in {messages} messages"),
    };
    let died_of = group.failure.as_ref().map(|failure| {
        let (handler, event_type) = (known(&failure.handler), known(&failure.event_type));
        let reason = output::escape(failure.reason.clone());
        format!("{reason}\n  of {handler}, type {event_type}")
    });
    let noun = if *events == 1 { "event" } else { "events" };
    format!(
        "{events} {noun}{copies}: {}\n  fingerprint {}, {:.0} to {:.0}\n  such as {}\n  {}\n",
        died_of.unwrap_or_default(),
        group.by,
        group.first,
        group.last,
        output::escape(group.samples.join(" ")),
        output::escape(group.replay.clone()),
    )
}

fn table(groups: &[Group], by: By) -> String {
    let rows = groups.iter().map(|group| {
        vec![
            group.by.clone(),
            group.events.to_string(),
            group.messages.to_string(),
            format!("{:.0}", group.first),
            format!("{:.0}", group.last),
            group.samples.join(" "),
        ]
    });
    let heading = match by {
        By::Reason => "FINGERPRINT",
        By::Type => "TYPE",
        By::Handler => "HANDLER",
        By::Version => "BUILD",
        By::Hour => "HOUR",
    };
    let headings = [heading, "EVENTS", "MESSAGES", "FIRST", "LAST", "SUCH AS"];
    let table = output::table(&headings, rows.collect());
    let commands = groups.iter().map(|group| format!("  {}\n", group.replay));
    format!("{table}\nto replay them:\n{}", commands.collect::<String>())
}
