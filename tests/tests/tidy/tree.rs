//! The files of the repository.

use std::fs;
use std::path::{Path, PathBuf};

use super::source::Source;

/// A file as it is, whatever its language.
pub(crate) struct Text {
    pub(crate) path: String,
    pub(crate) text: String,
}

/// The endings of files that people write here.
const WRITTEN: &[&str] = &[
    "rs", "toml", "md", "sh", "sql", "py", "yml", "yaml", "tf", "json", "jsonl", "txt", "proto",
];

pub(crate) fn root() -> PathBuf {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR"));
    tests
        .parent()
        .expect("the tests are a folder of the workspace")
        .to_owned()
}

/// Every Rust file, the starter's too.
pub(crate) fn rust_sources() -> Vec<Source> {
    files()
        .into_iter()
        .filter(|path| path.extension().is_some_and(|ending| ending == "rs"))
        .map(|path| Source::new(name(&path), &read(&path)))
        .collect()
}

/// Every file that somebody wrote.
pub(crate) fn texts() -> Vec<Text> {
    files()
        .into_iter()
        .filter(|path| {
            let ending = path.extension().and_then(|ending| ending.to_str());
            ending.is_some_and(|ending| WRITTEN.contains(&ending))
                || path.file_name().is_some_and(|name| name == "Makefile")
                || path.ends_with(".ci/run")
        })
        .map(|path| Text {
            path: name(&path),
            text: read(&path),
        })
        .collect()
}

fn name(path: &Path) -> String {
    let below = path
        .strip_prefix(root())
        .expect("the walk starts at the root");
    below
        .to_str()
        .expect("file names here are UTF-8")
        .to_owned()
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Walks the tree in order of names, without what git and cargo keep in it.
fn files() -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![root()];
    while let Some(folder) = folders.pop() {
        let entries = fs::read_dir(&folder).expect("folders of the repository are readable");
        for entry in entries {
            let entry = entry.expect("folders of the repository are readable");
            let (path, kind) = (entry.path(), entry.file_type().expect("files have a type"));
            let built = path.join("CACHEDIR.TAG").exists()
                || [".git", "target"]
                    .iter()
                    .any(|name| entry.file_name() == *name);
            if kind.is_dir() && !built {
                folders.push(path);
            } else if kind.is_file() {
                found.push(path);
            }
        }
    }
    found.sort();
    assert!(
        found.len() > 20,
        "the repository is not where it was: {}",
        root().display()
    );
    found
}
