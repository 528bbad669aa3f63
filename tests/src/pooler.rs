//! A transaction pooler in front of Postgres: it lends a server's processes out, a transaction each.

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;
use tokio::task::{JoinHandle, JoinSet};

/// More than any message of a test; a length that is none must not be allocated.
const MESSAGE_BYTES_MAX: usize = 1 << 20;

/// A listener whose clients share connections, the one that became free last first.
///
/// Named statements are not carried along, as with the poolers of old.
#[derive(Debug)]
pub struct Pooler {
    addr: SocketAddr,
    accepting: JoinHandle<()>,
}

/// The connections to the server that nobody uses.
#[derive(Debug, Default)]
struct Idle {
    servers: Mutex<Vec<TcpStream>>,
    returned: Notify,
}

/// A message of the protocol: its type, and what follows.
struct Message {
    kind: u8,
    body: Vec<u8>,
}

impl Pooler {
    /// Listens on loopback in front of a server.
    pub async fn before(server: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0")
            .await
            .expect("loopback has a free port");
        let addr = listener.local_addr().expect("it is bound");
        let idle = Arc::<Idle>::default();
        let accepting = tokio::spawn(async move {
            let mut serving = JoinSet::new();
            while let Ok((client, _)) = listener.accept().await {
                serving.spawn(serve(client, server, Arc::clone(&idle)));
            }
        });
        Self { addr, accepting }
    }

    /// Returns the address it listens on.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }
}

impl Drop for Pooler {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

impl Idle {
    async fn take(&self) -> TcpStream {
        loop {
            let returned = self.returned.notified();
            if let Some(server) = self.lock().pop() {
                return server;
            }
            returned.await;
        }
    }

    fn put_back(&self, server: TcpStream) {
        self.lock().push(server);
        self.returned.notify_one();
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<TcpStream>> {
        self.servers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Lets a client log in at the server, and then work on whichever connection is free.
async fn serve(mut client: TcpStream, server: SocketAddr, idle: Arc<Idle>) -> io::Result<()> {
    let mut server = TcpStream::connect(server).await?;
    log_in(&mut client, &mut server).await?;
    idle.put_back(server);
    let mut held = None;
    loop {
        let message = Message::read(&mut client).await?;
        if message.kind == b'X' {
            return Ok(());
        }
        let mut server = match held.take() {
            Some(server) => server,
            None => idle.take().await,
        };
        message.write(&mut server).await?;
        // A query and a sync are answered; what comes before them only when they come.
        let is_answered = matches!(message.kind, b'Q' | b'S');
        match is_answered && relay_until_ready(&mut server, &mut client).await? == b'I' {
            true => idle.put_back(server),
            false => held = Some(server),
        }
    }
}

async fn log_in(client: &mut TcpStream, server: &mut TcpStream) -> io::Result<()> {
    let body = read_body(client).await?;
    write_body(server, &body).await?;
    loop {
        let message = Message::read(server).await?;
        message.write(client).await?;
        match (message.kind, message.body.get(..4)) {
            (b'Z', _) => return Ok(()),
            (b'E', _) => return Err(io::ErrorKind::PermissionDenied.into()),
            // Cleartext, MD5, and the two steps of SASL ask for an answer.
            (b'R', Some([0, 0, 0, 3 | 5 | 10 | 11])) => {
                Message::read(client).await?.write(server).await?;
            }
            _ => {}
        }
    }
}

/// Returns the state of the transaction after it.
async fn relay_until_ready(server: &mut TcpStream, client: &mut TcpStream) -> io::Result<u8> {
    loop {
        let message = Message::read(server).await?;
        message.write(client).await?;
        if message.kind == b'Z' {
            return Ok(message.body.first().copied().unwrap_or_default());
        }
    }
}

impl Message {
    async fn read(stream: &mut TcpStream) -> io::Result<Self> {
        let kind = stream.read_u8().await?;
        let body = read_body(stream).await?;
        Ok(Self { kind, body })
    }

    async fn write(&self, stream: &mut TcpStream) -> io::Result<()> {
        stream.write_u8(self.kind).await?;
        write_body(stream, &self.body).await
    }
}

/// Reads a length, which counts itself, and what it counts.
async fn read_body(stream: &mut TcpStream) -> io::Result<Vec<u8>> {
    let length = usize::try_from(stream.read_u32().await?).unwrap_or(usize::MAX);
    let length = length
        .checked_sub(4)
        .filter(|length| *length <= MESSAGE_BYTES_MAX);
    let mut body = vec![0; length.ok_or(io::ErrorKind::InvalidData)?];
    stream.read_exact(&mut body).await?;
    Ok(body)
}

async fn write_body(stream: &mut TcpStream, body: &[u8]) -> io::Result<()> {
    let length = u32::try_from(body.len() + 4).map_err(|_| io::ErrorKind::InvalidData)?;
    stream.write_u32(length).await?;
    stream.write_all(body).await
}
