use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::io::{AsyncWriteExt as _, BufReader};
use tokio::net::TcpListener;
use tokio::task::{JoinHandle, JoinSet};

use super::parrot::Request;

const TAKEN: &[u8] =
    b"HTTP/1.1 200 OK\r\nContent-Type: application/x-protobuf\r\nContent-Length: 0\r\n\r\n";

/// Takes traces for as long as this lives, and keeps their bytes.
#[derive(Debug)]
pub(super) struct Collector {
    addr: SocketAddr,
    taken: Arc<Mutex<Vec<u8>>>,
    serving: JoinHandle<()>,
}

impl Collector {
    /// Listens on loopback.
    pub(super) async fn open() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0")
            .await
            .expect("loopback has a free port");
        let addr = listener.local_addr().expect("it is bound");
        let taken = Arc::new(Mutex::new(Vec::new()));
        let keep = Arc::clone(&taken);
        let serving = tokio::spawn(async move {
            let mut visits = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                let keep = Arc::clone(&keep);
                visits.spawn(async move {
                    let mut stream = BufReader::new(stream);
                    while let Ok(Some(request)) = Request::read(&mut stream).await {
                        // Its head holds the header that only the receiver may see.
                        lock(&keep).extend(request.body);
                        if stream.write_all(TAKEN).await.is_err() {
                            return;
                        }
                    }
                });
            }
        });
        Self {
            addr,
            taken,
            serving,
        }
    }

    /// Returns where traces go.
    pub(super) fn url(&self) -> String {
        format!("http://{}", self.addr)
    }

    /// Returns everything that was taken so far.
    pub(super) fn taken(&self) -> Vec<u8> {
        lock(&self.taken).clone()
    }
}

fn lock(taken: &Mutex<Vec<u8>>) -> MutexGuard<'_, Vec<u8>> {
    taken.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Drop for Collector {
    fn drop(&mut self) {
        self.serving.abort();
    }
}
