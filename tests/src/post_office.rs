//! A service that handlers need: it takes every letter.

use std::net::SocketAddr;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

const TAKEN: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";

/// A post office that is open for as long as this lives.
#[derive(Debug)]
pub struct PostOffice {
    addr: SocketAddr,
    serving: JoinHandle<()>,
}

impl PostOffice {
    /// Listens on loopback.
    pub async fn open() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0")
            .await
            .expect("loopback has a free port");
        let addr = listener.local_addr().expect("it is bound");
        let serving = tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                tokio::spawn(async move {
                    // A letter is one small packet; what becomes of its sender is the sender's.
                    let mut letter = [0; 1024];
                    let _ = stream.read(&mut letter).await;
                    let _ = stream.write_all(TAKEN).await;
                });
            }
        });
        Self { addr, serving }
    }

    /// Returns where it is.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }
}

impl Drop for PostOffice {
    fn drop(&mut self) {
        self.serving.abort();
    }
}
