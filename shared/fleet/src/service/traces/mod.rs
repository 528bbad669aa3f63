//! Traces: where a message comes from, and what was done with it.
//!
//! A `TraceContext` is the place in a trace that travels with events; it is
//! read and passed on whether this process records anything or not. A `Span`
//! is a piece of work that a trace shows. Until `begin` was called with the
//! address of a collector every span is nothing, and costs nothing.
//!
//! Spans are sent by a thread of their own. What the collector does not take is
//! dropped and counted; no worker ever waits for it.

// The formatter sorts within a block; the blank lines keep the reading order.
mod context;

mod spool;

mod collector;

mod exporter;

mod tracer;

mod span;

pub use self::context::TraceContext;
pub use self::span::Span;
pub use self::tracer::{Traces, TracesError, begin};
