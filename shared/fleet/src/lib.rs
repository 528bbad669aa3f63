//! A runtime for Amazon SQS worker fleets: at-least-once delivery, exactly-once effect in Postgres.
//!
//! A program describes its events, writes a [`Handler`] for each job, and registers them in
//! [`Consumer`]s. The runtime receives no more than can run, opens the envelope, calls the handler,
//! commits its effect together with the claim of the event, and then acknowledges.
//!
//! The rooms in reading order; each uses only those above it:
//!
//! | Module | What it holds |
//! |---|---|
//! | [`service`] | what every process has: configuration, logs, metrics, health, shutdown, retries |
//! | [`message`] | what travels: events, envelopes, attributes, failures |
//! | [`queue`] | the seam to SQS |
//! | [`store`] | the seam to Postgres, and the SQL of the runtime's tables |
//! | [`dead_letter`] | the copy that says why a message is dead |
//! | [`relay`] | from the outbox to the queues |
//! | [`consume`] | the loop, and what handlers see of it |
//! | [`upkeep`] | what a process does beside its work: it shows itself, heeds pauses, prunes |
//! | `testing` | feature `testing`: a Postgres and a queue for tests |
//!
//! # Examples
//!
//! ```
//! use fleet::{Consumer, Context, Done, Envelope, Event, EventKey, Handler, HandlerError, NewEvent};
//!
//! #[derive(serde::Serialize, serde::Deserialize)]
//! struct ParcelScanned { parcel_id: String }
//!
//! impl Event for ParcelScanned {
//!     const TYPE: &'static str = "parcel.scanned";
//! }
//!
//! struct CountScan;
//!
//! impl Handler for CountScan {
//!     type Event = ParcelScanned;
//!
//!     async fn handle(&self, event: Envelope<ParcelScanned>, cx: &mut Context<'_>) -> Result<Done, HandlerError> {
//!         let tx = cx.begin().await?; // a duplicate ends here
//!         let sql = "update parcels set scans = scans + 1 where parcel_id = $1";
//!         tx.execute(sql, &[&event.data.parcel_id]).await?;
//!         Ok(tx.finish()) // committed by the runtime, then acknowledged
//!     }
//! }
//!
//! let tracking = Consumer::new("tracking").handler(CountScan);
//! let scan = ParcelScanned { parcel_id: "P-1".to_owned() };
//! let event = NewEvent::new(EventKey::new("/depot/7", "scan-1"), &scan)?;
//!
//! assert_eq!(tracking.event_types(), ["parcel.scanned"]);
//! assert_eq!(tracking.check(&event.event_type, &event.data), Some(Ok(())));
//! assert_eq!(tracking.check("parcel.lost", "{}"), None);
//! # Ok::<(), serde_json::Error>(())
//! ```
#![forbid(unsafe_code)]

// The rooms in reading order; each uses only those above it. The blank lines
// keep the formatter from sorting them.
pub mod service;

pub mod message;

pub mod queue;

pub mod store;

pub mod dead_letter;

pub mod relay;

pub mod consume;

pub mod upkeep;

#[cfg(feature = "testing")]
pub mod testing;

pub use consume::{BatchError, BatchHandler, Consumer, Context, Done, Handler, HandlerError, Tx};
pub use message::{Envelope, Event, EventKey, NewEvent};
