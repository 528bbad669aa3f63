use fleet::Consumer;
use fleet::dead_letter::{Death, successor_id};
use fleet::message::{
    ATTRIBUTES_MAX, AttributeValue, Attributes, BODY_BYTES_MAX, EventKey, Message, RawEnvelope,
};

use crate::exit::Exit;
use crate::json_path::{self, JsonPath};

/// The member of a CloudEvent, and the attribute of bare JSON, that names the event before.
const CAUSATION: &str = "causationid";

/// The attribute by which bare JSON names its event.
const ID: &str = "id";

/// What of a dead letter is edited: its data, or, where nobody can tell what that is, all of it.
#[derive(Debug)]
pub(super) struct Draft<'a> {
    letter: &'a Message,
    death: &'a Death,
    before: &'a str,
    text: &'a str,
    after: &'a str,
}

/// A dead letter after its edit, ready to be sent.
#[derive(Debug)]
pub(super) struct Edited {
    pub(super) body: String,
    pub(super) attributes: Attributes,
    pub(super) key: EventKey,
    pub(super) event_type: String,
    form: Form,
}

/// How an event names itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    CloudEvent,
    /// By an attribute.
    Bare,
    /// By what its producer alone may write.
    Other,
}

impl<'a> Draft<'a> {
    /// Finds the data of a dead letter.
    ///
    /// # Errors
    ///
    /// Refused: it has an envelope in which data cannot be changed in place.
    pub(super) fn of_data(letter: &'a Message, death: &'a Death) -> Result<Self, Exit> {
        let place = match RawEnvelope::open(letter, &death.queue) {
            Err(_) => 0..letter.body.len(),
            Ok(envelope) => envelope.data_place().ok_or_else(|| {
                Exit::refused(
                    "its data is missing, or stands as a string inside another envelope such as \
                     SNS's: take the whole body from `dlq show --raw`, and give it back with --body",
                )
            })?,
        };
        Ok(Self {
            letter,
            death,
            before: &letter.body[..place.start],
            text: &letter.body[place.clone()],
            after: &letter.body[place.end..],
        })
    }

    /// Takes the whole body.
    pub(super) fn of_body(letter: &'a Message, death: &'a Death) -> Self {
        Self {
            letter,
            death,
            before: "",
            text: &letter.body,
            after: "",
        }
    }

    /// Returns what is edited, as it is.
    pub(super) fn text(&self) -> &'a str {
        self.text
    }

    /// Puts the edited text in the place of the old, and checks that the event is still the same
    /// and fits its type.
    ///
    /// # Errors
    ///
    /// What is wrong with it, in a sentence.
    pub(super) fn finish(&self, text: &str, consumer: &Consumer) -> Result<Edited, String> {
        let body = [self.before, text, self.after].concat();
        let edited = Message {
            body,
            ..self.letter.clone()
        };
        let envelope = RawEnvelope::open(&edited, &self.death.queue)
            .map_err(|error| format!("it would be no event: {error}"))?;
        if let Ok(old) = RawEnvelope::open(self.letter, &self.death.queue) {
            check_lock(&old.key, &envelope.key)?;
        }
        let event_type = envelope.event_type.clone().into_owned();
        match consumer.check(&event_type, envelope.data()) {
            Some(Ok(())) => {}
            Some(Err(misfit)) => return Err(misfit.to_string()),
            None => {
                return Err(format!(
                    "{} has no handler for {event_type}",
                    consumer.name()
                ));
            }
        }
        let edited = Edited {
            form: form(&envelope, &edited.body),
            key: envelope.key.clone(),
            event_type,
            attributes: edited.attributes,
            body: edited.body,
        };
        edited.of_legal_size()
    }
}

fn check_lock(old: &EventKey, new: &EventKey) -> Result<(), String> {
    for (what, old, new) in [
        ("id", &old.id, &new.id),
        ("source", &old.source, &new.source),
    ] {
        if old != new {
            return Err(format!(
                "the event's {what} is locked: it was {old}, and would be {new}; --as-new makes a \
                 new event"
            ));
        }
    }
    Ok(())
}

impl Edited {
    /// Makes it an event of its own, which names the one before.
    ///
    /// # Errors
    ///
    /// It has an envelope that has no room for that.
    pub(super) fn renewed(mut self) -> Result<Self, String> {
        let new = successor_id(&self.key, &self.body);
        let old = std::mem::replace(&mut self.key.id, new);
        let names = [(ID, self.key.id.as_str()), (CAUSATION, old.as_str())];
        match self.form {
            Form::CloudEvent => {
                for (member, value) in names {
                    let value = serde_json::Value::from(value).to_string();
                    let set = json_path::set(&self.body, &JsonPath::member(member), &value);
                    self.body = set.map_err(|error| error.to_string())?;
                }
            }
            Form::Bare => {
                for (name, value) in names {
                    self.attributes.set(name, AttributeValue::string(value));
                }
                if self.attributes.len() > ATTRIBUTES_MAX {
                    return Err("its attributes leave no room for a new id".to_owned());
                }
            }
            Form::Other => {
                return Err("only a CloudEvent or bare JSON can be made a new event".to_owned());
            }
        }
        self.of_legal_size()
    }

    fn of_legal_size(self) -> Result<Self, String> {
        let bytes = self.body.len() + self.attributes.size_bytes();
        match bytes > BODY_BYTES_MAX {
            true => Err(format!(
                "it would have {bytes} bytes, and SQS takes {BODY_BYTES_MAX}"
            )),
            false => Ok(self),
        }
    }
}

fn form(envelope: &RawEnvelope<'_>, body: &str) -> Form {
    let is_cloud_event = json_path::get(body, &JsonPath::member("specversion")).is_some();
    match envelope.data_place() {
        _ if is_cloud_event => Form::CloudEvent,
        Some(place) if place == (0..body.len()) => Form::Bare,
        _ => Form::Other,
    }
}
