use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use fleet_tests::patience::until;
use serde_json::json;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};

/// An SQS in front of another one, which refuses some operations and repeats the request in the
/// refusal, headers and body, as AWS does with what it cannot accept.
#[derive(Debug)]
pub(super) struct Parrot {
    addr: SocketAddr,
    refusing: watch::Sender<BTreeMap<&'static str, Refusal>>,
    refused: watch::Sender<Vec<String>>,
    serving: JoinHandle<()>,
}

/// How an operation is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    /// With this status and code, and the request in the message.
    Quoting(u16, &'static str),
    /// With the request as it came, and a status of success.
    Echo,
}

/// One request.
#[derive(Debug)]
pub(super) struct Request {
    pub(super) head: String,
    pub(super) body: Vec<u8>,
}

impl Parrot {
    /// Listens on loopback in front of `target`, and lets everything through.
    pub(super) async fn before(target: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0")
            .await
            .expect("loopback has a free port");
        let addr = listener.local_addr().expect("it is bound");
        let refusing = watch::Sender::default();
        let refused = watch::Sender::default();
        let way = Arc::new(Way {
            target,
            refusing: refusing.subscribe(),
            refused: refused.clone(),
        });
        let serving = tokio::spawn(async move {
            let mut visits = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                let way = Arc::clone(&way);
                visits.spawn(async move { way.serve(stream).await });
            }
        });
        Self {
            addr,
            refusing,
            refused,
            serving,
        }
    }

    /// Returns where it is.
    pub(super) fn url(&self) -> String {
        format!("http://{}", self.addr)
    }

    /// Refuses these operations from now on, and no others.
    pub(super) fn refuse(&self, operations: &[(&'static str, Refusal)]) {
        self.refusing
            .send_replace(operations.iter().copied().collect());
    }

    /// Waits until an operation was refused since it was said to be.
    pub(super) async fn until_refused(&self, operation: &str) {
        until(&format!("{operation} is refused"), || async {
            let refused = self.refused.borrow();
            refused.iter().any(|one| one == operation).then_some(())
        })
        .await;
    }
}

impl Drop for Parrot {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

/// What becomes of requests.
#[derive(Debug)]
struct Way {
    target: SocketAddr,
    refusing: watch::Receiver<BTreeMap<&'static str, Refusal>>,
    refused: watch::Sender<Vec<String>>,
}

impl Way {
    async fn serve(&self, near: TcpStream) -> io::Result<()> {
        let mut near = BufReader::new(near);
        while let Some(request) = Request::read(&mut near).await? {
            let operation = request.operation().to_owned();
            let refusal = self.refusing.borrow().get(operation.as_str()).copied();
            let answer = match refusal {
                None => self.ask(&request).await?,
                Some(refusal) => refusal.answer(&request),
            };
            near.write_all(&answer).await?;
            if refusal.is_some() {
                self.refused.send_modify(|refused| refused.push(operation));
            }
        }
        Ok(())
    }

    /// Hands a request on and brings the answer back.
    async fn ask(&self, request: &Request) -> io::Result<Vec<u8>> {
        let mut far = BufReader::new(TcpStream::connect(self.target).await?);
        far.write_all(request.head.as_bytes()).await?;
        far.write_all(&request.body).await?;
        let answer = Request::read(&mut far).await?;
        let answer = answer.ok_or(io::ErrorKind::UnexpectedEof)?;
        Ok([answer.head.into_bytes(), answer.body].concat())
    }
}

impl Refusal {
    fn answer(self, request: &Request) -> Vec<u8> {
        let repeated = format!("{}{}", request.head, String::from_utf8_lossy(&request.body));
        let (status, body) = match self {
            Self::Echo => (200, repeated),
            Self::Quoting(status, code) => {
                let message = format!("The request was: {repeated}");
                let refusal = json!({ "__type": code, "message": message });
                (status, refusal.to_string())
            }
        };
        let length = body.len();
        let head = format!(
            "HTTP/1.1 {status} Refused\r\nContent-Type: application/x-amz-json-1.0\r\n\
             x-amzn-requestid: 7\r\nContent-Length: {length}\r\n\r\n"
        );
        [head, body].concat().into_bytes()
    }
}

impl Request {
    /// Reads a request or an answer; `None` when there is no more.
    pub(super) async fn read(stream: &mut BufReader<TcpStream>) -> io::Result<Option<Self>> {
        let mut head = String::new();
        loop {
            let length = stream.read_line(&mut head).await?;
            if length == 0 {
                return Ok(None);
            }
            if head.ends_with("\r\n\r\n") {
                break;
            }
        }
        let length = header(&head, "content-length").and_then(|text| text.parse().ok());
        let mut body = vec![0; length.unwrap_or(0)];
        stream.read_exact(&mut body).await?;
        Ok(Some(Self { head, body }))
    }

    fn operation(&self) -> &str {
        let target = header(&self.head, "x-amz-target").unwrap_or_default();
        target.strip_prefix("AmazonSQS.").unwrap_or(target)
    }
}

fn header<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    head.lines().find_map(|line| {
        let (key, value) = line.split_once(':')?;
        key.eq_ignore_ascii_case(name).then_some(value.trim())
    })
}
