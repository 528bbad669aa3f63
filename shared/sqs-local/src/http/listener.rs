//! A port: accepts connections, and ends them.

use std::error::Error;
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::time::Duration;

use hyper::body::{Body, Incoming};
use hyper::server::conn::http1;
use hyper::service::HttpService;
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

/// How long requests may go on after a shutdown. Ours: nearly all take well below a millisecond,
/// and a receive that waits need not be waited for.
const SHUTDOWN_GRACE: Duration = Duration::from_millis(500);

/// How long to wait after a failed accept, which means that the process is out of descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Tells a connection that the server ends.
pub(super) type Stopped = watch::Receiver<()>;

/// A port that is listened on until it is shut down or dropped.
#[derive(Debug)]
pub(super) struct Listener {
    addr: SocketAddr,
    stop: watch::Sender<()>,
    /// The one task that accepts; it ends with the listener, and all connections with it.
    accepting: JoinSet<()>,
}

impl Listener {
    /// Accepts connections and serves each as it is told.
    pub(super) fn start<F>(
        listener: TcpListener,
        serve: impl Fn(TcpStream, Stopped) -> F + Send + 'static,
    ) -> io::Result<Self>
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let addr = listener.local_addr()?;
        let (stop, stopped) = watch::channel(());
        let mut accepting = JoinSet::new();
        accepting.spawn(accept(listener, serve, stopped));
        Ok(Self {
            addr,
            stop,
            accepting,
        })
    }

    pub(super) fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Accepts nothing more, lets requests finish for half a second, and ends.
    pub(super) async fn shutdown(mut self) {
        self.stop.send_replace(());
        // It only fails if it panicked, and then it has ended.
        let _ended = self.accepting.join_next().await;
    }
}

impl Drop for Listener {
    /// Ends the port and its connections at once.
    fn drop(&mut self) {
        self.accepting.abort_all();
    }
}

async fn accept<F>(
    listener: TcpListener,
    serve: impl Fn(TcpStream, Stopped) -> F,
    mut stopped: Stopped,
) where
    F: Future<Output = ()> + Send + 'static,
{
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            _ = stopped.changed() => break,
            Some(_) = connections.join_next() => {}
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    connections.spawn(serve(stream, stopped.clone()));
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

/// Speaks HTTP on a connection until either side ends it.
pub(super) async fn speak<S>(stream: &mut TcpStream, service: S, mut stopped: Stopped)
where
    S: HttpService<Incoming>,
    S::Error: Into<Box<dyn Error + Send + Sync>>,
    S::ResBody: Body + 'static,
    <S::ResBody as Body>::Error: Into<Box<dyn Error + Send + Sync>>,
{
    // Answers are small and waited for; if it fails, they are only slower.
    let _slower = stream.set_nodelay(true);
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
