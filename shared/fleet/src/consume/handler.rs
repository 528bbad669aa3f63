use std::future::Future;

use super::context::{Context, Done, Tx};
use super::error::{BatchError, HandlerError};
use crate::message::{Envelope, Event};

/// Does the work of one event.
///
/// At-least-once delivery means that `handle` may run twice for the same event;
/// [`Context::begin`] sees to it that its effect in Postgres is there once.
///
/// # Cancellation
///
/// The future is dropped at an await point when the handler timeout passes,
/// when the lease of the message is lost, and when the shutdown's grace ends.
/// The transaction is rolled back then.
pub trait Handler: Send + Sync + 'static {
    /// The event that it handles.
    type Event: Event;

    /// Whether it has effects outside Postgres, which a rollback cannot undo.
    ///
    /// The worker then looks into the inbox before it runs the handler, so that
    /// a redelivery of finished work does not repeat the call.
    const OUTSIDE_EFFECT: bool = false;

    /// Handles one event.
    ///
    /// # Errors
    ///
    /// The error says what becomes of the message; see [`HandlerError`].
    fn handle(
        &self,
        event: Envelope<Self::Event>,
        cx: &mut Context<'_>,
    ) -> impl Future<Output = Result<Done, HandlerError>> + Send;
}

/// Does the work of many events of one type in one transaction.
///
/// The events are claimed when it is called, and committed together when it
/// returns. One that it rejects by index settles by its own error, and the
/// others run again without it; an error without an index bisects the batch
/// until the culprit stands alone.
pub trait BatchHandler: Send + Sync + 'static {
    /// The event that it handles.
    type Event: Event;

    /// The most events of one transaction.
    const EVENTS_MAX: usize = 100;

    /// Handles the events of one batch; none of them is a duplicate.
    ///
    /// # Errors
    ///
    /// A [`HandlerError`] by `?`, or [`BatchError::reject`] for one event of the slice.
    fn handle(
        &self,
        events: &[Envelope<Self::Event>],
        tx: &mut Tx<'_>,
    ) -> impl Future<Output = Result<(), BatchError>> + Send;
}
