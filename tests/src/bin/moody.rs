//! A program whose handlers do what their events say, to show what a rehearsal makes of it.
#![forbid(unsafe_code)]
#![allow(
    clippy::print_stderr,
    reason = "a test reads there how far a handler has come"
)]

use std::process::ExitCode;

use fleet::{
    BatchError, BatchHandler, Consumer, Context, Done, Envelope, Event, EventKey, Handler,
    HandlerError, NewEvent, Tx,
};
use fleet_cli::App;
use serde::{Deserialize, Serialize};

/// What to do.
#[derive(Debug, Serialize, Deserialize)]
struct Told<const KIND: char> {
    mood: String,
}

impl Event for Told<'s'> {
    const TYPE: &'static str = "single";
}

impl Event for Told<'b'> {
    const TYPE: &'static str = "batch";
}

impl Event for Told<'m'> {
    const TYPE: &'static str = "mail";
}

struct Moody;

async fn obey(mood: &str, tx: &Tx<'_>) -> Result<(), HandlerError> {
    tx.execute("insert into effects (mood) values ($1)", &[&mood])
        .await?;
    match mood {
        "publish" => {
            let told = Told::<'b'> {
                mood: "fine".to_owned(),
            };
            let key = EventKey::new("/moody", "published");
            let event =
                NewEvent::new(key, &told).map_err(|_| HandlerError::permanent("no JSON"))?;
            Ok(tx.publish(&event).await?)
        }
        "reject" => Err(HandlerError::permanent("in no mood")),
        "flake" => Err(HandlerError::retryable("in a bad mood")),
        "panic" => panic!("\u{1b}[2J of {mood}"),
        "hang" => {
            eprintln!("hangs");
            std::future::pending().await
        }
        _ => Ok(()),
    }
}

impl Handler for Moody {
    type Event = Told<'s'>;

    async fn handle(
        &self,
        event: Envelope<Told<'s'>>,
        cx: &mut Context<'_>,
    ) -> Result<Done, HandlerError> {
        let tx = cx.begin().await?;
        obey(&event.data.mood, &tx).await?;
        Ok(tx.finish())
    }
}

impl BatchHandler for Moody {
    type Event = Told<'b'>;

    async fn handle(
        &self,
        events: &[Envelope<Told<'b'>>],
        tx: &mut Tx<'_>,
    ) -> Result<(), BatchError> {
        for (index, event) in events.iter().enumerate() {
            let obeyed = obey(&event.data.mood, tx).await;
            obeyed.map_err(|error| BatchError::reject(index, error))?;
        }
        Ok(())
    }
}

/// Says something that no rollback takes back.
struct Loud;

impl Handler for Loud {
    type Event = Told<'m'>;
    const OUTSIDE_EFFECT: bool = true;

    async fn handle(
        &self,
        _event: Envelope<Told<'m'>>,
        cx: &mut Context<'_>,
    ) -> Result<Done, HandlerError> {
        eprintln!("sent a mail");
        Ok(cx.begin().await?.finish())
    }
}

fn main() -> ExitCode {
    App::new("moody", env!("CARGO_PKG_VERSION"))
        .consumer(
            Consumer::new("billing")
                .handler(Moody)
                .batch_handler(Moody)
                .handler(Loud),
        )
        .main()
}
