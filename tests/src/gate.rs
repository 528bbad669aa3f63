//! An address in front of another one, which can be out of service in several ways.

use std::net::SocketAddr;

use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};

/// Connections that may wait to be accepted, as of any listener of tokio.
const BACKLOG: u32 = 1024;

/// A listener that hangs up on everybody while it is closed, which it is at first.
#[derive(Debug)]
pub struct Gate {
    addr: SocketAddr,
    way: watch::Sender<Way>,
    visitors: watch::Sender<usize>,
    accepting: JoinHandle<()>,
}

/// What becomes of who comes, and of who was let through before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// It lets through.
    Open,
    /// It hangs up, also on those it had let through.
    HangsUp,
    /// It refuses who comes, and hangs up on those it had let through.
    Refuses,
    /// It neither reads nor writes nor hangs up, until it does something else.
    Silent,
    /// As [`Way::Silent`], but who hangs goes on hanging when it is opened again.
    Stuck,
}

impl Gate {
    /// Listens on loopback in front of `target`, closed.
    pub async fn closed(target: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0")
            .await
            .expect("loopback has a free port");
        let addr = listener.local_addr().expect("it is bound");
        let way = watch::Sender::new(Way::HangsUp);
        let visitors = watch::Sender::new(0);
        let accepting = accept(listener, target, way.subscribe(), visitors.clone());
        Self {
            addr,
            way,
            visitors,
            accepting: tokio::spawn(accepting),
        }
    }

    /// Listens and hangs up on everybody for ever.
    pub async fn trap() -> Self {
        Self::closed(SocketAddr::from(([127, 0, 0, 1], 1))).await
    }

    /// Lets everybody through who comes from now on.
    pub fn open(&self) {
        self.turn(Way::Open);
    }

    /// Hangs up on everybody who is there or comes, as a server that was stopped does.
    pub fn close(&self) {
        self.turn(Way::HangsUp);
    }

    /// Treats everybody in another way from now on.
    pub fn turn(&self, way: Way) {
        self.way.send_replace(way);
    }

    /// Returns the address it listens on.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Counts who has come so far; who is refused is not seen.
    pub fn visitors(&self) -> usize {
        *self.visitors.borrow()
    }
}

impl Drop for Gate {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn accept(
    mut listener: TcpListener,
    target: SocketAddr,
    mut way: watch::Receiver<Way>,
    visitors: watch::Sender<usize>,
) {
    let addr = listener.local_addr().expect("it is bound");
    let mut passages = JoinSet::new();
    loop {
        tokio::select! {
            biased;
            _ = turned(&mut way, |way| way == Way::Refuses) => {
                drop(listener);
                let closed = reserve(addr);
                turned(&mut way, |way| way != Way::Refuses).await;
                listener = closed.listen(BACKLOG).expect("the port is ours");
            }
            Ok((near, _)) = listener.accept() => {
                visitors.send_modify(|count| *count += 1);
                passages.spawn(pass(near, target, way.clone()));
            }
        }
    }
}

/// Keeps an address from everybody else without listening on it, so that it refuses.
fn reserve(addr: SocketAddr) -> TcpSocket {
    let socket = TcpSocket::new_v4().expect("there are sockets left");
    // Connections of the listener before may still be there.
    socket.set_reuseaddr(true).expect("it is a TCP socket");
    socket.bind(addr).expect("the port was ours a moment ago");
    socket
}

async fn pass(mut near: TcpStream, target: SocketAddr, mut way: watch::Receiver<Way>) {
    let mut far = None;
    if *way.borrow() == Way::Open {
        let through = async {
            if let Ok(reached) = TcpStream::connect(target).await {
                // How a connection ends is between its two ends.
                let _ = copy_bidirectional(&mut near, far.insert(reached)).await;
            }
        };
        tokio::select! {
            biased;
            _ = turned(&mut way, |way| way != Way::Open) => {}
            () = through => return,
        }
    }
    // Both ends are held for as long as this takes.
    if turned(&mut way, |way| way != Way::Silent).await == Way::Stuck {
        std::future::pending().await
    }
}

/// Waits until it is one of these ways, and returns which.
async fn turned(way: &mut watch::Receiver<Way>, is_one: impl Fn(Way) -> bool) -> Way {
    let turned = way.wait_for(|way| is_one(*way)).await.map(|way| *way);
    match turned {
        Ok(way) => way,
        // The gate is gone, and whoever waits here ends with it.
        Err(_) => std::future::pending().await,
    }
}
