//! What the fuzz targets do with their bytes, and what must hold whatever these are.
//!
//! Each function here is a target of its name: it panics when something does not hold. The
//! programs in `targets` hand them to libFuzzer; `infra/scripts/fuzz.sh` builds and runs those.
#![forbid(unsafe_code)]

mod letter;
mod sample;
mod post;

mod attributes;
mod copy_restore;
mod envelope;
mod failure;
mod script;
mod ledger;
mod sqs_request;

pub use attributes::attributes;
pub use copy_restore::copy_restore;
pub use envelope::envelope;
pub use failure::failure;
pub use sqs_request::sqs_request;
