use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use fleet::Consumer;
use fleet::consume::{Rehearsal, RehearsalError};
use fleet::dead_letter::Death;
use fleet::message::{EventKey, Message};
use fleet::service::config::Env;
use fleet::store::PostgresStore;

use crate::app::App;
use crate::exit::Exit;
use crate::settings;

/// The most bytes of messages that are kept for a rehearsal: a thousand of 100 KB each.
const BYTES_MAX: usize = 100 << 20;

/// The dead letters that are rehearsed, each event once.
#[derive(Debug)]
pub(super) struct Cast {
    letters: Vec<(Death, Message)>,
    /// Where the letters of an event stand.
    places: HashMap<(String, EventKey), Vec<usize>>,
    events_max: u64,
    bytes: usize,
    /// Messages that say the same as one that is rehearsed.
    pub(super) copies: u64,
    /// Messages that were meant and not kept.
    pub(super) left_out: u64,
}

/// One dead letter and who would handle it.
#[derive(Debug)]
pub(super) struct Play<'a> {
    death: Death,
    message: Message,
    /// None for a consumer that this program does not have.
    handled_by: Option<(&'a Consumer, Duration)>,
}

impl Cast {
    pub(super) fn new(events_max: u64) -> Self {
        Self {
            letters: Vec::new(),
            places: HashMap::new(),
            events_max,
            bytes: 0,
            copies: 0,
            left_out: 0,
        }
    }

    /// Keeps a dead letter, unless it is a copy or there is no room for it.
    pub(super) fn take_in(&mut self, death: Death, message: Message) {
        let event = (death.queue.clone(), death.key.clone());
        let known = self.places.get(&event).map_or(&[][..], Vec::as_slice);
        let is_copy = |place: &usize| self.letters[*place].1.body == message.body;
        if known.iter().any(is_copy) {
            self.copies += 1;
            return;
        }
        let bytes = self.bytes + message.size_bytes();
        if self.letters.len() as u64 >= self.events_max || bytes > BYTES_MAX {
            self.left_out += 1;
            return;
        }
        self.bytes = bytes;
        self.places
            .entry(event)
            .or_default()
            .push(self.letters.len());
        self.letters.push((death, message));
    }

    /// Hands each letter to the consumer that gave up on it.
    ///
    /// # Errors
    ///
    /// Refused: a handler has effects that a rollback cannot undo, or a consumer's settings are
    /// wrong.
    pub(super) fn plays<'a>(&mut self, app: &'a App, env: &dyn Env) -> Result<Vec<Play<'a>>, Exit> {
        let mut consumers = BTreeMap::new();
        let mut outside = BTreeMap::new();
        for (death, _) in &self.letters {
            let Some(name) = death.consumer.as_deref() else {
                continue;
            };
            let Some(consumer) = app.consumers.iter().find(|known| known.name() == name) else {
                continue;
            };
            let event_type = death.event_type.as_deref().unwrap_or_default();
            if consumer.has_outside_effect(event_type) == Some(true) {
                let refusal = RehearsalError::OutsideEffect {
                    consumer: consumer.name(),
                    event_type: event_type.to_owned(),
                };
                outside.insert((consumer.name(), event_type), refusal);
            }
            if !consumers.contains_key(name) {
                let configs = settings::consumers(env, std::slice::from_ref(consumer))?;
                let limit = configs.first().map(|config| config.handler_timeout);
                consumers.insert(name.to_owned(), limit.map(|limit| (consumer, limit)));
            }
        }
        if !outside.is_empty() {
            return Err(refused(&outside.into_values().collect::<Vec<_>>()));
        }
        self.places.clear();
        let letters = std::mem::take(&mut self.letters).into_iter();
        let plays = letters.map(|(death, message)| Play {
            handled_by: death
                .consumer
                .as_ref()
                .and_then(|name| consumers.get(name).copied().flatten()),
            death,
            message,
        });
        Ok(plays.collect())
    }
}

impl Play<'_> {
    /// Runs the handler, and rolls back.
    pub(super) async fn run(
        self,
        store: &PostgresStore,
    ) -> (Death, Result<Rehearsal, RehearsalError>) {
        let Self {
            death,
            message,
            handled_by,
        } = self;
        let rehearsed = match handled_by {
            Some((consumer, limit)) => consumer.rehearse(message, &death, store, limit).await,
            None => Ok(Rehearsal::NoHandler),
        };
        (death, rehearsed)
    }
}

/// Refuses handlers by name.
pub(super) fn refused(handlers: &[RehearsalError]) -> Exit {
    let handlers: Vec<_> = handlers.iter().map(ToString::to_string).collect();
    Exit::refused(format!(
        "{}: a rollback cannot undo these, so nothing was rehearsed; name the other types with --type",
        handlers.join(", ")
    ))
}
