//! Transfers that do not go straight: they fail for now, take their time, or are booked by the hundred.

use std::time::Duration;

use fleet::{BatchError, BatchHandler, Context, Done, Envelope, Event, Handler, HandlerError, Tx};
use serde::{Deserialize, Serialize};
use tokio::time::sleep;

use crate::ledger::{REFUSED, Transfer, book};

/// How soon a transfer that stumbled is tried again.
const STUMBLE: Duration = Duration::from_secs(1);

/// A transfer with obstacles; without any it is booked at once.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Detour {
    /// What is booked in the end.
    pub transfer: Transfer,
    /// How many attempts fail for now.
    #[serde(default)]
    pub stumbles: u32,
    /// How often it has to be received until its bank is open.
    #[serde(default)]
    pub opens_at_receive: u32,
    /// How long it takes.
    #[serde(default)]
    pub work_ms: u64,
}

impl Event for Detour {
    const TYPE: &'static str = "transfer.detour";
}

/// Books transfers with obstacles.
#[derive(Clone, Copy, Debug)]
pub struct Struggle;

impl Handler for Struggle {
    type Event = Detour;

    async fn handle(
        &self,
        event: Envelope<Detour>,
        cx: &mut Context<'_>,
    ) -> Result<Done, HandlerError> {
        let detour = &event.data;
        if event.receive_count < detour.opens_at_receive {
            return Err(HandlerError::unavailable("bank"));
        }
        if cx.attempt() <= detour.stumbles {
            return Err(HandlerError::retryable("stumbled by request").retry_after(STUMBLE));
        }
        sleep(Duration::from_millis(detour.work_ms)).await;
        let tx = cx.begin().await?;
        book(&tx, &event.key.id, &detour.transfer).await?;
        Ok(tx.finish())
    }
}

/// A transfer that is booked together with others.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Bulk(pub Transfer);

impl Event for Bulk {
    const TYPE: &'static str = "transfer.bulk";
}

/// Books many transfers in one transaction.
#[derive(Clone, Copy, Debug)]
pub struct BookTogether;

impl BatchHandler for BookTogether {
    type Event = Bulk;

    async fn handle(&self, events: &[Envelope<Bulk>], tx: &mut Tx<'_>) -> Result<(), BatchError> {
        for (index, event) in events.iter().enumerate() {
            let Bulk(transfer) = &event.data;
            book(tx, &event.key.id, transfer).await?;
            // Late, so that there is something to roll back.
            if transfer.refused {
                return Err(BatchError::reject(index, HandlerError::permanent(REFUSED)));
            }
        }
        Ok(())
    }
}
