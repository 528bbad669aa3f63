//! An address in front of another one, which can be out of service in two ways.

use std::net::SocketAddr;

use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};

/// A listener that hangs up on everybody while it is closed, which it is at first.
#[derive(Debug)]
pub struct Gate {
    addr: SocketAddr,
    state: watch::Sender<State>,
    visitors: watch::Sender<usize>,
    accepting: JoinHandle<()>,
}

/// What becomes of who comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// It hangs up, also on those it had let through.
    Closed,
    /// It lets through.
    Open,
    /// It neither reads nor writes nor hangs up, not even on those it had let through.
    Stuck,
}

impl Gate {
    /// Listens on loopback in front of `target`, closed.
    pub async fn closed(target: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0")
            .await
            .expect("loopback has a free port");
        let addr = listener.local_addr().expect("it is bound");
        let state = watch::Sender::new(State::Closed);
        let visitors = watch::Sender::new(0);
        let (current, count) = (state.subscribe(), visitors.clone());
        let accepting = tokio::spawn(async move {
            let mut passages = JoinSet::new();
            while let Ok((near, _)) = listener.accept().await {
                count.send_modify(|count| *count += 1);
                passages.spawn(pass(near, target, current.clone()));
            }
        });
        Self {
            addr,
            state,
            visitors,
            accepting,
        }
    }

    /// Listens and hangs up on everybody for ever.
    pub async fn trap() -> Self {
        Self::closed(SocketAddr::from(([127, 0, 0, 1], 1))).await
    }

    /// Lets everybody through who comes from now on.
    pub fn open(&self) {
        self.state.send_replace(State::Open);
    }

    /// Hangs up on everybody who is there or comes, as a server that was stopped does.
    pub fn close(&self) {
        self.state.send_replace(State::Closed);
    }

    /// Leaves everybody hanging who is there or comes, as a broken network does.
    ///
    /// Who hangs goes on hanging when it is opened again.
    pub fn stick(&self) {
        self.state.send_replace(State::Stuck);
    }

    /// Returns the address it listens on.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Counts who has come so far.
    pub fn visitors(&self) -> usize {
        *self.visitors.borrow()
    }
}

async fn pass(mut near: TcpStream, target: SocketAddr, mut state: watch::Receiver<State>) {
    if *state.borrow() == State::Closed {
        return;
    }
    let through = async {
        if let Ok(mut far) = TcpStream::connect(target).await {
            // How a connection ends is between its two ends.
            let _ = copy_bidirectional(&mut near, &mut far).await;
        }
    };
    let changed = tokio::select! {
        biased;
        Ok(state) = state.wait_for(|state| *state != State::Open) => *state,
        () = through => return,
    };
    if changed == State::Stuck {
        // Held open until the gate is dropped.
        std::future::pending().await
    }
}

impl Drop for Gate {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}
