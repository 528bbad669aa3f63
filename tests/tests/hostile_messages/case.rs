use std::borrow::Cow;

use fleet::message::{AttributeValue, Outgoing};
use fleet_tests::books;
use serde_json::{Value, json};

/// Stands in what no log, metric or reason has any business to repeat: data, unread members,
/// and attributes. Ids, sources and types are named in the log on purpose, escaped.
pub(crate) const CANARY: &str = "c4n4ryHostile";

/// The order that was invoiced, by an event of the same id, before anything hostile came.
pub(crate) const CALM: &str = "before the storm";

/// One message that means no good, and where it should end.
#[derive(Debug)]
pub(crate) struct Case {
    /// What is hostile about it. It is the id of its order and, unless that is what is hostile,
    /// of its event.
    pub(crate) name: String,
    pub(crate) message: Outgoing,
    pub(crate) end: End,
}

/// Where a message should end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// An invoice over exactly so much; the order's id is the name of the case.
    Billed {
        currency: &'static str,
        total_minor: i64,
    },
    /// A dead letter. A reason that ends in `…` goes on with what is not worth repeating.
    Dead {
        class: &'static str,
        reason: Cow<'static, str>,
    },
    /// It waits for a deploy that knows its type.
    Waits,
    /// Its event is known as done, and nothing more comes of it.
    DoneBefore,
}

/// The invoice of an order that nobody changed.
pub(crate) const BILLED: End = billed(100);

/// The end of what names no type.
pub(crate) const UNTYPED: End = undecodable("bare JSON without a message attribute `type`");

/// The end of what cannot be read at all.
pub(crate) const NO_JSON: End = undecodable("body is not JSON (line …");

/// An invoice in pounds.
pub(crate) const fn billed(total_minor: i64) -> End {
    End::Billed {
        currency: "GBP",
        total_minor,
    }
}

/// A message that is no event.
pub(crate) const fn undecodable(reason: &'static str) -> End {
    End::Dead {
        class: "undecodable",
        reason: Cow::Borrowed(reason),
    }
}

/// An order that billing cannot bill.
pub(crate) const fn refused(reason: &'static str) -> End {
    End::Dead {
        class: "permanent",
        reason: Cow::Borrowed(reason),
    }
}

impl Case {
    pub(crate) fn new(name: impl Into<String>, body: impl Into<String>, end: End) -> Self {
        Self {
            name: name.into(),
            message: Outgoing::new(body),
            end,
        }
    }

    /// An event with something changed.
    pub(crate) fn changed(name: &str, change: impl FnOnce(&mut Value), end: End) -> Self {
        let mut event = event(name);
        change(&mut event);
        Self::new(name, event.to_string(), end)
    }

    /// An event whose text was changed, where no JSON value could be.
    pub(crate) fn rewritten(name: &str, from: &str, to: &str, end: End) -> Self {
        let event = event(name).to_string();
        assert_eq!(event.matches(from).count(), 1, "{name}: {from}");
        Self::new(name, event.replace(from, to), end)
    }

    /// A good event in a message that is none.
    pub(crate) fn good(name: &str) -> Self {
        Self::changed(name, |_| {}, BILLED)
    }

    /// An order without an envelope, whose type stands in an attribute.
    pub(crate) fn bare(name: &str, end: End) -> Self {
        Self::new(name, order(name).to_string(), end)
            .with("type", AttributeValue::string("order.placed"))
    }

    /// Tells whether it carries what must not come out.
    pub(crate) fn is_marked(&self) -> bool {
        let mut values = self.message.attributes.iter().map(|(_, value)| value);
        let is_marked = |text: &str| text.contains(CANARY);
        is_marked(&self.message.body) || values.any(|value| value.as_text().is_some_and(is_marked))
    }

    pub(crate) fn with(mut self, attribute: &str, value: AttributeValue) -> Self {
        self.message.attributes.set(attribute, value);
        self
    }
}

/// An order over 1.00 that is marked where nothing may be repeated.
pub(crate) fn order(id: &str) -> Value {
    let mut order = books::order(id, 1);
    order["email"] = json!(format!("{CANARY}@example.test"));
    order["lines"][0]["description"] = json!(CANARY);
    order
}

/// The event of an order: a CloudEvent that is marked likewise.
pub(crate) fn event(id: &str) -> Value {
    json!({
        "specversion": "1.0", "id": id, "source": "/hostile", "type": "order.placed",
        "time": "2010-12-01T08:26:00Z", "subject": CANARY, "data": order(id),
    })
}

/// A name, a change of an event, and where the event ends then.
pub(crate) type Row = (&'static str, fn(&mut Value), End);

/// Makes cases of rows.
pub(crate) fn changes(table: &[Row]) -> Vec<Case> {
    let case = |(name, change, end): &Row| Case::changed(name, change, end.clone());
    table.iter().map(case).collect()
}
