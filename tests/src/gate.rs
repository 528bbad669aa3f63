//! An address in front of another one, which can be out of service.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// A listener that hangs up on everybody until it is opened.
#[derive(Debug)]
pub struct Gate {
    addr: SocketAddr,
    is_open: Arc<AtomicBool>,
    visitors: Arc<AtomicUsize>,
    accepting: JoinHandle<()>,
}

impl Gate {
    /// Listens on loopback in front of `target`, closed.
    pub async fn closed(target: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0")
            .await
            .expect("loopback has a free port");
        let addr = listener.local_addr().expect("it is bound");
        let is_open = Arc::new(AtomicBool::new(false));
        let visitors = Arc::new(AtomicUsize::new(0));
        let (open, count) = (Arc::clone(&is_open), Arc::clone(&visitors));
        let accepting = tokio::spawn(async move {
            while let Ok((mut near, _)) = listener.accept().await {
                count.fetch_add(1, Ordering::SeqCst);
                if !open.load(Ordering::SeqCst) {
                    continue;
                }
                tokio::spawn(async move {
                    if let Ok(mut far) = TcpStream::connect(target).await {
                        // How a connection ends is between its two ends.
                        let _ = copy_bidirectional(&mut near, &mut far).await;
                    }
                });
            }
        });
        Self {
            addr,
            is_open,
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
        self.is_open.store(true, Ordering::SeqCst);
    }

    /// Returns the address it listens on.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Counts who has come so far.
    pub fn visitors(&self) -> usize {
        self.visitors.load(Ordering::SeqCst)
    }
}

impl Drop for Gate {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}
