//! What keeps the processes of a run from outliving it.

use std::io;
use std::process::Stdio;

use tokio::process::{Child, ChildStdin, Command};

/// Waits until nobody holds the other end of its stdin, and kills its whole process group: who is
/// stopped dies as well.
const WATCH: &str = "trap '' HUP INT TERM; read -r _; kill -KILL 0";

/// A process group that ends with this value, and with this process, however it ends.
#[derive(Debug)]
pub struct Leash {
    group: i32,
    watch: Child,
    _held: ChildStdin,
}

impl Leash {
    /// Makes a group in which nobody is but its watch.
    ///
    /// # Errors
    ///
    /// There is no shell.
    pub fn new() -> io::Result<Self> {
        let mut watch = Command::new("sh")
            .args(["-c", WATCH])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .process_group(0)
            .spawn()?;
        let group = watch.id().and_then(|id| i32::try_from(id).ok());
        Ok(Self {
            group: group.ok_or_else(|| io::Error::other("the watch ended at once"))?,
            _held: watch.stdin.take().expect("stdin is piped"),
            watch,
        })
    }

    /// Returns the group, for [`Command::process_group`].
    pub fn group(&self) -> i32 {
        self.group
    }

    /// Ends everybody who is left, and waits for the watch, the last of them.
    pub async fn release(self) {
        let Self {
            mut watch, _held, ..
        } = self;
        drop(_held);
        let _killed = watch.wait().await;
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::process::ExitStatusExt as _;

    use super::*;
    use crate::signal::Signal;

    #[tokio::test]
    async fn who_is_stopped_does_not_outlive_the_leash() {
        let leash = Leash::new().expect("there is a shell");
        let mut child = Command::new("sleep")
            .arg("600")
            .process_group(leash.group())
            .spawn()
            .expect("there is `sleep`");
        let id = child.id().expect("it runs");
        Signal::Stop.send(id).await;
        leash.release().await;
        let status = child.wait().await.expect("it is ours");
        assert_eq!(status.signal(), Some(9));
    }
}
