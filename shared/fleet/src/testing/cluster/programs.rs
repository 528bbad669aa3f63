//! The server programs of Postgres on this machine.

use std::env;
use std::ffi::OsStr;
use std::fmt::Write as _;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use super::ClusterError;
use super::account::{self, Account};

/// `client_connection_check_interval` came with it.
const MAJOR_MIN: u32 = 14;

/// Where `make postgres` unpacks the distribution's package: below cargo's
/// target directory.
const UNPACKED: &str = "tools/postgresql";

/// A folder with `postgres` and `initdb`, new enough and executable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Programs {
    bin: PathBuf,
    /// The root of an unpacked package, whose shared libraries lie beside it.
    tree: Option<PathBuf>,
    /// The tree has to be copied before another user can execute it.
    private: bool,
}

impl Programs {
    /// Looks at `FLEET_PG_BIN` and, when it is not set, at the usual places.
    pub(super) fn find(account: Option<&Account>) -> Result<Self, ClusterError> {
        let mut reasons = String::new();
        for candidate in candidates() {
            match candidate.check(account) {
                Ok(programs) => return Ok(programs),
                Err(reason) => {
                    // Writing to a String does not fail.
                    let _ = write!(reasons, "\n  {}: {reason}", candidate.bin.display());
                }
            }
        }
        Err(ClusterError::NoPostgres {
            reasons,
            install: install_line(),
        })
    }

    pub(super) fn bin(&self) -> &Path {
        &self.bin
    }

    /// The value of `LD_LIBRARY_PATH`: empty for an installed Postgres.
    pub(super) fn libraries(&self) -> String {
        self.tree.as_deref().map(library_path).unwrap_or_default()
    }

    pub(super) fn private_tree(&self) -> Option<&Path> {
        self.tree.as_deref().filter(|_tree| self.private)
    }

    /// The same programs after their tree was copied to `tree`.
    pub(super) fn moved_to(&self, tree: &Path) -> Self {
        let below = self
            .tree
            .as_deref()
            .and_then(|old| self.bin.strip_prefix(old).ok());
        Self {
            bin: below.map_or_else(|| self.bin.clone(), |below| tree.join(below)),
            tree: Some(tree.to_owned()),
            private: false,
        }
    }

    fn at(bin: &Path) -> Self {
        // A PATH often holds a link to the program: the package is where it leads.
        let program = bin.join("postgres").canonicalize();
        let bin = program
            .ok()
            .as_deref()
            .and_then(Path::parent)
            .unwrap_or(bin)
            .to_owned();
        let tree = tree_of(&bin);
        Self {
            bin,
            tree,
            private: false,
        }
    }

    /// Checks by running it, as the user who will.
    fn check(&self, account: Option<&Account>) -> Result<Self, String> {
        for program in ["postgres", "initdb"] {
            if !self.bin.join(program).exists() {
                return Err(format!("has no {program}"));
            }
        }
        match (self.version(account), account, &self.tree) {
            (Ok(version), _, _) => enough(&version).map(|()| self.clone()),
            // Unpacked in root's private home: what root can run can be copied.
            (Err(_), Some(_), Some(_)) => {
                self.version(None).and_then(|version| enough(&version))?;
                Ok(Self {
                    private: true,
                    ..self.clone()
                })
            }
            (Err(reason), Some(account), None) => {
                Err(format!("as user {}: {reason}", account.name))
            }
            (Err(reason), None, _) => Err(reason),
        }
    }

    fn version(&self, account: Option<&Account>) -> Result<String, String> {
        let program = self.bin.join("postgres");
        let output = account::command(&program.display().to_string(), account)
            .arg("--version")
            .env("LD_LIBRARY_PATH", self.libraries())
            .stdin(Stdio::null())
            .output()
            .map_err(|error| error.to_string())?;
        if output.status.success() {
            Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
        } else {
            Err(String::from_utf8_lossy(&output.stderr).trim().to_owned())
        }
    }
}

fn candidates() -> Vec<Programs> {
    if let Some(chosen) = env::var_os("FLEET_PG_BIN").filter(|value| !value.is_empty()) {
        return vec![Programs::at(Path::new(&chosen))];
    }
    let mut bins: Vec<PathBuf> = path_entries()
        .into_iter()
        .filter(|folder| folder.join("postgres").exists() && folder.join("initdb").exists())
        .collect();
    bins.extend(pg_config_bin());
    bins.extend(newest_first(Path::new("/usr/lib/postgresql")));
    if let Some(tree) = env::current_exe().ok().and_then(|exe| unpacked_for(&exe)) {
        bins.extend(newest_first(&tree.join("usr/lib/postgresql")));
    }
    let mut found: Vec<Programs> = Vec::new();
    for bin in bins {
        let programs = Programs::at(&bin);
        if !found.contains(&programs) {
            found.push(programs);
        }
    }
    found
}

/// Absolute entries only: `.` in a PATH is another folder for every caller.
fn path_entries() -> Vec<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&path)
        .filter(|entry| entry.is_absolute())
        .collect()
}

fn pg_config_bin() -> Option<PathBuf> {
    let program = path_entries()
        .into_iter()
        .map(|entry| entry.join("pg_config"))
        .find(|path| path.exists())?;
    let output = account::command(&program.display().to_string(), None)
        .arg("--bindir")
        .stdin(Stdio::null())
        .output()
        .ok()?;
    let bin = PathBuf::from(String::from_utf8(output.stdout).ok()?.trim());
    // The client's pg_config names a folder that need not hold a server.
    bin.join("postgres").exists().then_some(bin)
}

/// `NN/bin` below `versions`, highest number first.
fn newest_first(versions: &Path) -> Vec<PathBuf> {
    let mut found: Vec<(u32, PathBuf)> = fs::read_dir(versions)
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| {
            let major = entry.file_name().to_str()?.parse().ok()?;
            let bin = entry.path().join("bin");
            bin.join("postgres").exists().then_some((major, bin))
        })
        .collect();
    found.sort_unstable_by(|a, b| b.cmp(a));
    found.into_iter().map(|(_, bin)| bin).collect()
}

/// The unpacked package of the build that made `exe`. Only cargo's own target
/// directory counts, and only a tree of the same owner: next to a program that
/// was copied to /tmp anyone could lay another.
fn unpacked_for(exe: &Path) -> Option<PathBuf> {
    let owner = exe.metadata().ok()?.uid();
    exe.ancestors()
        .find(|folder| folder.join("CACHEDIR.TAG").exists())
        .map(|target| target.join(UNPACKED))
        .filter(|tree| tree.metadata().is_ok_and(|tree| tree.uid() == owner))
}

/// The root that an unpacked `bin` stands in; `None` for an installed one.
fn tree_of(bin: &Path) -> Option<PathBuf> {
    bin.ancestors()
        .find(|folder| folder.ends_with(UNPACKED))
        .map(Path::to_owned)
}

/// The folders of a tree that hold shared libraries, as in `usr/lib/x86_64-linux-gnu`.
fn library_path(tree: &Path) -> String {
    let mut folders = Vec::new();
    for parent in ["usr/lib", "lib"].map(|below| tree.join(below)) {
        let children = fs::read_dir(&parent).into_iter().flatten().flatten();
        folders.extend(
            children
                .map(|child| child.path())
                .filter(|path| path.file_name().is_some_and(is_multiarch)),
        );
        folders.push(parent);
    }
    folders
        .iter()
        .map(|folder| folder.display().to_string())
        .collect::<Vec<_>>()
        .join(":")
}

fn is_multiarch(name: &OsStr) -> bool {
    name.to_str().is_some_and(|name| name.contains("-linux-"))
}

/// Reads `postgres (PostgreSQL) 15.18 (…)` and `postgres (PostgreSQL) 17beta1`.
fn enough(version: &str) -> Result<(), String> {
    let major = version
        .rsplit_once("(PostgreSQL) ")
        .map_or(version, |(_, number)| number);
    let digits = major
        .split(|c: char| !c.is_ascii_digit())
        .next()
        .unwrap_or_default();
    match digits.parse::<u32>() {
        Ok(major) if major >= MAJOR_MIN => Ok(()),
        _ => Err(format!("is `{version}`, older than {MAJOR_MIN}")),
    }
}

fn install_line() -> &'static str {
    let lines = [
        (
            "apt-get",
            "sudo apt-get install --no-install-recommends postgresql",
        ),
        ("dnf", "sudo dnf install postgresql-server"),
        ("apk", "sudo apk add postgresql16"),
        ("brew", "brew install postgresql@17"),
    ];
    let path = path_entries();
    lines
        .into_iter()
        .find(|(tool, _)| path.iter().any(|folder| folder.join(tool).exists()))
        .map_or("see https://www.postgresql.org/download/", |(_, line)| line)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read_and_old_ones_are_refused() {
        let check =
            |version: &str, ok: bool| assert_eq!(enough(version).is_ok(), ok, "{version:?}");
        check("postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)", true);
        check("postgres (PostgreSQL) 14.0", true);
        check("postgres (PostgreSQL) 19beta1", true);
        check("postgres (PostgreSQL) 13.21", false);
        check("postgres (PostgreSQL) 9.6.24", false);
        check("", false);
    }

    #[test]
    fn the_newest_version_comes_first_by_number_not_by_letter() {
        let root = tempfile::tempdir().unwrap();
        for version in ["9", "14", "100", "lost+found"] {
            let bin = root.path().join(version).join("bin");
            fs::create_dir_all(&bin).unwrap();
            fs::write(bin.join("postgres"), "").unwrap();
        }
        let found = newest_first(root.path());
        let expected: Vec<PathBuf> = ["100", "14", "9"]
            .iter()
            .map(|v| root.path().join(v).join("bin"))
            .collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn an_unpacked_tree_keeps_its_inner_paths_when_it_is_copied() {
        let bin = PathBuf::from("/srv/clone/target/tools/postgresql/usr/lib/postgresql/15/bin");
        let programs = Programs {
            tree: tree_of(&bin),
            bin,
            private: true,
        };
        assert_eq!(
            programs.private_tree(),
            Some(Path::new("/srv/clone/target/tools/postgresql"))
        );
        let moved = programs.moved_to(Path::new("/tmp/fleet-pg-1/tools"));
        assert_eq!(
            moved.bin(),
            Path::new("/tmp/fleet-pg-1/tools/usr/lib/postgresql/15/bin")
        );
        assert_eq!(moved.private_tree(), None);
        assert_eq!(tree_of(Path::new("/usr/lib/postgresql/15/bin")), None);
    }

    #[test]
    fn an_unpacked_tree_is_looked_for_in_the_target_directory_of_the_program() {
        let target = tempfile::tempdir().unwrap();
        let exe = target.path().join("debug/deps/program");
        let tree = target.path().join(UNPACKED);
        fs::create_dir_all(exe.parent().unwrap()).unwrap();
        fs::create_dir_all(&tree).unwrap();
        fs::write(&exe, "").unwrap();
        assert_eq!(unpacked_for(&exe), None, "not a target directory of cargo");
        fs::write(target.path().join("CACHEDIR.TAG"), "").unwrap();
        assert_eq!(unpacked_for(&exe), Some(tree));
    }
}
