//! The shell that looks after Postgres, seen from the process it works for.

use std::io::{self, BufRead, BufReader, Write};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use super::ClusterError;
use super::account::{self, Account};
use super::programs::Programs;

const SCRIPT: &str = include_str!("supervise.sh");

/// How long one command may take: above the 30 s that the script gives a
/// starting postmaster, so that a slow start is reported with its log.
const ANSWER_LIMIT: Duration = Duration::from_secs(45);

/// How long the end may take: Postgres kills its own children after 5 s.
const END_LIMIT: Duration = Duration::from_secs(10);

/// A child that stops Postgres and removes its directory once `commands` closes.
#[derive(Debug)]
pub(super) struct Supervisor {
    child: Child,
    commands: Option<ChildStdin>,
    /// Behind a lock only so that a cluster can be shared by threads.
    answers: Mutex<Receiver<String>>,
    directory: PathBuf,
    account: Option<Account>,
}

impl Supervisor {
    /// Starts the shell as `account`; it makes the directory, which only that
    /// user can enter.
    pub(super) fn spawn(
        account: Option<&Account>,
        settings: &[&str],
    ) -> Result<Self, ClusterError> {
        let action = match account {
            Some(account) => format!("start a shell as user {}", account.name),
            None => "start a shell".to_owned(),
        };
        let mut child = account::command("/bin/sh", account)
            .args(["-c", SCRIPT, "supervise"])
            .arg(std::env::temp_dir())
            .args(settings.iter().flat_map(|setting| ["-c", *setting]))
            // Ctrl-C in the terminal goes to a whole process group. It is for
            // this process, which wants its database until it has ended well.
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .map_err(ClusterError::machine(action))?;

        let commands = child.stdin.take();
        let answers = Mutex::new(read_lines(child.stdout.take()));
        let mut supervisor = Self {
            child,
            commands,
            answers,
            directory: PathBuf::new(),
            account: account.cloned(),
        };
        supervisor.directory = supervisor
            .line("mktemp", Instant::now() + ANSWER_LIMIT)?
            .into();
        Ok(supervisor)
    }

    /// Tells the shell which programs to use, copying them to where its user
    /// can execute them if they lie in somebody's private home.
    pub(super) fn adopt(&mut self, programs: &Programs) -> Result<(), ClusterError> {
        let copied;
        let programs = match programs.private_tree() {
            Some(tree) => {
                let target = self.directory.join("tools");
                self.copy(tree, &target)?;
                copied = programs.moved_to(&target);
                &copied
            }
            None => programs,
        };
        self.ask("programs", &programs.bin().display().to_string())?;
        self.ask("libraries", &programs.libraries())
    }

    /// Sends one command and waits for the answer to it.
    pub(super) fn ask(&mut self, verb: &'static str, argument: &str) -> Result<(), ClusterError> {
        let commands = self
            .commands
            .as_mut()
            .ok_or(ClusterError::Ended { step: verb })?;
        writeln!(commands, "{verb} {argument}")
            .map_err(|_closed| ClusterError::Ended { step: verb })?;
        let deadline = Instant::now() + ANSWER_LIMIT;
        let mut log = Vec::new();
        loop {
            let line = self.line(verb, deadline)?;
            match line.as_str() {
                "done" => return Ok(()),
                "failed" => {
                    return Err(ClusterError::Failed {
                        step: verb,
                        log: log.join("\n"),
                    });
                }
                other => log.push(format!("  {}", other.trim_start_matches("log "))),
            }
        }
    }

    /// The directory of the cluster, closed to all but its user.
    pub(super) fn directory(&self) -> &Path {
        &self.directory
    }

    /// Kills the shell alone, as the machine does when its memory runs out.
    #[cfg(test)]
    pub(super) fn kill(&self) {
        let kill = [
            "-c",
            "kill -KILL \"$1\"",
            "kill",
            &self.child.id().to_string(),
        ];
        assert!(
            Command::new("/bin/sh")
                .args(kill)
                .status()
                .is_ok_and(|status| status.success())
        );
    }

    fn line(&mut self, step: &'static str, deadline: Instant) -> Result<String, ClusterError> {
        let left = deadline.saturating_duration_since(Instant::now());
        let answers = self
            .answers
            .get_mut()
            .unwrap_or_else(PoisonError::into_inner);
        answers.recv_timeout(left).map_err(|error| match error {
            RecvTimeoutError::Timeout => ClusterError::TimedOut {
                step,
                limit: ANSWER_LIMIT,
            },
            RecvTimeoutError::Disconnected => ClusterError::Ended { step },
        })
    }

    /// Copies a tree by a pair of `tar`s. The writing one runs as the user of
    /// the cluster, so that root never writes where another user could have
    /// laid a symbolic link.
    fn copy(&self, from: &Path, to: &Path) -> Result<(), ClusterError> {
        let action = || format!("copy {} to {}", from.display(), to.display());
        let mut reader = account::command("tar", None)
            .arg("-C")
            .arg(from)
            .args(["-cf", "-", "."])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .map_err(ClusterError::machine(action()))?;
        let pipe = reader.stdout.take().map_or_else(Stdio::null, Stdio::from);
        let written = account::command("/bin/sh", self.account.as_ref())
            .args(["-c", "mkdir \"$1\" && exec tar -C \"$1\" -xf -", "copy"])
            .arg(to)
            .stdin(pipe)
            .stdout(Stdio::null())
            .output()
            .map_err(ClusterError::machine(action()))?;
        let read = reader.wait().map_err(ClusterError::machine(action()))?;
        if read.success() && written.status.success() {
            Ok(())
        } else {
            let said = String::from_utf8_lossy(&written.stderr).trim().to_owned();
            Err(ClusterError::machine(action())(io::Error::other(said)))
        }
    }
}

impl Drop for Supervisor {
    fn drop(&mut self) {
        drop(self.commands.take());
        let deadline = Instant::now() + END_LIMIT;
        let closed = loop {
            match self.line("stop", deadline) {
                Ok(_late_answer) => {}
                Err(ClusterError::TimedOut { .. }) => break false,
                Err(_ended) => break true,
            }
        };
        // Its stdout is closed, so it is at its end and this does not block.
        if closed && self.child.wait().is_ok_and(|status| status.success()) {
            return;
        }
        // It hangs or was killed itself: end its group, Postgres included.
        let _ = Command::new("/bin/sh")
            .args([
                "-c",
                "kill -KILL -- \"-$1\"",
                "kill",
                &self.child.id().to_string(),
            ])
            .stderr(Stdio::null())
            .status();
        let _ = self.child.wait();
        let _ = std::fs::remove_dir_all(&self.directory);
    }
}

/// Hands over each line as it comes; the channel closes when the shell ends.
fn read_lines(source: Option<impl io::Read + Send + 'static>) -> Receiver<String> {
    let (sender, receiver) = mpsc::channel();
    if let Some(source) = source {
        thread::spawn(move || {
            for line in BufReader::new(source).lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    break;
                }
            }
        });
    }
    receiver
}
