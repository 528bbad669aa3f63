//! The policies that Terraform makes, enforced by sqs-local on the real program: they suffice, none
//! is too much, and the pages about them say what they are.
#![forbid(unsafe_code)]

mod pages;
mod policies;
mod refusals;
mod story;
mod waiting;
