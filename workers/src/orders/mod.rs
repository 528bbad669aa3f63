//! Orders: read at the door, written down, and published in the same transaction.

mod fields;

mod order;

mod event;

mod door;

mod sql;

mod placing;

pub use event::{OrderCancelled, OrderMismatch, OrderPlaced, SOURCE};
pub use order::{ORDER_ID_CHARS_MAX, Order, OrderLine};
pub use placing::place;
