//! A program whose consumers write down what reached them, in the order in which it did.
#![forbid(unsafe_code)]

use std::marker::PhantomData;
use std::process::ExitCode;

use fleet::{Consumer, Context, Done, Envelope, Event, Handler, HandlerError};
use fleet_cli::App;
use serde::{Deserialize, Serialize};

/// An event without an order.
#[derive(Debug, Serialize, Deserialize)]
struct Noted {}

/// An event with one, by its ordering key.
#[derive(Debug, Serialize, Deserialize)]
struct Moved {}

impl Event for Noted {
    const TYPE: &'static str = "noted";
}

impl Event for Moved {
    const TYPE: &'static str = "moved";
}

/// Writes down an event for a consumer.
///
/// The table takes everything twice, so that a double effect would show.
struct WriteDown<E> {
    consumer: &'static str,
    event: PhantomData<fn(E)>,
}

impl<E> WriteDown<E> {
    fn of(consumer: &'static str) -> Self {
        let event = PhantomData;
        Self { consumer, event }
    }
}

impl<E: Event> Handler for WriteDown<E> {
    type Event = E;

    async fn handle(&self, event: Envelope<E>, cx: &mut Context<'_>) -> Result<Done, HandlerError> {
        const INSERT: &str = "insert into effects (consumer, event) values ($1, $2)";
        let tx = cx.begin().await?;
        tx.execute(INSERT, &[&self.consumer, &event.key.id]).await?;
        Ok(tx.finish())
    }
}

fn main() -> ExitCode {
    let noted = WriteDown::<Noted>::of;
    let moved = WriteDown::<Moved>::of;
    App::new("posted", env!("CARGO_PKG_VERSION"))
        .consumer(Consumer::new("billing").handler(noted("billing")))
        .consumer(Consumer::new("ledger").handler(moved("ledger")))
        .consumer(
            Consumer::new("archive")
                .handler(noted("archive"))
                .handler(moved("archive")),
        )
        .main()
}
