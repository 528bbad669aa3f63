//! The domain under attack: transfers between accounts.
//!
//! Nothing but the fleet's claim keeps a transfer from being booked twice: the table of entries
//! has no unique constraint, and an account's balance tells of every booking.

use fleet::message::{EventKey, NewEvent};
use fleet::store::{Migration, Migrations, StoreError};
use fleet::{Context, Done, Envelope, Event, Handler, HandlerError, Tx};
use serde::{Deserialize, Serialize};

/// Whose events are booked.
pub const SOURCE: &str = "/chaos/transfers";

/// Whose events leave with the booking.
pub const POSTED_SOURCE: &str = "/chaos/ledger";

/// How many accounts there are, numbered from 0; all begin at zero.
pub const ACCOUNTS: i32 = 1_000;

/// The phrase of a transfer that asks to be refused.
pub const REFUSED: &str = "refused by request";

/// Books an entry and moves both balances, the lower account first, so that no two bookings wait
/// for each other.
const BOOK: &str = "
    with entry as (
        insert into ledger.entries (event_id, from_account, to_account, amount)
        values ($1, $2, $3, $4)
    ), locked as (
        select id from ledger.accounts where id in ($2, $3) order by id for update
    )
    update ledger.accounts a
    set balance = balance + case a.id when $3 then $4 else -$4 end
    from locked where locked.id = a.id";

/// Money on its way from one account to another one.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Transfer {
    /// The account that it leaves.
    pub from: i32,
    /// The account that it arrives at, another one.
    pub to: i32,
    /// How much, in minor units.
    pub amount: i64,
    /// Whether it is to fail for good.
    #[serde(default)]
    pub refused: bool,
}

impl Event for Transfer {
    const TYPE: &'static str = "transfer";
}

/// A transfer that was booked.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Posted {
    /// The id of the transfer.
    pub transfer: String,
}

impl Event for Posted {
    const TYPE: &'static str = "transfer.posted";
}

/// Books transfers.
#[derive(Clone, Copy, Debug)]
pub struct Book;

impl Handler for Book {
    type Event = Transfer;

    async fn handle(
        &self,
        event: Envelope<Transfer>,
        cx: &mut Context<'_>,
    ) -> Result<Done, HandlerError> {
        if event.data.refused {
            return Err(HandlerError::permanent(REFUSED));
        }
        let tx = cx.begin().await?;
        book(&tx, &event.key.id, &event.data).await?;
        Ok(tx.finish())
    }
}

/// Books a transfer and lets it be known.
pub(crate) async fn book(tx: &Tx<'_>, id: &String, transfer: &Transfer) -> Result<(), StoreError> {
    let Transfer {
        from, to, amount, ..
    } = transfer;
    tx.execute(BOOK, &[id, from, to, amount]).await?;
    let posted = Posted {
        transfer: id.clone(),
    };
    let key = EventKey::new(POSTED_SOURCE, format!("posted-{id}"));
    let posted = NewEvent::new(key, &posted).expect("it has no maps");
    tx.publish(&posted).await
}

/// Stands for whoever is told of bookings: it has a queue, and nobody runs it.
#[derive(Clone, Copy, Debug)]
pub struct Hear;

impl Handler for Hear {
    type Event = Posted;

    async fn handle(
        &self,
        _event: Envelope<Posted>,
        cx: &mut Context<'_>,
    ) -> Result<Done, HandlerError> {
        Ok(cx.begin().await?.finish())
    }
}

/// Returns the migrations of the ledger's tables.
pub const fn migrations() -> Migrations {
    Migrations {
        owner: "chaos",
        steps: &[Migration {
            number: 1,
            name: "ledger",
            sql: include_str!("ledger.sql"),
        }],
    }
}
