use std::io::{BufRead as _, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use fleet::message::{EventKey, NewEvent, Outgoing};
use fleet::queue::{ClientOptions, Queue as _, Sqs, SqsQueue};
use futures_util::future::try_join_all;
use jiff::Timestamp;

use crate::Outcome;

/// Sends under way at once while a queue is filled.
const SENDS: usize = 16;

/// An sqs-local process, killed when it is dropped.
pub(crate) struct Server {
    child: Child,
    url: String,
}

impl Server {
    /// Starts the binary that was built beside this one.
    pub(crate) fn start() -> Outcome<Self> {
        let mut child = Command::new(sibling("sqs-local")?)
            .args(["--listen", "127.0.0.1:0", "--queue", "noop"])
            .stdout(Stdio::piped())
            .spawn()?;
        let stdout = child.stdout.take().ok_or("stdout was piped")?;
        let mut line = String::new();
        BufReader::new(stdout).read_line(&mut line)?;
        let url = line
            .trim()
            .strip_prefix("listening on ")
            .ok_or("sqs-local did not start")?;
        Ok(Self {
            url: url.to_owned(),
            child,
        })
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn endpoint(&self) -> &str {
        &self.url
    }

    pub(crate) fn queue_url(&self) -> String {
        format!("{}/000000000000/noop", self.url)
    }

    pub(crate) fn queue(&self) -> SqsQueue {
        Sqs::local(&self.url).queue(&self.queue_url(), ClientOptions::calling())
    }

    /// Puts messages of about 220 bytes into the queue.
    pub(crate) async fn fill(&self, messages: usize) -> Outcome<()> {
        let queue = self.queue();
        let batch: Vec<Outgoing> = (0..10).map(message).collect();
        let (queue, batch) = (&queue, &batch);
        let senders = (0..SENDS).map(|sender| async move {
            for _ in (sender..messages / 10).step_by(SENDS) {
                for entry in queue.send(batch).await? {
                    entry?;
                }
            }
            Outcome::Ok(())
        });
        try_join_all(senders).await?;
        Ok(())
    }

    /// Waits until nothing is left in the queue.
    pub(crate) async fn until_empty(&self) -> Outcome<()> {
        let queue = self.queue();
        loop {
            let counts = queue.attributes().await?;
            if counts.visible + counts.in_flight == 0 {
                return Ok(());
            }
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended; there is nobody to tell.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn message(number: usize) -> Outgoing {
    let event = NewEvent {
        key: EventKey::new("/bench", format!("event-{number}")),
        event_type: "noop".to_owned(),
        time: Timestamp::now(),
        data: r#"{"note":"about two hundred and twenty bytes in all"}"#.to_owned(),
        ordering_key: None,
        trace: None,
    };
    event.to_message()
}

/// Returns the path of a binary that was built beside this one.
pub(crate) fn sibling(name: &str) -> Outcome<PathBuf> {
    let path = std::env::current_exe()?.with_file_name(name);
    match path.exists() {
        true => Ok(path),
        false => Err(format!("{} is missing: `make bench` builds it", path.display()).into()),
    }
}

/// Returns the size of a binary in millions of bytes, if it was built.
pub(crate) fn binary_megabytes(name: &str) -> Outcome<Option<f64>> {
    let Ok(path) = sibling(name) else {
        return Ok(None);
    };
    #[expect(clippy::cast_precision_loss, reason = "a size for people")]
    Ok(Some(std::fs::metadata(path)?.len() as f64 / 1e6))
}
