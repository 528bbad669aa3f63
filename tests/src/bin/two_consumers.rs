//! A program with two consumers, to show what becomes of one when the other is in trouble.
#![forbid(unsafe_code)]

use std::process::ExitCode;

use fleet::{Consumer, Context, Done, Envelope, Event, Handler, HandlerError};
use fleet_cli::App;
use serde::{Deserialize, Serialize};

#[derive(Debug, Serialize, Deserialize)]
struct Pinged {}

impl Event for Pinged {
    const TYPE: &'static str = "pinged";
}

struct Nothing;

impl Handler for Nothing {
    type Event = Pinged;

    async fn handle(
        &self,
        _event: Envelope<Pinged>,
        cx: &mut Context<'_>,
    ) -> Result<Done, HandlerError> {
        Ok(cx.begin().await?.finish())
    }
}

fn main() -> ExitCode {
    App::new("two", env!("CARGO_PKG_VERSION"))
        .consumer(Consumer::new("billing").handler(Nothing))
        .consumer(Consumer::new("mail-out").handler(Nothing))
        .main()
}
