//! The queues under attack: sqs-local in a process of its own, which counts what it is asked.

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, anyhow, bail, ensure};
use fleet_tests::cpu::cpu_time;
use fleet_tests::process::Process;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::process::Command;
use tokio::time::timeout;

/// How long a message is invisible: twice what the shortest wait of 1 s and its margin of 5 s come to,
/// which is the least that the fleet accepts.
pub const VISIBILITY_SECS: u32 = 12;

/// How long one answer may take on a machine that has much else to do.
const ANSWER_LIMIT: Duration = Duration::from_secs(20);

/// An sqs-local that ends with this value.
#[derive(Debug)]
pub struct Sqs {
    process: Process,
    addr: SocketAddr,
    control: SocketAddr,
}

/// How many calls of one kind there were by one access key.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
pub struct Count {
    /// The access key, or `anonymous`.
    pub key: String,
    /// The operation's name in the API of SQS.
    pub operation: String,
    /// `ok`, an error code, or `abandoned`.
    pub result: String,
    /// What went wrong with them on purpose.
    pub fault: Option<String>,
    /// How many calls.
    pub calls: u64,
    /// How many messages of theirs had each outcome.
    pub entries: BTreeMap<String, u64>,
}

/// How many messages a queue has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Depth {
    /// Those that could be received.
    pub visible: u64,
    /// Those that somebody has.
    pub in_flight: u64,
    /// Those that were sent with a delay.
    pub delayed: u64,
}

impl Sqs {
    /// Starts one with these queues, each with its dead-letter queue `NAME-dlq`, in a process group;
    /// group 0 is one of its own.
    ///
    /// # Errors
    ///
    /// The program is not there, or does not answer.
    pub async fn start(queues: &[&str], group: i32) -> anyhow::Result<Self> {
        let mut command = Command::new(program()?);
        command.process_group(group);
        command.args(["--listen", "127.0.0.1:0", "--control", "127.0.0.1:0"]);
        command.args(["--history", "counts"]);
        for queue in queues {
            command.args(["--queue", queue]);
        }
        let mut process = Process::start(command);
        let addr = process
            .find_in_stdout(|line| address(line, "listening on http://"))
            .await;
        let control = process
            .find_in_stdout(|line| address(line, "control on http://"))
            .await;
        let sqs = Self {
            process,
            addr,
            control,
        };
        for queue in queues {
            let attributes = json!({ "VisibilityTimeout": VISIBILITY_SECS.to_string() });
            let fields = json!({ "QueueUrl": sqs.queue_url(queue), "Attributes": attributes });
            sqs.call("SetQueueAttributes", &fields).await?;
        }
        Ok(sqs)
    }

    /// Returns where SDKs find it.
    pub fn url(&self) -> String {
        format!("http://{}", self.addr)
    }

    /// Returns the URL of a queue.
    pub fn queue_url(&self, queue: &str) -> String {
        format!("{}/000000000000/{queue}", self.url())
    }

    /// Replaces the plan of what goes wrong from now on, in the words of sqs-local.
    ///
    /// # Errors
    ///
    /// It is no plan, or there is no answer.
    pub async fn set_faults(&self, plan: &str) -> anyhow::Result<()> {
        let request = request("PUT", "/faults", "", plan);
        exchange(self.control, &request).await.map(drop)
    }

    /// Lets everything go well from now on; what hangs goes on hanging.
    ///
    /// # Errors
    ///
    /// There is no answer.
    pub async fn clear_faults(&self) -> anyhow::Result<()> {
        let request = request("DELETE", "/faults", "", "");
        exchange(self.control, &request).await.map(drop)
    }

    /// Returns how many calls there were until now.
    ///
    /// # Errors
    ///
    /// There is no answer.
    pub async fn counts(&self) -> anyhow::Result<Vec<Count>> {
        let counts = exchange(self.control, &request("GET", "/counts", "", "")).await?;
        serde_json::from_str(&counts).context("counts that cannot be read")
    }

    /// Returns how many messages a queue has at this moment; the counts are exact.
    ///
    /// # Errors
    ///
    /// There is no such queue, a fault hit the call, or there is no answer.
    pub async fn depth(&self, queue: &str) -> anyhow::Result<Depth> {
        let fields = json!({ "QueueUrl": self.queue_url(queue), "AttributeNames": ["All"] });
        let answer = self.call("GetQueueAttributes", &fields).await?;
        let count = |state: &str| {
            let name = format!("ApproximateNumberOfMessages{state}");
            let count = answer["Attributes"][&name].as_str();
            count
                .and_then(|count| count.parse().ok())
                .ok_or_else(|| anyhow!("{queue} has no {name}"))
        };
        Ok(Depth {
            visible: count("")?,
            in_flight: count("NotVisible")?,
            delayed: count("Delayed")?,
        })
    }

    /// Returns the processor time that it has used.
    pub fn cpu_time(&self) -> Duration {
        cpu_time(self.process.id())
    }

    async fn call(&self, operation: &str, fields: &Value) -> anyhow::Result<Value> {
        let headers = format!(
            "x-amz-target: AmazonSQS.{operation}\r\ncontent-type: application/x-amz-json-1.0\r\n"
        );
        let request = request("POST", "/", &headers, &fields.to_string());
        let answer = exchange(self.addr, &request).await?;
        Ok(serde_json::from_str(&answer).unwrap_or_default())
    }
}

impl Depth {
    /// Returns how many messages there are in all.
    pub fn total(&self) -> u64 {
        self.visible + self.in_flight + self.delayed
    }
}

/// Finds the program beside this one.
fn program() -> anyhow::Result<PathBuf> {
    let this = std::env::current_exe().context("cannot find out where this program is")?;
    let directory = this.parent().context("a program is in a directory")?;
    // A test is in a directory below that of the programs.
    let directory = match directory.file_name() {
        Some(name) if name == "deps" => directory.parent().unwrap_or(Path::new("/")),
        _ => directory,
    };
    let program = directory.join("sqs-local");
    if !program.exists() {
        bail!(
            "there is no {}; build it with the same profile as this program: cargo build -p sqs-local",
            program.display()
        );
    }
    Ok(program)
}

fn address(line: &str, prefix: &str) -> Option<SocketAddr> {
    line.strip_prefix(prefix)?.trim_end().parse().ok()
}

fn request(method: &str, path: &str, headers: &str, body: &str) -> String {
    format!(
        "{method} {path} HTTP/1.1\r\nhost: 127.0.0.1\r\nconnection: close\r\n{headers}\
         content-length: {}\r\n\r\n{body}",
        body.len()
    )
}

/// Asks on a connection of its own; an answer that is no success is an error.
async fn exchange(addr: SocketAddr, request: &str) -> anyhow::Result<String> {
    let asked = async {
        let mut stream = TcpStream::connect(addr).await?;
        stream.write_all(request.as_bytes()).await?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await?;
        Ok::<_, io::Error>(answer)
    };
    let answer = timeout(ANSWER_LIMIT, asked)
        .await
        .context("sqs-local does not answer")?
        .context("sqs-local cannot be asked")?;
    let (head, body) = answer
        .split_once("\r\n\r\n")
        .context("sqs-local hung up without an answer")?;
    let status = head.split(' ').nth(1).unwrap_or_default();
    ensure!(status.starts_with('2'), "sqs-local: {status}: {body}");
    Ok(body.to_owned())
}

#[cfg(test)]
mod tests {
    use fleet_tests::programs;

    use super::*;

    async fn start() -> Sqs {
        programs::sqs_local();
        Sqs::start(&["ledger"], 0).await.expect("it was just built")
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn its_queues_are_there_and_what_is_in_them_is_counted() {
        let sqs = start().await;
        let queue_url = sqs.queue_url("ledger");
        let all = json!({ "QueueUrl": queue_url, "AttributeNames": ["All"] });
        let attributes = sqs.call("GetQueueAttributes", &all).await;
        let attributes = &attributes.expect("it answers")["Attributes"];
        assert_eq!(attributes["VisibilityTimeout"], "12");
        let redrive = attributes["RedrivePolicy"].as_str().expect("there is one");
        assert!(redrive.contains(r#""maxReceiveCount":100"#), "{redrive}");

        for body in ["a", "b"] {
            let send = json!({ "QueueUrl": queue_url, "MessageBody": body });
            sqs.call("SendMessage", &send).await.expect("it answers");
        }
        let receive = json!({ "QueueUrl": queue_url });
        sqs.call("ReceiveMessage", &receive)
            .await
            .expect("it answers");
        let depth = sqs.depth("ledger").await.expect("it is there");
        assert_eq!((depth.visible, depth.in_flight, depth.total()), (1, 1, 2));
        let depth = sqs.depth("ledger-dlq").await.expect("it is there");
        assert_eq!(depth, Depth::default());

        let counts = sqs.counts().await.expect("it answers");
        let sent = counts.iter().find(|count| count.operation == "SendMessage");
        let sent = sent.expect("messages were sent");
        assert_eq!((sent.key.as_str(), sent.calls), ("anonymous", 2));
        assert_eq!(sent.entries, BTreeMap::from([("sent".to_owned(), 2)]));
        assert!(sqs.cpu_time() < Duration::from_secs(60));
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn its_faults_are_set_and_cleared_and_a_wrong_plan_is_an_error() {
        let sqs = start().await;
        sqs.set_faults("error ops=GetQueueAttributes")
            .await
            .expect("it is a plan");
        let error = sqs.depth("ledger").await.expect_err("it fails");
        assert!(error.to_string().contains("500"), "{error}");
        let error = sqs.set_faults("error rte=1").await.expect_err("no plan");
        assert!(error.to_string().contains("rte"), "{error}");
        sqs.clear_faults().await.expect("it answers");
        sqs.depth("ledger").await.expect("all is well again");
        let counts = sqs.counts().await.expect("it answers");
        let failed = counts.iter().find(|count| count.fault.is_some());
        let failed = failed.expect("one call failed");
        assert_eq!(failed.result, "InternalFailure");
    }
}
