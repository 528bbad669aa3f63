use fleet::{Context, Done, Envelope, Handler, HandlerError};

use super::bill::Bill;
use super::sql::{self, Written};
use crate::orders::OrderPlaced;

/// Issues the invoice of an order that was placed.
#[derive(Clone, Copy, Debug)]
pub struct InvoiceOrder;

impl Handler for InvoiceOrder {
    type Event = OrderPlaced;

    async fn handle(
        &self,
        event: Envelope<OrderPlaced>,
        cx: &mut Context<'_>,
    ) -> Result<Done, HandlerError> {
        let bill = Bill::of(event.data.order())?;
        let tx = cx.begin().await?;
        match sql::issue_invoice(&tx, &bill).await? {
            Written::New => Ok(tx.finish()),
            // By another event, since this one is new here: somebody has to look.
            Written::Before => Err(HandlerError::permanent("already invoiced")),
        }
    }
}
