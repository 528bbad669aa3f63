use std::path::{Path, PathBuf};
use std::process::Command;

use fleet_tests::programs::target_directory;

/// `umoci`, which makes images, and `runc`, which runs them.
#[derive(Debug)]
pub(crate) struct Tools {
    folder: PathBuf,
}

impl Tools {
    /// Finds them in PATH or where `make containers` unpacks them; else says why the tests are left out.
    pub(crate) fn find() -> Option<Self> {
        if !is_root() {
            eprintln!("SKIP image: only root may run a container here");
            return None;
        }
        let unpacked = target_directory().join("tools/containers/usr/bin");
        let path = std::env::var_os("PATH").unwrap_or_default();
        let has_both =
            |folder: &Path| folder.join("umoci").exists() && folder.join("runc").exists();
        let mut folders = std::env::split_paths(&path).chain([unpacked]);
        let folder = folders.find(|folder| has_both(folder));
        if folder.is_none() {
            let is_ci = std::env::var_os("CI").is_some();
            assert!(!is_ci, "CI unpacks umoci and runc, and they are missing");
            eprintln!("SKIP image: no umoci and runc. Type: make containers");
        }
        Some(Self { folder: folder? })
    }

    /// Makes the command line of one of them.
    pub(crate) fn command(&self, tool: &str) -> Command {
        let mut command = Command::new(self.folder.join(tool));
        // What was unpacked has its libraries beside it.
        let libraries = self.folder.join("../lib");
        let folders = std::fs::read_dir(libraries).into_iter().flatten().flatten();
        let folders = folders
            .map(|entry| entry.path())
            .filter(|path| path.is_dir());
        if let Ok(path) = std::env::join_paths(folders)
            && self.folder.starts_with(target_directory())
        {
            command.env("LD_LIBRARY_PATH", path);
        }
        command
    }

    /// Runs one of them to its end.
    pub(crate) fn run<'a>(&self, tool: &str, arguments: impl IntoIterator<Item = &'a str>) {
        let mut command = self.command(tool);
        let output = command.args(arguments).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{command:?}: {said}");
    }
}

fn is_root() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    status.lines().any(|line| line.starts_with("Uid:\t0\t0"))
}
