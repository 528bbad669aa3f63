use fleet::{Context, Done, Envelope, Handler, HandlerError};

use super::bill::Bill;
use super::sql::{self, Written};
use crate::orders::OrderCancelled;

/// Issues the credit note of a document that takes back an order.
#[derive(Clone, Copy, Debug)]
pub struct CreditOrder;

impl Handler for CreditOrder {
    type Event = OrderCancelled;

    async fn handle(
        &self,
        event: Envelope<OrderCancelled>,
        cx: &mut Context<'_>,
    ) -> Result<Done, HandlerError> {
        let bill = Bill::of(event.data.order())?;
        let tx = cx.begin().await?;
        match sql::issue_credit_note(&tx, &bill).await? {
            Written::New => Ok(tx.finish()),
            // By another event, since this one is new here: somebody has to look.
            Written::Before => Err(HandlerError::permanent("already credited")),
        }
    }
}
