//! One call that a plan interferes with, or that the history will tell of.

use std::sync::{Arc, Mutex, PoisonError};

use super::address::name_in;
use super::sqs::Sqs;
use crate::error::{Error, ErrorKind};
use crate::fault::{Breakage, Face, Fault, Subject, Verdict};
use crate::history::{Entry, History, Keep, Record};
use crate::message::MessageId;
use crate::operation::Operation;
use crate::queue::ReceiptHandle;

/// A call under way. It is recorded when it is dropped, however it ends.
pub(crate) struct Call {
    /// The service as the operation sees it.
    sqs: Sqs,
    operation: &'static str,
    queue: Option<Box<str>>,
    verdict: Verdict,
    result: &'static str,
}

/// What operations have to know of the call they belong to, and tell it.
#[derive(Debug)]
pub(super) struct Course {
    fault: Option<Fault>,
    entries: Mutex<Vec<Entry>>,
}

impl Sqs {
    /// Keeps a history of every call from now on, until the service ends.
    pub fn keep_history(&self) {
        self.keep(Keep::Calls);
    }

    /// Counts every call from now on, until the service ends; of each nothing more is kept. It
    /// changes nothing if a history is kept already.
    pub fn keep_counts(&self) {
        self.keep(Keep::Counts);
    }

    fn keep(&self, keep: Keep) {
        self.account.history.get_or_init(|| History::new(keep));
    }

    /// Returns the history, if one is kept.
    pub fn history(&self) -> Option<&History> {
        self.account.history.get()
    }

    /// Begins a call; `None` if nobody is interested in it, which is the usual case.
    pub(crate) fn begin<O: Operation>(&self, operation: &O, face: Face) -> Option<Call> {
        let faults = &self.account.faults;
        if !faults.is_set() && self.history().is_none() {
            return None;
        }
        let queue = operation.queue().and_then(name_in);
        let subject = Subject {
            operation: O::NAME,
            queue,
            entries: operation.entries(),
            face,
        };
        let verdict = faults.decide(self.clock().now(), &subject);
        let course = Course {
            fault: verdict.fault.map(|(_, fault)| fault),
            entries: Mutex::default(),
        };
        Some(Call {
            sqs: self.on_course(Arc::new(course)),
            operation: O::NAME,
            queue: queue.map(Into::into),
            verdict,
            result: "abandoned",
        })
    }

    /// Tells whether the running call is to bring a duplicate.
    pub(super) fn wants_duplicate(&self) -> bool {
        let course = self.course.as_deref();
        course.is_some_and(|course| course.fault == Some(Fault::Duplicate))
    }

    /// Begins an entry of the running batch.
    ///
    /// # Errors
    /// An internal error if the plan wants this entry to fail.
    pub(crate) fn entry(&self, index: usize) -> Result<(), Error> {
        match self.course.as_deref().and_then(|course| course.fault) {
            Some(Fault::Partial(failing)) if failing.has(index) => {
                Err(refusal(ErrorKind::Internal))
            }
            _ => Ok(()),
        }
    }

    /// Notes what was done by a receipt.
    pub(crate) fn note_settled(&self, receipt: &str, outcome: Result<&'static str, &Error>) {
        self.note(|history| Entry {
            id: history.message_of(receipt),
            outcome: outcome.unwrap_or_else(|error| error.kind.query_code()),
            receives: None,
        });
    }

    /// Notes a message that was sent, or not.
    pub(crate) fn note_sent(&self, sent: Result<MessageId, &Error>) {
        self.note(|_| Entry {
            id: sent.ok(),
            outcome: sent.map_or_else(|error| error.kind.query_code(), |_| "sent"),
            receives: None,
        });
    }

    /// Notes a message that was handed out.
    pub(crate) fn note_received(&self, id: MessageId, receipt: ReceiptHandle, receives: u32) {
        self.note(|history| {
            history.remember(receipt, id);
            Entry {
                id: Some(id),
                outcome: "received",
                receives: Some(receives),
            }
        });
    }

    fn note(&self, entry: impl FnOnce(&History) -> Entry) {
        if let (Some(course), Some(history)) = (&self.course, self.history()) {
            let mut entries = course
                .entries
                .lock()
                .unwrap_or_else(PoisonError::into_inner);
            entries.push(entry(history));
        }
    }
}

impl Call {
    /// Carries out what is asked, as far as the plan lets it.
    ///
    /// # Errors
    /// What the operation answers, or the plan instead of it.
    pub(crate) async fn carry_out<O: Operation>(
        &mut self,
        operation: O,
    ) -> Result<O::Output, Error> {
        match self.verdict.fault.map(|(_, fault)| fault) {
            Some(Fault::Refuse(kind)) => self.end(Err(refusal(kind))),
            // Nobody will see this answer.
            Some(Fault::Break(Breakage::Reset | Breakage::Hang)) => {
                self.end(Err(refusal(ErrorKind::ServiceUnavailable)))
            }
            _ => {
                let result = operation.run(&self.sqs).await;
                self.end(result)
            }
        }
    }

    /// Ends the call with a result.
    pub(crate) fn end<T>(&mut self, result: Result<T, Error>) -> Result<T, Error> {
        self.result = match &result {
            Ok(_) => "ok",
            Err(error) => error.kind.code(),
        };
        result
    }

    /// Returns what becomes of the connection instead of an answer.
    pub(crate) fn breakage(&self) -> Option<Breakage> {
        match self.verdict.fault {
            Some((_, Fault::Break(breakage))) => Some(breakage),
            _ => None,
        }
    }

    /// Returns how far the server's clock is off, in milliseconds, if the plan says so.
    pub(crate) fn skew(&self) -> Option<i64> {
        self.verdict.skew
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        let (Some(history), Some(course)) = (self.sqs.history(), &self.sqs.course) else {
            return;
        };
        let mut entries = course
            .entries
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        history.append(Record {
            seq: 0,
            at: self.sqs.clock().now(),
            key: (*self.sqs.caller().sender()).into(),
            operation: self.operation,
            queue: self.queue.take(),
            result: self.result,
            fault: match self.verdict {
                Verdict {
                    fault: Some((name, _)),
                    ..
                } => Some(name),
                Verdict { skew: Some(_), .. } => Some("skew"),
                _ => None,
            },
            entries: std::mem::take(&mut entries),
        });
    }
}

fn refusal(kind: ErrorKind) -> Error {
    let message = match kind {
        ErrorKind::ServiceUnavailable => "The service is not available at the moment.",
        ErrorKind::Throttling => "Rate exceeded",
        ErrorKind::RequestThrottled => "Request is throttled.",
        ErrorKind::ExpiredToken => "The security token included in the request is expired",
        _ => "An internal error occurred. Please try again.",
    };
    Error::new(kind, message)
}
