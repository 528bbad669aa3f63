//! AWS JSON 1.0 over HTTP: what unmodified SDKs speak.
//!
//! Signatures are not checked: a request without one is as good as any. The access key of a
//! request that has one tells its caller, whom the service knows by [`Caller`](crate::Caller).

mod body;
mod control;
mod dispatch;
mod exchange;
mod listener;
mod reply;
mod server;
mod signed;

pub use self::body::AnswerBody;
pub use self::control::Control;
pub use self::exchange::exchange;
pub use self::reply::Broken;
pub use self::server::{Options, Server};
