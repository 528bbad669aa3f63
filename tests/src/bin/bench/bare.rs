//! The yardstick: an SDK loop as short as can be, with batched deletes and nothing else.

use std::io::{Read as _, Write as _};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use aws_sdk_sqs::config::{BehaviorVersion, Credentials, Region};
use aws_sdk_sqs::types::DeleteMessageBatchRequestEntry;
use tokio::task::JoinSet;

use crate::server::Server;
use crate::{Outcome, meter, noop};

/// Loops that receive and delete side by side.
const POLLERS: usize = 8;

/// Measures the CPU a message of the loop, in microseconds.
pub(crate) async fn measure() -> Outcome<f64> {
    let server = Server::start()?;
    server.fill(noop::MESSAGES).await?;
    let mut child = Command::new(std::env::current_exe()?)
        .args(["bare", &server.queue_url(), &noop::MESSAGES.to_string()])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()?;
    let mut done = [0];
    child
        .stdout
        .as_mut()
        .ok_or("stdout was piped")?
        .read_exact(&mut done)?;
    let cpu = meter::cpu_micros(child.id())?;
    drop(child.stdin.take());
    child.wait()?;
    Ok(cpu / noop::MESSAGES_F)
}

/// Receives and deletes so many messages, says so, and waits to be measured.
#[tokio::main]
pub(crate) async fn run(url: &str, messages: &str) -> Outcome<()> {
    let wanted: usize = messages.parse()?;
    let endpoint = url.split("/000000000000").next().unwrap_or(url);
    let config = aws_sdk_sqs::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::from_static("us-east-1"))
        .credentials_provider(Credentials::from_keys("test", "test", None))
        .http_client(aws_smithy_http_client::Builder::new().build_http())
        .endpoint_url(endpoint)
        .build();
    let client = aws_sdk_sqs::Client::from_conf(config);
    let done = Arc::new(AtomicUsize::new(0));
    let mut pollers = JoinSet::new();
    for _ in 0..POLLERS {
        let (client, url, done) = (client.clone(), url.to_owned(), Arc::clone(&done));
        pollers.spawn(async move {
            while done.load(Ordering::Relaxed) < wanted {
                let call = client
                    .receive_message()
                    .queue_url(&url)
                    .max_number_of_messages(10);
                let messages = call.send().await?.messages.unwrap_or_default();
                if messages.is_empty() {
                    continue;
                }
                let mut delete = client.delete_message_batch().queue_url(&url);
                for (index, message) in messages.iter().enumerate() {
                    let entry = DeleteMessageBatchRequestEntry::builder()
                        .id(index.to_string())
                        .receipt_handle(message.receipt_handle.as_deref().unwrap_or_default());
                    delete = delete.entries(entry.build()?);
                }
                delete.send().await?;
                done.fetch_add(messages.len(), Ordering::Relaxed);
            }
            Outcome::Ok(())
        });
    }
    while let Some(ended) = pollers.join_next().await {
        ended??;
    }
    std::io::stdout().write_all(b".")?;
    std::io::stdout().flush()?;
    std::io::stdin().read_to_end(&mut Vec::new())?;
    Ok(())
}
