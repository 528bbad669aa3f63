//! A program that runs: what it says, and how it ends.

use std::fmt;
use std::os::unix::process::ExitStatusExt as _;
use std::process::{ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::io::{AsyncBufReadExt as _, AsyncRead, AsyncWriteExt as _, BufReader, empty};
use tokio::process::{Child, Command};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use crate::patience::PATIENCE;

/// A running program; it is killed when this is dropped.
#[derive(Debug)]
pub struct Process {
    child: Child,
    stdout: Spoken,
    stderr: Spoken,
}

/// How a program ended, and what it had said.
#[derive(Debug)]
pub struct Ended {
    status: ExitStatus,
    /// What it wrote as data.
    pub stdout: String,
    /// What it wrote for people, and its log.
    pub stderr: String,
}

/// The signals that a test sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signal {
    /// Ctrl-C.
    Interrupt,
    /// What an orchestrator sends first.
    Terminate,
    /// What nothing can catch.
    Kill,
    /// What makes it stand still, which nothing can catch either.
    Stop,
    /// What makes it go on.
    Continue,
}

/// The lines of one stream, as they come.
#[derive(Debug)]
struct Spoken {
    lines: Arc<Mutex<Vec<String>>>,
    count: watch::Receiver<usize>,
    reading: JoinHandle<()>,
}

impl Process {
    /// Starts a program with nothing on its stdin.
    pub fn start(mut command: Command) -> Self {
        command.stdin(Stdio::null());
        Self::spawn(command)
    }

    /// Starts a program and writes its whole stdin.
    pub async fn start_with_input(mut command: Command, input: &[u8]) -> Self {
        command.stdin(Stdio::piped());
        let mut process = Self::spawn(command);
        let mut stdin = process.child.stdin.take().expect("stdin is piped");
        // A program may refuse before it has read everything.
        let _ = stdin.write_all(input).await;
        process
    }

    /// Starts a program whose stdin stays open for as long as the returned handle lives.
    pub fn start_with_open_input(mut command: Command) -> (Self, tokio::process::ChildStdin) {
        command.stdin(Stdio::piped());
        let mut process = Self::spawn(command);
        let stdin = process.child.stdin.take().expect("stdin is piped");
        (process, stdin)
    }

    /// Starts a program whose output goes elsewhere; nothing of it is heard here.
    pub fn start_unheard(mut command: Command, stdout: Stdio, stderr: Stdio) -> Self {
        command
            .stdin(Stdio::null())
            .stdout(stdout)
            .stderr(stderr)
            .kill_on_drop(true);
        Self {
            child: command.spawn().expect("the program was built"),
            stdout: Spoken::listen(empty()),
            stderr: Spoken::listen(empty()),
        }
    }

    /// Starts a program whose data goes elsewhere; what it says for people is heard.
    pub fn start_with_output(mut command: Command, stdout: Stdio) -> Self {
        command
            .stdin(Stdio::null())
            .stdout(stdout)
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        let mut child = command.spawn().expect("the program was built");
        let stderr = child.stderr.take().expect("stderr is piped");
        Self {
            child,
            stdout: Spoken::listen(empty()),
            stderr: Spoken::listen(stderr),
        }
    }

    fn spawn(mut command: Command) -> Self {
        command
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        let mut child = command.spawn().expect("the program was built");
        let stdout = child.stdout.take().expect("stdout is piped");
        let stderr = child.stderr.take().expect("stderr is piped");
        Self {
            child,
            stdout: Spoken::listen(stdout),
            stderr: Spoken::listen(stderr),
        }
    }

    /// Returns its process id.
    pub fn id(&self) -> u32 {
        self.child.id().expect("it was not waited for yet")
    }

    /// Waits for a line on stdout in which `find` finds something.
    ///
    /// # Panics
    ///
    /// There is none within the patience of a test, or the program ended without one.
    pub async fn find_in_stdout<T>(&mut self, find: impl Fn(&str) -> Option<T>) -> T {
        match timeout(PATIENCE, self.stdout.find(find)).await {
            Ok(Some(found)) => found,
            _ => panic!("no such line on stdout; {self}"),
        }
    }

    /// Waits for a line on stderr in which `find` finds something.
    ///
    /// # Panics
    ///
    /// As [`Process::find_in_stdout`].
    pub async fn find_in_stderr<T>(&mut self, find: impl Fn(&str) -> Option<T>) -> T {
        match timeout(PATIENCE, self.stderr.find(find)).await {
            Ok(Some(found)) => found,
            _ => panic!("no such line on stderr; {self}"),
        }
    }

    /// Waits for a line on stderr that contains a text.
    ///
    /// # Panics
    ///
    /// As [`Process::find_in_stdout`].
    pub async fn says(&mut self, text: &str) {
        self.find_in_stderr(|line| line.contains(text).then_some(()))
            .await;
    }

    /// Sends a signal.
    pub fn signal(&self, signal: Signal) {
        signal.send(self.id());
    }

    /// Waits for its end.
    ///
    /// # Panics
    ///
    /// It does not end within the patience of a test.
    pub async fn ended(mut self) -> Ended {
        let Ok(status) = timeout(PATIENCE, self.child.wait()).await else {
            panic!("it does not end; {self}");
        };
        let status = status.expect("a child can be waited for");
        // A child of its own may still hold the pipes; what it has said so far is enough.
        let _ = timeout(PATIENCE, &mut self.stdout.reading).await;
        let _ = timeout(PATIENCE, &mut self.stderr.reading).await;
        Ended {
            status,
            stdout: self.stdout.text(),
            stderr: self.stderr.text(),
        }
    }
}

impl fmt::Display for Process {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (stdout, stderr) = (self.stdout.text(), self.stderr.text());
        write!(f, "stdout:\n{stdout}\nstderr:\n{stderr}")
    }
}

impl Ended {
    /// Checks the exit code and returns what was said.
    ///
    /// # Panics
    ///
    /// It ended otherwise.
    #[track_caller]
    pub fn with_code(self, code: i32) -> Self {
        assert_eq!(
            self.status.code(),
            Some(code),
            "{}; stdout:\n{}\nstderr:\n{}",
            self.status,
            self.stdout,
            self.stderr
        );
        self
    }

    /// Returns the exit code, if it ended by itself.
    pub fn code(&self) -> Option<i32> {
        self.status.code()
    }

    /// Returns the signal that ended it, if one did.
    pub fn killed_by(&self) -> Option<i32> {
        self.status.signal()
    }

    /// Reads its stdout as JSON.
    ///
    /// # Panics
    ///
    /// It is none.
    #[track_caller]
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.stdout)
            .unwrap_or_else(|error| panic!("{error} in:\n{}", self.stdout))
    }
}

impl Signal {
    /// Sends it to a process that runs.
    pub(crate) fn send(self, id: u32) {
        let sent = std::process::Command::new("kill")
            .args([self.flag(), &id.to_string()])
            .status();
        assert!(sent.expect("`kill` is everywhere").success());
    }

    fn flag(self) -> &'static str {
        match self {
            Self::Interrupt => "-INT",
            Self::Terminate => "-TERM",
            Self::Kill => "-KILL",
            Self::Stop => "-STOP",
            Self::Continue => "-CONT",
        }
    }
}

impl Spoken {
    fn listen(stream: impl AsyncRead + Unpin + Send + 'static) -> Self {
        let lines = Arc::new(Mutex::new(Vec::new()));
        let (counted, count) = watch::channel(0);
        let heard = Arc::clone(&lines);
        let reading = tokio::spawn(async move {
            let mut stream = BufReader::new(stream);
            let mut line = Vec::new();
            while stream.read_until(b'\n', &mut line).await.unwrap_or(0) > 0 {
                let text = String::from_utf8_lossy(&line);
                let mut lines = heard.lock().unwrap_or_else(PoisonError::into_inner);
                lines.push(text.trim_end_matches('\n').to_owned());
                counted.send_replace(lines.len());
                line.clear();
            }
        });
        Self {
            lines,
            count,
            reading,
        }
    }

    /// Returns `None` when the stream ends first.
    async fn find<T>(&mut self, find: impl Fn(&str) -> Option<T>) -> Option<T> {
        let mut seen = 0;
        loop {
            {
                let lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
                if let Some(found) = lines[seen..].iter().find_map(|line| find(line)) {
                    return Some(found);
                }
                seen = lines.len();
            }
            self.count.wait_for(|count| *count > seen).await.ok()?;
        }
    }

    fn text(&self) -> String {
        let lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        lines.join("\n")
    }
}
