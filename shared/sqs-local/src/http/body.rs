//! The body of an answer, whole or not.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};
use tokio::time::Sleep;

/// A body whose length is announced, and which comes as far and as fast as its pace says.
#[derive(Debug)]
pub struct AnswerBody {
    rest: Bytes,
    pace: Pace,
}

#[derive(Debug)]
enum Pace {
    /// All of it.
    AtOnce,
    /// Half of it.
    Truncated(Cut),
    /// One byte after the other.
    Drip {
        every: Duration,
        pause: Pin<Box<Sleep>>,
    },
}

/// How far a truncated body has come.
#[derive(Debug)]
enum Cut {
    Half,
    /// What was written so far has to leave before the connection does.
    Flush,
    End,
}

impl AnswerBody {
    pub(super) fn whole(body: Bytes) -> Self {
        Self {
            rest: body,
            pace: Pace::AtOnce,
        }
    }

    pub(super) fn truncated(body: Bytes) -> Self {
        Self {
            rest: body,
            pace: Pace::Truncated(Cut::Half),
        }
    }

    pub(super) fn dripping(body: Bytes, every: Duration) -> Self {
        let pause = Box::pin(tokio::time::sleep(every));
        Self {
            rest: body,
            pace: Pace::Drip { every, pause },
        }
    }
}

impl Body for AnswerBody {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        let Self { rest, pace } = &mut *self;
        let count = match pace {
            _ if rest.is_empty() => return Poll::Ready(None),
            Pace::AtOnce => rest.len(),
            Pace::Truncated(cut @ Cut::Half) => {
                *cut = Cut::Flush;
                rest.len() / 2
            }
            Pace::Truncated(cut @ Cut::Flush) => {
                *cut = Cut::End;
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
            Pace::Truncated(Cut::End) => {
                return Poll::Ready(Some(Err(io::ErrorKind::UnexpectedEof.into())));
            }
            Pace::Drip { every, pause } => {
                ready!(pause.as_mut().poll(cx));
                pause.set(tokio::time::sleep(*every));
                1
            }
        };
        Poll::Ready(Some(Ok(Frame::data(rest.split_to(count)))))
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(u64::try_from(self.rest.len()).unwrap_or(u64::MAX))
    }
}
