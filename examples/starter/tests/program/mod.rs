//! The program under test, run as people run it.

use std::io::{BufRead, BufReader, Lines, Write as _};
use std::process::{Child, ChildStderr, Command, ExitStatus, Stdio};

const BINARY: &str = env!("CARGO_BIN_EXE_parcels");

/// What the program is given of this test's environment.
const KEPT: [&str; 3] = ["PATH", "TMPDIR", "FLEET_PG_BIN"];

/// `parcels dev` on a database, until it is ended or dropped.
pub(crate) struct Program {
    child: Child,
    log: Lines<BufReader<ChildStderr>>,
    queue: String,
}

impl Program {
    /// Starts it and waits until it has printed its addresses.
    pub(crate) fn start(database_url: &str) -> Self {
        let mut child = command(&["dev"])
            .env("DATABASE_URL", database_url)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the program was built for this test");
        let addresses = BufReader::new(child.stdout.take().expect("stdout is piped")).lines();
        let log = BufReader::new(child.stderr.take().expect("stderr is piped")).lines();
        let queue = addresses
            .map_while(Result::ok)
            .find_map(|line| Some(line.strip_prefix("queue of tracking")?.trim().to_owned()))
            .expect("the program prints where its queue is");
        Self { child, log, queue }
    }

    /// Sends one scan, as a shell would; the field `scan` is its event id.
    pub(crate) fn enqueue(&self, scan: &str) {
        let endpoint = self.queue.trim_end_matches("/000000000000/tracking");
        let arguments = [
            "enqueue",
            &self.queue,
            "--type=parcel.scanned",
            "--id-field=scan",
        ];
        let mut child = command(&arguments)
            .env("AWS_ENDPOINT_URL_SQS", endpoint)
            .env("AWS_REGION", "us-east-1")
            .env("AWS_ACCESS_KEY_ID", "test")
            .env("AWS_SECRET_ACCESS_KEY", "test")
            .stdin(Stdio::piped())
            .spawn()
            .expect("the program was built for this test");
        let mut stdin = child.stdin.take().expect("stdin is piped");
        stdin
            .write_all(scan.as_bytes())
            .expect("the program reads its stdin");
        drop(stdin);
        assert!(child.wait().expect("a child ends once").success());
    }

    /// Waits for the next message to end and returns how.
    pub(crate) fn next_outcome(&mut self) -> String {
        let outcome = |line: String| {
            let line: serde_json::Value = serde_json::from_str(&line).ok()?;
            Some(line.get("outcome")?.as_str()?.to_owned())
        };
        let mut lines = self.log.by_ref().map_while(Result::ok);
        lines
            .find_map(outcome)
            .expect("every message has a line in the log")
    }

    /// Ends it in order, as Ctrl-C does.
    pub(crate) fn end(mut self) -> ExitStatus {
        let pid = self.child.id().to_string();
        let killed = Command::new("kill").args(["-INT", &pid]).status();
        assert!(killed.expect("`kill` is everywhere").success());
        self.log.by_ref().for_each(drop);
        self.child.wait().expect("a child ends once")
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // It is gone already, unless the test failed.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The program in an environment that names no database, queue or account of anybody's.
fn command(arguments: &[&str]) -> Command {
    let mut command = Command::new(BINARY);
    command.args(arguments).env_clear();
    for name in KEPT {
        if let Some(value) = std::env::var_os(name) {
            command.env(name, value);
        }
    }
    command
}
