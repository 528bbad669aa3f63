//! A program of which there are two builds: `BUILD=new` knows what `BUILD=old` has never heard of.
#![forbid(unsafe_code)]

use std::marker::PhantomData;
use std::process::ExitCode;

use fleet::{Consumer, Context, Done, Envelope, Event, Handler, HandlerError};
use fleet_cli::App;
use serde::{Deserialize, Serialize};

const INSERT: &str = "insert into effects (build, consumer, event, type, note, sent_at)
                      values ($1, $2, $3, $4, $5, $6)";

/// What both builds know, as the old one knows it.
#[derive(Debug, Serialize, Deserialize)]
struct Counted {}

/// The same event with the field that the new build has added.
#[derive(Debug, Serialize, Deserialize)]
struct CountedWithNote {
    #[serde(default)]
    note: String,
}

/// Its second version, which is a type of its own.
#[derive(Debug, Serialize, Deserialize)]
struct CountedAnew {
    note: String,
}

/// An event that is new altogether.
#[derive(Debug, Serialize, Deserialize)]
struct Weighed {}

impl Event for Counted {
    const TYPE: &'static str = "counted";
}

impl Event for CountedWithNote {
    const TYPE: &'static str = "counted";
}

impl Event for CountedAnew {
    const TYPE: &'static str = "counted.v2";
}

impl Event for Weighed {
    const TYPE: &'static str = "weighed";
}

/// What a build understands of an event.
trait Noted: Event {
    fn note(&self) -> &str {
        ""
    }
}

impl Noted for Counted {}

impl Noted for CountedWithNote {
    fn note(&self) -> &str {
        &self.note
    }
}

impl Noted for CountedAnew {
    fn note(&self) -> &str {
        &self.note
    }
}

impl Noted for Weighed {}

/// Writes down what it understood, and which build it is.
///
/// The table takes everything twice, so that a double effect would show.
struct WriteDown<E> {
    build: &'static str,
    consumer: &'static str,
    event: PhantomData<fn(E)>,
}

impl<E> WriteDown<E> {
    fn new(build: &'static str, consumer: &'static str) -> Self {
        Self {
            build,
            consumer,
            event: PhantomData,
        }
    }
}

impl<E: Noted + Sync> Handler for WriteDown<E> {
    type Event = E;

    async fn handle(&self, event: Envelope<E>, cx: &mut Context<'_>) -> Result<Done, HandlerError> {
        let (id, note) = (&event.key.id, event.data.note());
        let tx = cx.begin().await?;
        tx.execute(
            INSERT,
            &[
                &self.build,
                &self.consumer,
                id,
                &E::TYPE,
                &note,
                &event.sent_at,
            ],
        )
        .await?;
        Ok(tx.finish())
    }
}

fn main() -> ExitCode {
    let app = App::new("two_builds", env!("CARGO_PKG_VERSION"));
    let billing = Consumer::new("billing");
    let app = match std::env::var("BUILD").as_deref() {
        Ok("old") => app.consumer(billing.handler(WriteDown::<Counted>::new("old", "billing"))),
        _ => app
            .consumer(
                billing
                    .handler(WriteDown::<CountedWithNote>::new("new", "billing"))
                    .handler(WriteDown::<CountedAnew>::new("new", "billing"))
                    .handler(WriteDown::<Weighed>::new("new", "billing")),
            )
            .consumer(Consumer::new("audit").handler(WriteDown::<Weighed>::new("new", "audit"))),
    };
    app.main()
}
