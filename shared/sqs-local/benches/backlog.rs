//! What a message costs the server, received and deleted in tens over HTTP, by backlog.
//!
//! Runs the binary as a process of its own and reads how long it was on a CPU (Linux only), so
//! the client's share is not in the figure.
#![forbid(unsafe_code)]
#![allow(clippy::print_stdout, reason = "figures are what a benchmark is for")]

use std::fmt::Write as _;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};

const BACKLOGS: [usize; 3] = [1_000, 20_000, 200_000];
/// The figure is the median of so many rounds.
const ROUNDS: usize = 600;
/// Messages of a round.
const ROUND: usize = 500;
const BODY_BYTES: usize = 220;

fn main() {
    let mut stands: Vec<Stand> = BACKLOGS.into_iter().map(Stand::new).collect();
    // In turns, so that a noisy neighbour disturbs all of them alike.
    for _ in 0..ROUNDS {
        for stand in &mut stands {
            stand.round();
        }
    }
    for mut stand in stands {
        stand.nanos.sort_unstable();
        let median = stand.nanos[stand.nanos.len() / 2] / u64::try_from(ROUND).unwrap_or(1);
        let (micros, rest) = (median / 1_000, median % 1_000 / 10);
        println!(
            "backlog {:>7}: {micros}.{rest:02} µs of CPU a message",
            stand.backlog
        );
    }
}

/// A server with a backlog, and what its rounds cost.
struct Stand {
    backlog: usize,
    server: Server,
    client: Client,
    nanos: Vec<u64>,
}

impl Stand {
    fn new(backlog: usize) -> Self {
        let server = Server::start();
        let mut client = Client::connect(&server.addr);
        client.send(backlog);
        Self {
            backlog,
            server,
            client,
            nanos: Vec::new(),
        }
    }

    /// Takes messages out, which is measured, and puts as many back.
    fn round(&mut self) {
        let before = self.server.cpu_nanos();
        self.client.receive_and_delete(ROUND);
        self.nanos.push(self.server.cpu_nanos() - before);
        self.client.send(ROUND);
    }
}

struct Server {
    process: Child,
    addr: String,
}

impl Server {
    fn start() -> Self {
        let mut process = Command::new(env!("CARGO_BIN_EXE_sqs-local"))
            .args(["--listen", "127.0.0.1:0", "--queue", "bench"])
            .stdout(Stdio::piped())
            .spawn()
            .expect("the server starts");
        let mut line = String::new();
        let stdout = process.stdout.take().expect("stdout is a pipe");
        BufReader::new(stdout)
            .read_line(&mut line)
            .expect("the server speaks");
        let addr = line
            .trim()
            .trim_start_matches("listening on http://")
            .to_owned();
        Self { process, addr }
    }

    fn cpu_nanos(&self) -> u64 {
        let path = format!("/proc/{}/schedstat", self.process.id());
        let text = std::fs::read_to_string(path).expect("Linux tells");
        text.split(' ')
            .next()
            .and_then(|nanos| nanos.parse().ok())
            .expect("a number of ns")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.process.kill().expect("the server runs");
        self.process.wait().expect("the server ended");
    }
}

struct Client {
    stream: BufReader<TcpStream>,
    addr: String,
    body: String,
}

impl Client {
    fn connect(addr: &str) -> Self {
        let stream = TcpStream::connect(addr).expect("the server listens");
        stream.set_nodelay(true).expect("a TCP stream");
        Self {
            stream: BufReader::new(stream),
            addr: addr.to_owned(),
            body: "b".repeat(BODY_BYTES),
        }
    }

    fn send(&mut self, messages: usize) {
        for _ in 0..messages / 10 {
            let mut entries = String::new();
            for id in 0..10 {
                let comma = if id > 0 { "," } else { "" };
                let body = &self.body;
                write!(entries, r#"{comma}{{"Id":"{id}","MessageBody":"{body}"}}"#)
                    .expect("memory");
            }
            self.call("SendMessageBatch", &format!(r#","Entries":[{entries}]"#));
        }
    }

    fn receive_and_delete(&mut self, messages: usize) {
        for _ in 0..messages / 10 {
            let wanted = r#","MaxNumberOfMessages":10,"MessageSystemAttributeNames":["All"]"#;
            let answer = self.call("ReceiveMessage", wanted);
            let mut entries = String::new();
            for (id, rest) in answer.split(r#""ReceiptHandle":""#).skip(1).enumerate() {
                let handle = rest.split('"').next().expect("a string ends");
                let comma = if id > 0 { "," } else { "" };
                write!(
                    entries,
                    r#"{comma}{{"Id":"{id}","ReceiptHandle":"{handle}"}}"#
                )
                .expect("memory");
            }
            let answer = self.call("DeleteMessageBatch", &format!(r#","Entries":[{entries}]"#));
            assert_eq!(answer.matches(r#""Id""#).count(), 10, "{answer}");
        }
    }

    fn call(&mut self, operation: &str, fields: &str) -> String {
        let addr = &self.addr;
        let body = format!(r#"{{"QueueUrl":"http://{addr}/000000000000/bench"{fields}}}"#);
        let request = format!(
            "POST / HTTP/1.1\r\nhost: {addr}\r\nx-amz-target: AmazonSQS.{operation}\r\n\
             authorization: AWS4-HMAC-SHA256 Credential=AKIDBENCH/20260101/us-east-1/sqs/\
             aws4_request, SignedHeaders=host, Signature=0\r\n\
             content-type: application/x-amz-json-1.0\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        );
        self.stream
            .get_mut()
            .write_all(request.as_bytes())
            .expect("the server reads");
        let mut length = 0;
        loop {
            let mut line = String::new();
            self.stream
                .read_line(&mut line)
                .expect("the server answers");
            if line == "\r\n" {
                break;
            }
            if let Some(value) = line.strip_prefix("content-length: ") {
                length = value.trim().parse().expect("a length");
            }
        }
        let mut answer = vec![0; length];
        self.stream
            .read_exact(&mut answer)
            .expect("the whole answer");
        String::from_utf8(answer).expect("JSON is text")
    }
}
