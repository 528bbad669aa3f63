//! The server that SDKs talk to.

use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use hyper::service::service_fn;
use tokio::net::{TcpListener, TcpStream, ToSocketAddrs};

use super::exchange::{caller, exchange};
use super::listener::{Listener, Stopped, speak};
use super::reply::Broken;
use crate::account::{Caller, Sqs};

/// What can be set about a server.
#[derive(Debug, Clone, Copy, Default)]
pub struct Options {
    /// How long each answer is held back, to stand for the network.
    pub latency: Duration,
}

/// A server that listens until it is shut down or dropped, which ends its connections at once.
#[derive(Debug)]
pub struct Server {
    listener: Listener,
}

impl Server {
    /// Listens on an address; port 0 takes a free one.
    ///
    /// # Errors
    /// If the address cannot be listened on, for example because the port is taken.
    pub async fn bind(addr: impl ToSocketAddrs, sqs: Sqs) -> io::Result<Self> {
        Self::bind_with(addr, sqs, Options::default()).await
    }

    /// Listens on an address with options.
    ///
    /// # Errors
    /// As of [`bind`](Self::bind).
    pub async fn bind_with(
        addr: impl ToSocketAddrs,
        sqs: Sqs,
        options: Options,
    ) -> io::Result<Self> {
        let listener = TcpListener::bind(addr).await?;
        let shared = Arc::new(Shared {
            sqs,
            options,
            host: listener.local_addr()?.to_string(),
        });
        let serve = move |stream, stopped| serve(stream, Arc::clone(&shared), stopped);
        Ok(Self {
            listener: Listener::start(listener, serve)?,
        })
    }

    /// Returns the address it listens on.
    pub fn addr(&self) -> SocketAddr {
        self.listener.addr()
    }

    /// Returns the URL that SDKs take as their endpoint.
    pub fn url(&self) -> String {
        format!("http://{}", self.addr())
    }

    /// Accepts nothing more, lets requests finish for half a second, and ends; what hangs or drips
    /// because of a fault is ended with it.
    pub async fn shutdown(self) {
        self.listener.shutdown().await;
    }
}

struct Shared {
    sqs: Sqs,
    options: Options,
    host: String,
}

async fn serve(mut stream: TcpStream, shared: Arc<Shared>, stopped: Stopped) {
    let last_caller: Mutex<Option<Arc<Caller>>> = Mutex::new(None);
    let is_reset = AtomicBool::new(false);
    let service = service_fn(|request| {
        let caller = {
            let mut last = last_caller.lock().unwrap_or_else(PoisonError::into_inner);
            let caller = caller(request.headers(), last.as_ref(), &shared.host);
            *last = Some(Arc::clone(&caller));
            caller
        };
        let sqs = shared.sqs.as_caller(caller);
        let latency = shared.options.latency;
        let is_reset = &is_reset;
        async move {
            let answer = exchange(&sqs, request).await;
            if !latency.is_zero() {
                tokio::time::sleep(latency).await;
            }
            is_reset.store(answer.as_ref().err() == Some(&Broken::Reset), Relaxed);
            answer
        }
    });
    speak(&mut stream, service, stopped).await;
    if is_reset.load(Relaxed) {
        // Without lingering a close is a reset.
        let _closed_instead = stream.set_zero_linger();
    }
}
