//! A program whose handlers fail in every way that could tell what stands in a message.
#![forbid(unsafe_code)]

use std::collections::BTreeMap;
use std::process::ExitCode;

use fleet::{
    Consumer, Context, Done, Envelope, Event, EventKey, Handler, HandlerError, NewEvent, Tx,
};
use fleet_cli::App;
use serde::{Deserialize, Serialize};

const INSERT: &str = "insert into customers (email, name, card) values ($1, $2, $3)";

/// Somebody's data, and how to fail with it.
#[derive(Debug, Serialize, Deserialize)]
struct Slip {
    fails: Failing,
    email: String,
    name: String,
    card: Card,
    #[serde(default)]
    prices: BTreeMap<String, i64>,
}

impl Event for Slip {
    const TYPE: &'static str = "slip";
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Failing {
    Not,
    /// With words that say nothing.
    Permanently,
    /// With words of the message, which no handler should use.
    Saying,
    /// With what serde says of a value.
    WithSerde,
    Unavailably,
    AtUniqueness,
    AtCheck,
    AtNull,
    AtCast,
    AtRaise,
    AtCommit,
    /// A column is read as another type.
    AtColumn,
    PanickingText,
    PanickingValue,
    Hanging,
    /// Not, but whoever gets what it publishes does.
    Publishing,
}

/// A number that says itself why it is none.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(try_from = "String")]
struct Card(String);

impl TryFrom<String> for Card {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        match text.len() < 40 {
            true => Ok(Self(text)),
            false => Err(format!("no card has the number `{text}`")),
        }
    }
}

struct Indiscreet;

impl Handler for Indiscreet {
    type Event = Slip;

    async fn handle(
        &self,
        slip: Envelope<Slip>,
        cx: &mut Context<'_>,
    ) -> Result<Done, HandlerError> {
        let data = &slip.data;
        let fails = data.fails;
        match fails {
            Failing::Permanently => return Err(HandlerError::permanent("the slip is void")),
            Failing::Saying => {
                let cause = std::io::Error::other(data.name.clone());
                let error = HandlerError::retryable(data.email.clone());
                return Err(error.caused_by(cause));
            }
            Failing::WithSerde => {
                let quoted = serde_json::json!(data.email).to_string();
                serde_json::from_str::<u64>(&quoted)
                    .map_err(|error| HandlerError::retryable("no number").caused_by(error))?;
            }
            Failing::Unavailably => return Err(HandlerError::unavailable("printer")),
            Failing::PanickingText => panic!("{} pays with {:?}", data.email, data.card),
            Failing::PanickingValue => std::panic::panic_any(data.card.clone()),
            Failing::Hanging => std::future::pending::<()>().await,
            _ => {}
        }
        let tx = cx.begin().await?;
        store(&tx, data).await?;
        if fails == Failing::Publishing {
            let key = EventKey::new("/indiscreet", slip.key.id.as_str());
            let passed_on = Slip {
                fails: Failing::Permanently,
                ..slip.data
            };
            let event = NewEvent::new(key, &passed_on);
            let event = event.map_err(|_| HandlerError::permanent("no JSON"))?;
            tx.publish(&event).await?;
        }
        Ok(tx.finish())
    }
}

async fn store(tx: &Tx<'_>, data: &Slip) -> Result<(), HandlerError> {
    let (email, card) = (&data.email, &data.card.0);
    match data.fails {
        Failing::AtUniqueness => {
            tx.execute(INSERT, &[email, &data.name, card]).await?;
            tx.execute(INSERT, &[email, &data.name, card]).await?;
        }
        Failing::AtCheck => {
            tx.execute(INSERT, &[email, &"", card]).await?;
        }
        Failing::AtNull => {
            tx.execute(INSERT, &[email, &data.name, &None::<String>])
                .await?;
        }
        Failing::AtCast => {
            tx.query("select $1::text::bigint", &[card]).await?;
        }
        Failing::AtRaise => {
            tx.query("select complain($1)", &[email]).await?;
        }
        Failing::AtCommit => {
            let late = "insert into orders (email) values ($1)";
            tx.execute(late, &[email]).await?;
        }
        Failing::AtColumn => {
            let rows = tx.query("select $1::text", &[email]).await?;
            let read: i64 = rows[0].get(0);
            assert_eq!(read, 0, "it is no number");
        }
        _ => {
            tx.execute(INSERT, &[email, &data.name, card]).await?;
        }
    }
    Ok(())
}

fn main() -> ExitCode {
    App::new("indiscreet", env!("CARGO_PKG_VERSION"))
        .consumer(Consumer::new("billing").handler(Indiscreet))
        .main()
}
