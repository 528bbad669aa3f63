use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use anyhow::Context as _;

use super::record::Record;
use crate::exit::Exit;

/// What a file is called for as long as something may be missing in it.
const PARTIAL: &str = ".partial";

/// Readable for its owner alone: bodies are nobody else's business.
const MODE: u32 = 0o600;

/// What `--force` says of a file that is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Existing {
    /// It is not touched.
    Kept,
    /// It is replaced.
    Replaced,
}

/// A file of exported messages, which has its name only when it is complete.
pub(super) struct Archive {
    path: PathBuf,
    partial: PathBuf,
    file: BufWriter<File>,
    existing: Existing,
    is_complete: bool,
    pub(super) count: u64,
}

impl Existing {
    /// Reads the flag `--force`.
    pub(super) fn of_flag(force: &bool) -> Self {
        match force {
            true => Self::Replaced,
            false => Self::Kept,
        }
    }
}

impl Archive {
    /// Begins a file.
    ///
    /// # Errors
    ///
    /// Refused: there is one of this name, or the rest of one. Failed: none can be made.
    pub(super) fn begin(path: &Path, existing: Existing) -> Result<Self, Exit> {
        let mut partial = OsString::from(path);
        partial.push(PARTIAL);
        let partial = PathBuf::from(partial);
        if existing == Existing::Kept {
            let there = [path, &partial].into_iter().find(|path| path.exists());
            if let Some(there) = there {
                let there = there.display().to_string();
                return Err(Exit::refused(format!(
                    "{there} is there already; name another file, or replace it with --force"
                )));
            }
        }
        let mut options = OpenOptions::new();
        options.write(true).mode(MODE);
        match existing {
            Existing::Kept => options.create_new(true),
            Existing::Replaced => options.create(true).truncate(true),
        };
        let file = options
            .open(&partial)
            .with_context(|| format!("{} cannot be written", partial.display()))?;
        Ok(Self {
            path: path.to_owned(),
            partial,
            file: BufWriter::new(file),
            existing,
            is_complete: false,
            count: 0,
        })
    }

    /// Adds a message.
    pub(super) fn add(&mut self, record: &Record) -> io::Result<()> {
        self.file.write_all(record.line().as_bytes())?;
        self.count += 1;
        Ok(())
    }

    /// Brings everything to the disk and gives the file its name; it may grow after that, and be
    /// completed again.
    pub(super) fn complete(&mut self) -> io::Result<()> {
        self.file.flush()?;
        self.file.get_ref().sync_all()?;
        if !self.is_complete {
            self.name()?;
            self.is_complete = true;
        }
        Ok(())
    }

    fn name(&self) -> io::Result<()> {
        match self.existing {
            Existing::Replaced => fs::rename(&self.partial, &self.path)?,
            // Somebody may have made one since; a link never replaces it.
            Existing::Kept => match fs::hard_link(&self.partial, &self.path) {
                Ok(()) => fs::remove_file(&self.partial)?,
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => return Err(error),
                // Not every file system has links.
                Err(_) => fs::rename(&self.partial, &self.path)?,
            },
        }
        let folder = self.path.parent().filter(|path| *path != Path::new(""));
        File::open(folder.unwrap_or(Path::new(".")))?.sync_all()
    }

    /// Returns what it is called at this moment.
    pub(super) fn path(&self) -> String {
        let path = match self.is_complete {
            true => &self.path,
            false => &self.partial,
        };
        path.display().to_string()
    }
}
