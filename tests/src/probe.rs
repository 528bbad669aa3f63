//! The probes of a process, asked over HTTP.

use std::net::SocketAddr;
use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::patience::until;
use crate::process::Process;
use crate::sockets::listening_ports;

/// How long one answer may take.
const ANSWER_LIMIT: Duration = Duration::from_secs(10);

/// The admin address of a process.
#[derive(Clone, Copy, Debug)]
pub struct Probe {
    addr: SocketAddr,
}

/// What a probe answered.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// The body as it came.
    pub body: String,
}

impl Probe {
    /// Reads from its log where a process answers; the port is a free one.
    pub async fn of(process: &mut Process) -> Self {
        let addr = process
            .find_in_stderr(|line| {
                let line: Value = serde_json::from_str(line).ok()?;
                line.get("admin.addr")?.as_str()?.parse().ok()
            })
            .await;
        Self { addr }
    }

    /// Finds where a process answers whose log nobody reads.
    pub async fn of_silent(process: &Process) -> Self {
        until("it listens", || async {
            let port = *listening_ports(process.id()).first()?;
            let addr = SocketAddr::from(([127, 0, 0, 1], port));
            Some(Self { addr })
        })
        .await
    }

    /// Asks whoever is at an address that is known.
    pub fn at(addr: SocketAddr) -> Self {
        Self { addr }
    }

    /// Returns its address.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Asks for a path such as `/readyz`; `None` when nobody answers.
    pub async fn get(&self, path: &str) -> Option<Answer> {
        let asked = async {
            let mut stream = TcpStream::connect(self.addr).await?;
            let request = format!(
                "GET {path} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n",
                self.addr
            );
            stream.write_all(request.as_bytes()).await?;
            let mut answer = Vec::new();
            stream.read_to_end(&mut answer).await?;
            Ok::<_, std::io::Error>(String::from_utf8_lossy(&answer).into_owned())
        };
        let answer = timeout(ANSWER_LIMIT, asked).await.ok()?.ok()?;
        let (head, body) = answer.split_once("\r\n\r\n")?;
        let status = head.split(' ').nth(1)?.parse().ok()?;
        Some(Answer {
            status,
            body: body.to_owned(),
        })
    }

    /// Waits until it is ready.
    pub async fn until_ready(&self) {
        until("/readyz answers 200", || async {
            let answer = self.get("/readyz").await?;
            (answer.status == 200).then_some(())
        })
        .await;
    }

    /// Waits until it says of itself that it is not ready, and why.
    pub async fn until_not_ready(&self, why: &str) -> Answer {
        until(&format!("/readyz answers 503 with {why:?}"), || async {
            let answer = self.get("/readyz").await?;
            (answer.status == 503 && answer.body.contains(why)).then_some(answer)
        })
        .await
    }

    /// Checks that its loops turn.
    pub async fn assert_live(&self) {
        let answer = self.get("/livez").await.expect("/livez is answered");
        assert_eq!(answer.status, 200, "{}", answer.body);
    }
}
