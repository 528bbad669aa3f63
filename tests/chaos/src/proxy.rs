//! A way to Postgres on which answers of commits are lost.

use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinHandle, JoinSet};

use crate::wire::{COMMITTED, Frontend, TERMINATE};

/// Bytes that are carried at once: more than a transaction of the ledger says.
const BUFFER_BYTES: usize = 16 * 1024;

/// A listener in front of Postgres; who is connected is cut off when it is dropped.
#[derive(Debug)]
pub(crate) struct Proxy {
    addr: SocketAddr,
    fate: Arc<Fate>,
    accepting: JoinHandle<()>,
}

/// What becomes of commits.
#[derive(Debug)]
struct Fate {
    dice: Mutex<Dice>,
    lost: AtomicU64,
}

#[derive(Debug)]
struct Dice {
    rate: f64,
    random: StdRng,
}

impl Proxy {
    /// Listens on loopback in front of a server.
    ///
    /// # Errors
    ///
    /// Loopback has no free port.
    pub(crate) async fn before(server: SocketAddr) -> io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let addr = listener.local_addr()?;
        let fate = Arc::new(Fate {
            dice: Mutex::new(Dice::of(0.0, 0)),
            lost: AtomicU64::new(0),
        });
        let accepting = tokio::spawn(accept(listener, server, Arc::clone(&fate)));
        Ok(Self {
            addr,
            fate,
            accepting,
        })
    }

    /// Returns the address it listens on.
    pub(crate) fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Loses the answers of this share of the commits from now on, by dice of this seed.
    pub(crate) fn lose_commits(&self, rate: f64, seed: u64) {
        *self.fate.dice() = Dice::of(rate, seed);
    }

    /// Returns how many commits were made whose answer was lost.
    pub(crate) fn lost_commits(&self) -> u64 {
        self.fate.lost.load(Ordering::Relaxed)
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

impl Dice {
    fn of(rate: f64, seed: u64) -> Self {
        Self {
            rate,
            random: StdRng::seed_from_u64(seed),
        }
    }
}

impl Fate {
    fn dice(&self) -> MutexGuard<'_, Dice> {
        self.dice.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Throws the dice for a commit.
    fn loses(&self) -> bool {
        let Dice { rate, random } = &mut *self.dice();
        // Without the dice: most runs lose nothing most of the time.
        *rate > 0.0 && random.random_bool(rate.clamp(0.0, 1.0))
    }
}

async fn accept(listener: TcpListener, server: SocketAddr, fate: Arc<Fate>) {
    let mut passages = JoinSet::new();
    loop {
        tokio::select! {
            biased;
            Some(_ended) = passages.join_next(), if !passages.is_empty() => {}
            Ok((client, _)) = listener.accept() => {
                passages.spawn(pass(client, server, Arc::clone(&fate)));
            }
        }
    }
}

/// Carries a connection to its end. How it ends is between its two ends, but for a lost commit.
async fn pass(client: TcpStream, server: SocketAddr, fate: Arc<Fate>) -> io::Result<()> {
    // Without a server the client is hung up on.
    let server = TcpStream::connect(server).await?;
    client.set_nodelay(true)?;
    server.set_nodelay(true)?;
    let (mut from_client, mut to_client) = client.into_split();
    let (mut from_server, mut to_server) = server.into_split();
    let loses = tokio::select! {
        asked = ask(&mut from_client, &mut to_server, &fate) => asked?,
        answered = answer(&mut from_server, &mut to_client) => return answered,
    };
    if loses && is_committed(&mut from_server).await? {
        fate.lost.fetch_add(1, Ordering::Relaxed);
    }
    // Only now the client learns that there will be no answer.
    Ok(())
}

/// Carries what a client asks, until it hangs up, or up to a commit whose answer is to be lost.
async fn ask(
    client: &mut OwnedReadHalf,
    server: &mut OwnedWriteHalf,
    fate: &Fate,
) -> io::Result<bool> {
    let mut frontend = Frontend::default();
    let mut buffer = vec![0; BUFFER_BYTES];
    loop {
        let count = client.read(&mut buffer).await?;
        if count == 0 {
            return Ok(false);
        }
        let mut heard = 0;
        while let Some(end) = frontend.hear(&buffer[heard..count]) {
            heard += end;
            if fate.loses() {
                server.write_all(&buffer[..heard]).await?;
                server.write_all(&TERMINATE).await?;
                return Ok(true);
            }
        }
        server.write_all(&buffer[..count]).await?;
    }
}

/// Carries what a server answers, until it hangs up.
async fn answer(server: &mut OwnedReadHalf, client: &mut OwnedWriteHalf) -> io::Result<()> {
    let mut buffer = vec![0; BUFFER_BYTES];
    loop {
        let count = server.read(&mut buffer).await?;
        if count == 0 {
            return Ok(());
        }
        client.write_all(&buffer[..count]).await?;
    }
}

/// Hears the server out, which was told that this is the end, and tells whether it committed.
async fn is_committed(server: &mut OwnedReadHalf) -> io::Result<bool> {
    let mut last = Vec::new();
    server.read_to_end(&mut last).await?;
    Ok(last
        .windows(COMMITTED.len())
        .any(|window| window == COMMITTED))
}

#[cfg(test)]
mod tests {
    use super::*;

    const COMMIT: &[u8] = b"Q\0\0\0\x0bcommit\0";
    const START: &[u8] = b"\0\0\0\x09\0\x03\0\0\0";

    /// Makes a proxy and both ends of a connection through it.
    async fn connected() -> (Proxy, TcpStream, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let addr = listener.local_addr().expect("it is bound");
        let proxy = Proxy::before(addr).await.expect("a port");
        let client = TcpStream::connect(proxy.addr()).await.expect("it listens");
        let (server, _) = listener.accept().await.expect("the proxy comes");
        (proxy, client, server)
    }

    async fn heard(stream: &mut TcpStream, expected: &[u8]) {
        let mut heard = vec![0; expected.len()];
        stream.read_exact(&mut heard).await.expect("it is carried");
        assert_eq!(heard, expected);
    }

    #[tokio::test]
    async fn a_client_hears_of_the_end_only_when_the_server_has_answered() {
        let (proxy, mut client, mut server) = connected().await;
        proxy.lose_commits(1.0, 1);
        let said = [START, COMMIT].concat();
        client.write_all(&said).await.expect("it is open");
        heard(&mut server, &[&said[..], &TERMINATE].concat()).await;
        // Nothing can have ended the connection yet.
        assert!(client.try_read(&mut [0; 8]).is_err());
        server.write_all(COMMITTED).await.expect("it is open");
        drop(server);
        assert_eq!(client.read(&mut [0; 8]).await.unwrap_or(0), 0);
        assert_eq!(proxy.lost_commits(), 1);
    }

    #[tokio::test]
    async fn a_commit_that_the_server_refused_is_not_counted() {
        let (proxy, mut client, mut server) = connected().await;
        proxy.lose_commits(1.0, 1);
        client.write_all(START).await.expect("it is open");
        client.write_all(COMMIT).await.expect("it is open");
        heard(&mut server, &[START, COMMIT, &TERMINATE].concat()).await;
        server
            .write_all(b"C\0\0\0\x0dROLLBACK\0")
            .await
            .expect("it is open");
        drop(server);
        assert_eq!(client.read(&mut [0; 8]).await.unwrap_or(0), 0);
        assert_eq!(proxy.lost_commits(), 0);
    }

    #[tokio::test]
    async fn all_else_is_carried_as_it_came() {
        let (proxy, mut client, mut server) = connected().await;
        let large = vec![7; 5 * BUFFER_BYTES];
        let said = [START, COMMIT, b"d\0\x01\x40\x04", &large].concat();
        let (written, ()) = tokio::join!(client.write_all(&said), heard(&mut server, &said));
        written.expect("it is open");
        server.write_all(COMMITTED).await.expect("it is open");
        heard(&mut client, COMMITTED).await;
        drop(client);
        assert_eq!(server.read(&mut [0; 8]).await.unwrap_or(0), 0);
        assert_eq!(proxy.lost_commits(), 0);
    }
}
