use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::serve::Listener;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Sleep;

/// What a client may take.
#[derive(Clone, Copy)]
pub(super) struct Limits {
    /// Connections at once.
    pub(super) connections: usize,
    /// From the accept of a connection to the last byte of its one answer.
    pub(super) connection_time: Duration,
}

/// A scraper, three probes and some people; a client that dawdles keeps the
/// place of another for no longer than a scraper waits.
pub(super) const LIMITS: Limits = Limits {
    connections: 64,
    connection_time: Duration::from_secs(10),
};

/// Accepts a connection when there is a place for it.
pub(super) struct Patient {
    listener: TcpListener,
    places: Arc<Semaphore>,
    connection_time: Duration,
}

impl Patient {
    /// Accepts from `listener` within the limits.
    pub(super) fn new(listener: TcpListener, limits: Limits) -> Self {
        let places = Arc::new(Semaphore::new(limits.connections));
        Self {
            listener,
            places,
            connection_time: limits.connection_time,
        }
    }
}

impl Listener for Patient {
    type Io = Limited;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Limited, SocketAddr) {
        let place = Arc::clone(&self.places).acquire_owned().await;
        let place = place.expect("the semaphore is never closed");
        let (stream, addr) = Listener::accept(&mut self.listener).await;
        let limit = Box::pin(tokio::time::sleep(self.connection_time));
        (
            Limited {
                stream,
                limit,
                _place: place,
            },
            addr,
        )
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }
}

/// A connection that fails when its time is over, and then returns its place.
pub(super) struct Limited {
    stream: TcpStream,
    limit: Pin<Box<Sleep>>,
    _place: OwnedSemaphorePermit,
}

impl Limited {
    fn check(&mut self, context: &mut Context<'_>) -> io::Result<()> {
        match self.limit.as_mut().poll(context) {
            Poll::Ready(()) => Err(io::ErrorKind::TimedOut.into()),
            Poll::Pending => Ok(()),
        }
    }
}

impl AsyncRead for Limited {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.check(context)?;
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl AsyncWrite for Limited {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.check(context)?;
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.check(context)?;
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
