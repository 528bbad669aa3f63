//! A program whose handler does what its message says, to be put through outages and shutdowns.
#![forbid(unsafe_code)]

use std::io::{Error, ErrorKind};
use std::process::ExitCode;
use std::time::Duration;

use fleet::{Consumer, Context, Done, Envelope, Event, Handler, HandlerError};
use fleet_cli::App;
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};

/// How long the post office may take; a healthy one takes milliseconds.
const POST_TIMEOUT: Duration = Duration::from_secs(1);

const INSERT: &str = "insert into effects (event, receives) values ($1, $2)";

#[derive(Debug, Serialize, Deserialize)]
struct Job {
    /// How long it takes.
    work_ms: u64,
    /// Whether it ends the process then.
    #[serde(default)]
    kills: bool,
}

impl Event for Job {
    const TYPE: &'static str = "job";
}

/// Works, posts a letter if there is a post office, and writes its effect.
///
/// The table of effects takes everything twice, so that a double effect would show.
struct Work {
    /// `POST_OFFICE_ADDR`.
    post_office: Option<String>,
}

impl Handler for Work {
    type Event = Job;

    async fn handle(&self, job: Envelope<Job>, cx: &mut Context<'_>) -> Result<Done, HandlerError> {
        sleep(Duration::from_millis(job.data.work_ms)).await;
        if job.data.kills {
            std::process::abort();
        }
        if let Some(addr) = &self.post_office {
            post(addr)
                .await
                .map_err(|error| HandlerError::unavailable("mail").caused_by(error))?;
        }
        let receives = i64::from(job.receive_count);
        let tx = cx.begin().await?;
        tx.execute(INSERT, &[&job.key.id, &receives]).await?;
        Ok(tx.finish())
    }
}

fn main() -> ExitCode {
    let work = Work {
        post_office: std::env::var("POST_OFFICE_ADDR").ok(),
    };
    App::new("sturdy", env!("CARGO_PKG_VERSION"))
        .consumer(Consumer::new("billing").handler(work))
        .main()
}

/// Posts a letter, and waits until it is taken.
async fn post(addr: &str) -> Result<(), Error> {
    let exchange = async {
        let mut stream = TcpStream::connect(addr).await?;
        let request = format!("POST / HTTP/1.1\r\nHost: {addr}\r\nContent-Length: 0\r\n\r\n");
        stream.write_all(request.as_bytes()).await?;
        let mut answer = [0; 12];
        stream.read_exact(&mut answer).await?;
        match answer.ends_with(b"200") {
            true => Ok(()),
            false => Err(Error::other("the letter was not taken")),
        }
    };
    let late = || Err(Error::from(ErrorKind::TimedOut));
    timeout(POST_TIMEOUT, exchange)
        .await
        .unwrap_or_else(|_| late())
}
