//! A program whose handlers go to the limits: one blocks its thread, one gets the largest messages.
#![forbid(unsafe_code)]

use std::io::Read as _;
use std::net::{SocketAddr, TcpStream};
use std::process::ExitCode;

use fleet::{Consumer, Context, Done, Envelope, Event, Handler, HandlerError};
use fleet_cli::App;
use serde::{Deserialize, Serialize};

/// Somebody is to be asked, by a client that blocks.
#[derive(Debug, Serialize, Deserialize)]
struct Asked {
    whom: SocketAddr,
}

/// Of much only the number of this is looked at.
#[derive(Debug, Serialize, Deserialize)]
struct Loaded {
    number: u64,
}

impl Event for Asked {
    const TYPE: &'static str = "asked";
}

impl Event for Loaded {
    const TYPE: &'static str = "loaded";
}

struct Ask;

struct Unload;

impl Handler for Ask {
    type Event = Asked;

    async fn handle(
        &self,
        event: Envelope<Asked>,
        cx: &mut Context<'_>,
    ) -> Result<Done, HandlerError> {
        let answer = TcpStream::connect(event.data.whom)
            .and_then(|mut stream| stream.read_to_end(&mut Vec::new()));
        match answer {
            Ok(_) => Ok(cx.begin().await?.finish()),
            Err(error) => Err(HandlerError::permanent("nobody answers").caused_by(error)),
        }
    }
}

impl Handler for Unload {
    type Event = Loaded;

    async fn handle(
        &self,
        _event: Envelope<Loaded>,
        cx: &mut Context<'_>,
    ) -> Result<Done, HandlerError> {
        Ok(cx.begin().await?.finish())
    }
}

fn main() -> ExitCode {
    App::new("strained", env!("CARGO_PKG_VERSION"))
        .consumer(Consumer::new("asking").handler(Ask))
        .consumer(Consumer::new("unloading").handler(Unload))
        .main()
}
