//! Every way in which things go wrong, with secrets and personal data on board: none of it comes
//! out in a log, a metric, an answer, a trace, a panic or a reason.
#![forbid(unsafe_code)]

/// What must not come out.
mod marks;

/// Everything that came out, and where.
mod evidence;

/// A receiver of traces that reads nothing of them.
mod collector;

/// An SQS that repeats what it is told.
mod parrot;

/// Messages that end badly.
mod slips;

/// A place for the indiscreet program.
mod parlour;

mod messages;

mod sqs_errors;

mod database_errors;

mod settings;

mod commands;
