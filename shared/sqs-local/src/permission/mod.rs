//! Who may do what: IAM policies by access key, as far as the actions of SQS need them.
//!
//! [`Permissions`] are read from JSON, an object with a list of policies for each access key:
//!
//! ```text
//! { "AKIDCONSUMER": [ { "Version": "2012-10-17", "Statement": [ {
//!     "Effect": "Allow",
//!     "Action": ["sqs:ReceiveMessage", "sqs:DeleteMessage"],
//!     "Resource": "arn:aws:sqs:us-east-1:000000000000:orders" } ] } ] }
//! ```
//!
//! A policy is that of an identity and allows: what no statement names is refused. `*` and `?` are
//! what they are in IAM. Everything of IAM that is not here (`Deny`, conditions, `NotAction`) is an
//! error when it is read, so that no policy means less here than it does there. Actions of other
//! services may stand in it; nobody asks for them.

mod pattern;
mod policy;
mod permissions;

pub use self::permissions::{Permissions, PermissionsError};

#[cfg(test)]
mod tests;
