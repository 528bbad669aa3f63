use fleet::{Event, EventKey, NewEvent};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::fields::Object;
use super::order::Order;

/// The source of all events about orders.
pub const SOURCE: &str = "/fleet/orders";

/// An order was placed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Object<Order>")]
pub struct OrderPlaced(Order);

/// A document that takes back an earlier order was placed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Object<Order>")]
pub struct OrderCancelled(Order);

/// The event's type and the order's `cancelled` contradict each other.
///
/// Billing must not guess which of them is right: one means an invoice, the
/// other a credit note.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("cancelled is {cancelled} in an event of type {event_type}")]
pub struct OrderMismatch {
    cancelled: bool,
    event_type: &'static str,
}

impl Event for OrderPlaced {
    const TYPE: &'static str = "order.placed";
}

impl Event for OrderCancelled {
    const TYPE: &'static str = "order.cancelled";
}

impl OrderPlaced {
    /// Returns the order.
    pub fn order(&self) -> &Order {
        &self.0
    }
}

impl OrderCancelled {
    /// Returns the document that takes back an earlier order.
    pub fn order(&self) -> &Order {
        &self.0
    }
}

impl TryFrom<Order> for OrderPlaced {
    type Error = OrderMismatch;

    fn try_from(order: Order) -> Result<Self, OrderMismatch> {
        expect_cancelled(&order, false, Self::TYPE)?;
        Ok(Self(order))
    }
}

impl TryFrom<Order> for OrderCancelled {
    type Error = OrderMismatch;

    fn try_from(order: Order) -> Result<Self, OrderMismatch> {
        expect_cancelled(&order, true, Self::TYPE)?;
        Ok(Self(order))
    }
}

impl TryFrom<Object<Order>> for OrderPlaced {
    type Error = OrderMismatch;

    fn try_from(object: Object<Order>) -> Result<Self, OrderMismatch> {
        object.0.try_into()
    }
}

impl TryFrom<Object<Order>> for OrderCancelled {
    type Error = OrderMismatch;

    fn try_from(object: Object<Order>) -> Result<Self, OrderMismatch> {
        object.0.try_into()
    }
}

/// Makes the event of an order that is placed now; `content` is the order as JSON.
///
/// An order has one event for ever: its key is derived from the order's id, so
/// that publishing it twice is publishing it once.
pub(super) fn event_of(order: &Order, content: String) -> NewEvent {
    let (event_type, what) = if order.cancelled {
        (OrderCancelled::TYPE, "cancelled")
    } else {
        (OrderPlaced::TYPE, "placed")
    };
    NewEvent {
        key: EventKey::new(SOURCE, format!("{what}/{}", order.order_id)),
        event_type: event_type.to_owned(),
        time: Timestamp::now(),
        data: content,
        ordering_key: None,
        trace: None,
    }
}

fn expect_cancelled(
    order: &Order,
    expected: bool,
    event_type: &'static str,
) -> Result<(), OrderMismatch> {
    let cancelled = order.cancelled;
    (cancelled == expected).then_some(()).ok_or(OrderMismatch {
        cancelled,
        event_type,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn json(cancelled: bool) -> String {
        format!(
            r#"{{"order_id":"é1","currency":"GBP","placed_at":"2010-12-01T08:26:00Z","country":"France","cancelled":{cancelled},"lines":[]}}"#
        )
    }

    #[test]
    fn the_event_is_known_by_the_order_and_carries_it() {
        for (cancelled, event_type, id) in [
            (false, "order.placed", "placed/é1"),
            (true, "order.cancelled", "cancelled/é1"),
        ] {
            let order: Order = serde_json::from_str(&json(cancelled)).unwrap();
            let content = serde_json::to_string(&order).unwrap();
            let event = event_of(&order, content);
            assert_eq!(event.event_type, event_type);
            assert_eq!(event.key, EventKey::new("/fleet/orders", id));
            assert_eq!(serde_json::from_str::<Order>(&event.data).unwrap(), order);
        }
    }

    #[test]
    fn an_event_whose_order_contradicts_its_type_is_no_event() {
        let (placed, cancelled) = (json(false), json(true));
        assert!(serde_json::from_str::<OrderPlaced>(&placed).is_ok());
        assert!(serde_json::from_str::<OrderCancelled>(&cancelled).is_ok());
        let error = serde_json::from_str::<OrderPlaced>(&cancelled).unwrap_err();
        assert_eq!(
            error.to_string(),
            "cancelled is true in an event of type order.placed"
        );
        let error = serde_json::from_str::<OrderCancelled>(&placed).unwrap_err();
        assert_eq!(
            error.to_string(),
            "cancelled is false in an event of type order.cancelled"
        );
        let list = r#"["1",null,"GBP","2010-12-01T08:26:00Z","France",null,false,[]]"#;
        assert!(serde_json::from_str::<OrderPlaced>(list).is_err());
    }
}
