//! Billing: an order that was placed becomes an invoice, a cancellation a credit note.
//!
//! An order that cannot be billed is dead-lettered with the first thing that is
//! wrong with it; an operator puts it right and replays it.

mod money;

mod refusal;

mod bill;

mod sql;

mod invoice_order;

mod credit_order;

use fleet::Consumer;

pub use bill::Bill;
pub use credit_order::CreditOrder;
pub use invoice_order::InvoiceOrder;
pub use money::Money;
pub use refusal::Refusal;
pub use sql::tallies;

/// The consumer's name. It is part of the keys by which finished work is known
/// and must never change.
pub const CONSUMER: &str = "billing";

/// Returns the consumer with its handlers.
pub fn consumer() -> Consumer {
    Consumer::new(CONSUMER)
        .handler(InvoiceOrder)
        .handler(CreditOrder)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_consumer_takes_placed_and_cancelled_orders() {
        let consumer = consumer();
        assert_eq!(consumer.name(), "billing");
        assert_eq!(consumer.event_types(), ["order.cancelled", "order.placed"]);
    }
}
