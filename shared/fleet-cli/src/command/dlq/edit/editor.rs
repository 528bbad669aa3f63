use std::fs::{self, OpenOptions};
use std::io::{self, IsTerminal as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, anyhow};
use fleet::message::BODY_BYTES_MAX;
use fleet::service::config::Env;
use tokio::process::Command;
use uuid::Uuid;

use crate::exit::Exit;

/// Who alone may read what is edited: it may hold personal data.
const OWNER_ONLY: u32 = 0o600;

/// The most bytes that are read back: laid out, JSON may take several times its size.
const TEXT_BYTES_MAX: u64 = 8 * BODY_BYTES_MAX as u64;

/// The editor that somebody has chosen.
#[derive(Debug)]
pub(super) struct Editor {
    command: String,
}

/// A file that is gone when this is dropped.
struct Sheet(PathBuf);

impl Editor {
    /// Finds it.
    ///
    /// # Errors
    ///
    /// Refused: there is none, or no terminal to show it.
    pub(super) fn find(env: &dyn Env) -> Result<Self, Exit> {
        let chosen = ["VISUAL", "EDITOR"]
            .into_iter()
            .find_map(|name| env.get(name).filter(|command| !command.trim().is_empty()));
        let command = chosen.ok_or_else(|| {
            Exit::refused(
                "neither VISUAL nor EDITOR names an editor; say --set PATH=VALUE or --body FILE",
            )
        })?;
        if !io::stdin().is_terminal() || !io::stdout().is_terminal() {
            return Err(Exit::refused(
                "there is no terminal for an editor; say --set PATH=VALUE or --body FILE",
            ));
        }
        Ok(Self { command })
    }

    /// Lets somebody edit a text, and returns what came of it.
    ///
    /// # Errors
    ///
    /// The editor fails, or leaves what is no text.
    pub(super) async fn edit(&self, text: &str, suffix: &str) -> Result<String, Exit> {
        let sheet = Sheet::new(text, suffix).context("cannot write a file for the editor")?;
        // As git does: the variable may hold arguments.
        let status = Command::new("sh")
            .arg("-c")
            .arg(format!("{} \"$@\"", self.command))
            .arg(&self.command)
            .arg(sheet.path())
            .status()
            .await
            .context("the editor cannot be started")?;
        if !status.success() {
            return Err(anyhow!("the editor ended with {status}; nothing was done").into());
        }
        Ok(sheet.read()?)
    }
}

impl Sheet {
    fn new(text: &str, suffix: &str) -> io::Result<Self> {
        let name = format!("fleet-edit-{}{suffix}", Uuid::new_v4());
        let path = std::env::temp_dir().join(name);
        let mut file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(OWNER_ONLY)
            .open(&path)?;
        let sheet = Self(path);
        file.write_all(text.as_bytes())?;
        Ok(sheet)
    }

    fn path(&self) -> &Path {
        &self.0
    }

    fn read(&self) -> anyhow::Result<String> {
        // The editor may have put another file in its place.
        let bytes = fs::metadata(&self.0)
            .context("the edited file is gone")?
            .len();
        if bytes > TEXT_BYTES_MAX {
            return Err(anyhow!(
                "the edited text has {bytes} bytes, which no message holds"
            ));
        }
        fs::read_to_string(&self.0).context("the edited text cannot be read")
    }
}

impl Drop for Sheet {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}
