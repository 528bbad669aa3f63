use std::collections::hash_map::RandomState;
use std::hash::BuildHasher as _;

use anyhow::anyhow;
use fleet::Consumer;
use fleet::dead_letter::{Death, Filter};
use fleet::message::{EventKey, Message};
use fleet::queue::Sqs;

use crate::cli::edit::Edit;
use crate::command::dlq::look::{conclude, look};
use crate::command::dlq::target::Target;
use crate::exit::Exit;
use crate::interrupt::Interrupt;
use crate::output;

/// How many messages of one id are told apart: nobody reads a longer list.
const MEANT_MAX: usize = 20;

/// The dead letter that somebody edits.
#[derive(Debug)]
pub(super) struct Letter {
    pub(super) message: Message,
    pub(super) death: Death,
    /// The MessageIds of all copies of it, its own included.
    pub(super) copies: Vec<String>,
}

/// Who gets it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Recipient<'a> {
    pub(super) consumer: &'a Consumer,
    pub(super) queue_url: &'a str,
}

/// By what copies of one message are known: the event, the queue it died in, its replays, and its
/// body.
type Sameness = (EventKey, String, u32, u64);

impl Letter {
    /// Finds the dead letter of a MessageId or an event id, and its copies.
    ///
    /// # Errors
    ///
    /// There is none, or the id is that of several that are not the same.
    pub(super) async fn find(
        target: &Target<'_>,
        sqs: &Sqs,
        args: &Edit,
        interrupt: &Interrupt,
    ) -> Result<Self, Exit> {
        let hasher = RandomState::new();
        let (mut all, mut meant) = (Vec::new(), Vec::new());
        let see = |death: Death, message: Message| {
            let body = hasher.hash_one(&message.body);
            let (key, queue) = (death.key.clone(), death.queue.clone());
            let same: Sameness = (key, queue, death.replay_no, body);
            all.push((same.clone(), death.id.clone()));
            let is_meant = death.id == args.id || death.key.id == args.id;
            if is_meant && meant.len() < MEANT_MAX {
                meant.push((same, death, message));
            }
        };
        let everything = Filter::default();
        let looked = look(target, sqs, &everything, args.scan.scan, interrupt, see).await?;
        if meant.iter().any(|(_, death, _)| death.id == args.id) {
            meant.retain(|(_, death, _)| death.id == args.id);
        }
        meant.sort_by(|(_, a, _), (_, b, _)| (a.at(), &a.id).cmp(&(b.at(), &b.id)));
        if interrupt.is_requested() || meant.is_empty() {
            let told = conclude(target, &looked, interrupt);
            let gone = anyhow!("{} is not there, or somebody else has it", args.id);
            return told.and(Err(gone.into()));
        }
        if meant.iter().any(|(same, ..)| *same != meant[0].0) {
            let deaths: Vec<_> = meant.into_iter().map(|(_, death, _)| death).collect();
            return Err(ambiguous(&args.id, &deaths));
        }
        let Some((same, death, message)) = meant.pop() else {
            unreachable!("there is one, as was seen above");
        };
        let copies = all.into_iter().filter(|(other, _)| *other == same);
        Ok(Self {
            message,
            death,
            copies: copies.map(|(_, id)| id).collect(),
        })
    }

    /// Finds whose event it is.
    ///
    /// # Errors
    ///
    /// Refused: no consumer of this program gave up on it.
    pub(super) fn recipient<'a>(&self, target: &'a Target<'_>) -> Result<Recipient<'a>, Exit> {
        let found = target.sources.iter().find_map(|source| {
            let consumer = source.consumer?;
            let name = self.death.consumer.as_deref();
            (name == Some(consumer.name())).then_some(Recipient {
                consumer,
                queue_url: &source.url,
            })
        });
        found.ok_or_else(|| {
            Exit::refused(format!(
                "no consumer of this program gave up on {}, so nothing says what it should look \
                 like",
                self.death.id
            ))
        })
    }
}

fn ambiguous(id: &str, deaths: &[Death]) -> Exit {
    let rows = deaths.iter().map(|death| {
        vec![
            death.id.clone(),
            death.key.source.clone(),
            death.event_type.clone().unwrap_or_else(|| "-".to_owned()),
            death.reason.clone(),
            format!("{:.0}", death.at()),
        ]
    });
    let headings = ["MESSAGE ID", "SOURCE", "TYPE", "REASON", "DEAD SINCE"];
    output::note(output::table(&headings, rows.collect()).trim_end());
    Exit::refused(format!(
        "{id} is the id of {} messages that are not the same; name one by its MessageId",
        deaths.len()
    ))
}
