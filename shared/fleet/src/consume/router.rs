use std::collections::BTreeMap;
use std::fmt;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use async_trait::async_trait;
use futures_util::FutureExt as _;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::admission::Admission;
use super::commit_group::CommitGroup;
use super::context::{Context, Done, Tx};
use super::handler::{BatchHandler, Handler};
use super::lane::{Intake, Single, Stop};
use super::station::Station;
use crate::message::{DecodeError, Event, RawEnvelope, decode_data};

/// A consumer: a name, and the handlers of the events that it consumes.
///
/// The name is a registered constant. It is part of the key by which finished
/// work is known, so renaming a consumer makes it forget what it has done.
///
/// # Examples
///
/// ```no_run
/// # use fleet::{Consumer, Context, Done, Envelope, Event, Handler, HandlerError};
/// # #[derive(serde::Serialize, serde::Deserialize)] struct ParcelSent {}
/// # impl Event for ParcelSent { const TYPE: &'static str = "parcel.sent"; }
/// struct Count;
///
/// impl Handler for Count {
///     type Event = ParcelSent;
///     async fn handle(&self, _: Envelope<ParcelSent>, cx: &mut Context<'_>) -> Result<Done, HandlerError> {
///         let tx = cx.begin().await?;
///         tx.execute("UPDATE parcels.sent SET count = count + 1", &[]).await?;
///         Ok(tx.finish())
///     }
/// }
///
/// let consumer = Consumer::new("parcels").handler(Count);
/// ```
pub struct Consumer {
    name: &'static str,
    routes: BTreeMap<&'static str, Route>,
}

/// Where the events of one type go.
#[derive(Clone)]
pub(super) enum Route {
    One(Arc<dyn Single>),
    Batch(Arc<dyn Many>),
}

/// A [`BatchHandler`] whose event type is erased.
#[async_trait]
pub(super) trait Many: Send + Sync {
    /// Decodes data as its event, to see whether it fits.
    fn check(&self, data: &str) -> Result<(), DecodeError>;

    /// Runs the handler on a batch of one event.
    async fn run_alone(&self, event: &RawEnvelope<'_>, tx: &mut Tx<'_>) -> Result<(), Stop>;

    /// Starts its committer, which ends when nothing more comes, and returns the way to it.
    fn start(
        self: Arc<Self>,
        station: &Arc<Station>,
        committers: &TaskTracker,
        nothing_more_comes: &CancellationToken,
    ) -> Arc<dyn Intake>;
}

impl Consumer {
    /// Makes a consumer without handlers.
    pub fn new(name: &'static str) -> Self {
        Self {
            name,
            routes: BTreeMap::new(),
        }
    }

    /// Adds the handler of one type of event.
    ///
    /// # Panics
    ///
    /// The consumer has a handler for this type already.
    #[must_use]
    pub fn handler<H: Handler>(self, handler: H) -> Self {
        self.route(H::Event::TYPE, Route::One(Arc::new(Typed(handler))))
    }

    /// Adds the batch handler of one type of event.
    ///
    /// # Panics
    ///
    /// The consumer has a handler for this type already.
    #[must_use]
    pub fn batch_handler<H: BatchHandler>(self, handler: H) -> Self {
        self.route(H::Event::TYPE, Route::Batch(Arc::new(Typed(handler))))
    }

    /// Returns the name.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// Returns the types of events that it has handlers for.
    pub fn event_types(&self) -> Vec<&'static str> {
        self.routes.keys().copied().collect()
    }

    /// Tells whether data fits the registered event of this type; `None` when no handler takes it.
    pub fn check(&self, event_type: &str, data: &str) -> Option<Result<(), DecodeError>> {
        self.routes.get(event_type).map(|route| match route {
            Route::One(handler) => handler.check(data),
            Route::Batch(handler) => handler.check(data),
        })
    }

    /// Tells whether the handler of this type has effects outside Postgres; `None` when no handler
    /// takes it.
    pub fn has_outside_effect(&self, event_type: &str) -> Option<bool> {
        self.routes.get(event_type).map(|route| match route {
            Route::One(handler) => handler.has_outside_effect(),
            // All it gets is the transaction.
            Route::Batch(_) => false,
        })
    }

    pub(super) fn routes(&self) -> &BTreeMap<&'static str, Route> {
        &self.routes
    }

    fn route(mut self, event_type: &'static str, route: Route) -> Self {
        let before = self.routes.insert(event_type, route);
        assert!(
            before.is_none(),
            "{}: two handlers for {event_type}",
            self.name
        );
        self
    }
}

impl fmt::Debug for Consumer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Consumer")
            .field("name", &self.name)
            .field("event_types", &self.event_types())
            .finish()
    }
}

struct Typed<H>(H);

#[async_trait]
impl<H: Handler> Single for Typed<H> {
    fn has_outside_effect(&self) -> bool {
        H::OUTSIDE_EFFECT
    }

    fn check(&self, data: &str) -> Result<(), DecodeError> {
        decode_data::<H::Event>(data).map(drop)
    }

    async fn run(&self, event: &RawEnvelope<'_>, cx: &mut Context<'_>) -> Result<Done, Stop> {
        let event = event.decode::<H::Event>().map_err(Stop::Undecodable)?;
        self.0.handle(event, cx).await.map_err(Stop::Handler)
    }
}

#[async_trait]
impl<H: BatchHandler> Many for Typed<H> {
    fn check(&self, data: &str) -> Result<(), DecodeError> {
        decode_data::<H::Event>(data).map(drop)
    }

    async fn run_alone(&self, event: &RawEnvelope<'_>, tx: &mut Tx<'_>) -> Result<(), Stop> {
        let event = event.decode::<H::Event>().map_err(Stop::Undecodable)?;
        let handled = self.0.handle(std::slice::from_ref(&event), tx).await;
        handled.map_err(|rejected| Stop::Handler(rejected.error))
    }

    fn start(
        self: Arc<Self>,
        station: &Arc<Station>,
        committers: &TaskTracker,
        nothing_more_comes: &CancellationToken,
    ) -> Arc<dyn Intake> {
        let (admission, mut admitted) = Admission::new(Arc::clone(station));
        let (station, nothing_more_comes) = (Arc::clone(station), nothing_more_comes.clone());
        committers.spawn(async move {
            let group = CommitGroup::new(&self.0, station);
            loop {
                let run = group.run(&mut admitted, &nothing_more_comes);
                if AssertUnwindSafe(run).catch_unwind().await.is_ok() {
                    return;
                }
                // The batch that met the panic comes back when its leases have run out.
                tracing::error!(
                    event.r#type = H::Event::TYPE,
                    "committer panicked, it goes on"
                );
            }
        });
        Arc::new(admission)
    }
}
