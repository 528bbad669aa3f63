//! The command: what it prints, what it starts with, how it ends.
#![forbid(unsafe_code)]
#![allow(
    clippy::unwrap_used,
    reason = "a test may unwrap: its panic is its report"
)]

use std::io::{BufRead, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, ChildStdout, Command, Output, Stdio};

fn command(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sqs-local"));
    command
        .args(arguments)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

fn run(arguments: &[&str]) -> Output {
    command(arguments).output().unwrap()
}

/// A server that runs.
struct Running {
    process: Child,
    addr: String,
    /// The rest of its output.
    output: BufReader<ChildStdout>,
}

impl Running {
    fn start(arguments: &[&str]) -> Self {
        let listen: Vec<&str> = ["--listen", "127.0.0.1:0"]
            .iter()
            .chain(arguments)
            .copied()
            .collect();
        let mut process = command(&listen).spawn().unwrap();
        let mut output = BufReader::new(process.stdout.take().unwrap());
        let addr = address(&mut output, "listening on http://");
        Self {
            process,
            addr,
            output,
        }
    }

    /// Asks for all attributes of a queue.
    fn attributes(&self, queue: &str) -> String {
        let addr = &self.addr;
        let body = format!(
            r#"{{"QueueUrl":"http://{addr}/000000000000/{queue}","AttributeNames":["All"]}}"#
        );
        let headers = "x-amz-target: AmazonSQS.GetQueueAttributes\r\n\
                       content-type: application/x-amz-json-1.0\r\n";
        request(addr, "POST /", headers, &body)
    }
}

/// Reads the next line of output, which names an address.
fn address(output: &mut impl BufRead, prefix: &str) -> String {
    let mut line = String::new();
    output.read_line(&mut line).unwrap();
    let addr = line.strip_prefix(prefix).unwrap();
    addr.trim_end().to_owned()
}

/// Sends a request on a connection of its own and returns the whole answer.
fn request(addr: &str, line: &str, headers: &str, body: &str) -> String {
    let mut stream = TcpStream::connect(addr).unwrap();
    write!(
        stream,
        "{line} HTTP/1.1\r\nhost: {addr}\r\nconnection: close\r\n{headers}\
         content-length: {}\r\n\r\n{body}",
        body.len()
    )
    .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ended = self.process.kill();
        let _status = self.process.wait();
    }
}

#[test]
fn it_starts_with_queues_that_have_dead_letter_queues() {
    let running = Running::start(&["--queue", "orders", "--queue", "events.fifo"]);
    for (queue, expected) in [
        ("orders", r#""VisibilityTimeout":"60""#),
        ("orders", r#":orders-dlq\",\"maxReceiveCount\":100}"#),
        ("orders-dlq", r#""MessageRetentionPeriod":"1209600""#),
        (
            "events.fifo",
            r#":events-dlq.fifo\",\"maxReceiveCount\":100}"#,
        ),
        ("events-dlq.fifo", r#""FifoQueue":"true""#),
    ] {
        let answer = running.attributes(queue);
        assert!(
            answer.starts_with("HTTP/1.1 200 ") && answer.contains(expected),
            "{answer}"
        );
    }
}

#[test]
fn it_starts_with_faults_and_tells_what_became_of_them_on_the_control_port() {
    let spec = "error ops=GetQueueAttributes count=1";
    let mut running = Running::start(&[
        "--queue",
        "orders",
        "--faults",
        spec,
        "--control",
        "127.0.0.1:0",
        "--history",
    ]);
    let control = address(&mut running.output, "control on http://");
    for status in ["HTTP/1.1 500 ", "HTTP/1.1 200 "] {
        let answer = running.attributes("orders");
        assert!(answer.starts_with(status), "{answer}");
    }
    let faults = request(&control, "GET /faults", "", "");
    assert!(faults.ends_with(&format!("{spec}\n")), "{faults}");
    let put = request(&control, "PUT /faults", "", "lost ops=GetQueueAttributes");
    assert!(put.starts_with("HTTP/1.1 204 "), "{put}");
    assert_eq!(running.attributes("orders"), "");
    let history = request(&control, "GET /history", "", "");
    for told in [
        r#""result":"InternalFailure","fault":"error""#,
        r#""result":"ok","fault":null"#,
        r#""result":"ok","fault":"lost""#,
    ] {
        assert_eq!(history.matches(told).count(), 1, "{told}: {history}");
    }
}

#[test]
fn a_history_of_counts_has_no_calls() {
    for (history, has_calls) in [
        (&["--history"][..], true),
        (&["--history", "calls"], true),
        (&["--history", "counts"], false),
    ] {
        let control = ["--queue", "orders", "--control", "127.0.0.1:0"];
        let mut running = Running::start(&[&control, history].concat());
        let control = address(&mut running.output, "control on http://");
        running.attributes("orders");
        let counts = request(&control, "GET /counts", "", "");
        assert!(counts.contains(r#""calls":1,"entries":{}"#), "{counts}");
        let calls = request(&control, "GET /history", "", "");
        let has_some = calls.contains(r#""seq":1"#);
        assert_eq!(has_some, has_calls, "{history:?}: {calls}");
    }
}

#[cfg(unix)]
#[test]
fn signals_end_it_in_good_order() {
    for signal in ["-TERM", "-INT"] {
        let mut running = Running::start(&[]);
        let id = running.process.id().to_string();
        assert!(
            Command::new("kill")
                .args([signal, &id])
                .status()
                .unwrap()
                .success()
        );
        assert_eq!(running.process.wait().unwrap().code(), Some(0), "{signal}");
    }
}

#[test]
fn permissions_are_read_from_a_file() {
    let file = std::env::temp_dir().join(format!("permissions-{}.json", std::process::id()));
    std::fs::write(&file, r#"{"AKID":[]}"#).unwrap();
    let running = Running::start(&["--queue", "orders", "--permissions", file.to_str().unwrap()]);
    std::fs::remove_file(file).unwrap();
    let answer = running.attributes("orders");
    assert!(answer.contains("MissingAuthenticationToken"), "{answer}");
}

#[test]
fn a_taken_port_is_an_error_that_names_it() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = taken.local_addr().unwrap().to_string();
    let output = run(&["--listen", &addr]);
    assert_eq!(output.status.code(), Some(1));
    let error = String::from_utf8(output.stderr).unwrap();
    assert!(
        error.contains(&format!("cannot listen on {addr}")),
        "{error}"
    );
    assert!(output.stdout.is_empty());
}

#[test]
fn bad_usage_ends_with_2_and_says_what_is_wrong() {
    for (arguments, said) in [
        (&["--queue", "a b"][..], "alphanumeric"),
        (&["--latency", "soon"], "10ms"),
        (&["--faults", "hang form=10s"], "unknown argument form"),
        (
            &["--permissions", "/nowhere/permissions.json"],
            "No such file",
        ),
        (&["--permissions", "Cargo.toml"], "permissions: "),
        (&["--history", "some"], "counts"),
        (&["--unknown"], "--unknown"),
    ] {
        let output = run(arguments);
        let error = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {error}");
        assert!(error.contains(said), "{arguments:?}: {error}");
    }
}

#[test]
fn it_tells_its_version_and_its_options() {
    let output = run(&["--version"]);
    let version = format!("sqs-local {}\n", env!("CARGO_PKG_VERSION"));
    assert_eq!(String::from_utf8(output.stdout).unwrap(), version);
    let help = String::from_utf8(run(&["--help"]).stdout).unwrap();
    for option in [
        "--listen",
        "--queue",
        "--latency",
        "--faults",
        "--permissions",
        "--control",
        "--history",
        "127.0.0.1:9324",
    ] {
        assert!(help.contains(option), "{option}: {help}");
    }
}
