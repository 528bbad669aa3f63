//! The server: listens, keeps its connections, and ends them.

use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream, ToSocketAddrs};
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::exchange::{caller, exchange};
use super::reply::Broken;
use crate::account::{Caller, Sqs};

/// How long requests may go on after a shutdown. Ours: nearly all take well below a millisecond,
/// and a receive that waits need not be waited for.
const SHUTDOWN_GRACE: Duration = Duration::from_millis(500);

/// How long to wait after a failed accept, which means that the process is out of descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// What can be set about a server.
#[derive(Debug, Clone, Copy, Default)]
pub struct Options {
    /// How long each answer is held back, to stand for the network.
    pub latency: Duration,
}

/// A server that listens until it is shut down or dropped.
#[derive(Debug)]
pub struct Server {
    addr: SocketAddr,
    stop: watch::Sender<()>,
    /// The one task that accepts; it ends with the server.
    accepting: JoinSet<()>,
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
        let addr = listener.local_addr()?;
        let (stop, stopped) = watch::channel(());
        let shared = Arc::new(Shared {
            sqs,
            options,
            host: addr.to_string(),
        });
        let mut accepting = JoinSet::new();
        accepting.spawn(accept(listener, shared, stopped));
        Ok(Self {
            addr,
            stop,
            accepting,
        })
    }

    /// Returns the address it listens on.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Returns the URL that SDKs take as their endpoint.
    pub fn url(&self) -> String {
        format!("http://{}", self.addr)
    }

    /// Accepts nothing more, lets requests finish for half a second, and ends.
    pub async fn shutdown(mut self) {
        self.stop.send_replace(());
        // It only fails if it panicked, and then it has ended.
        let _ended = self.accepting.join_next().await;
    }
}

impl Drop for Server {
    /// Ends the server and its connections at once.
    fn drop(&mut self) {
        self.accepting.abort_all();
    }
}

struct Shared {
    sqs: Sqs,
    options: Options,
    host: String,
}

async fn accept(listener: TcpListener, shared: Arc<Shared>, mut stopped: watch::Receiver<()>) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            _ = stopped.changed() => break,
            Some(_) = connections.join_next() => {}
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    connections.spawn(serve(stream, Arc::clone(&shared), stopped.clone()));
                }
                Err(_) => tokio::time::sleep(ACCEPT_PAUSE).await,
            },
        }
    }
    drop(listener);
    let drained = async { while connections.join_next().await.is_some() {} };
    if tokio::time::timeout(SHUTDOWN_GRACE, drained).await.is_err() {
        connections.shutdown().await;
    }
}

async fn serve(mut stream: TcpStream, shared: Arc<Shared>, mut stopped: watch::Receiver<()>) {
    // Answers are small and waited for; if it fails, they are only slower.
    let _slower = stream.set_nodelay(true);
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
    {
        let (read, write) = stream.split();
        // Clients keep connections open between requests for as long as they like.
        let connection = http1::Builder::new()
            .header_read_timeout(None)
            .serve_connection(TokioIo::new(tokio::io::join(read, write)), service);
        let mut connection = pin!(connection);
        // What goes wrong on a connection is the client's to notice.
        tokio::select! {
            _closed = connection.as_mut() => {}
            _ = stopped.changed() => {
                connection.as_mut().graceful_shutdown();
                let _closed = connection.await;
            }
        }
    }
    if is_reset.load(Relaxed) {
        // Without lingering a close is a reset.
        let _closed_instead = stream.set_zero_linger();
    }
}
