//! The first stage: the program, built from the build context by the command of the Dockerfile.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use fleet_tests::dockerfile::Dockerfile;
use fleet_tests::programs::{forget_package, repository, target_directory};

/// Returns the folder in which images are made.
pub(crate) fn folder() -> PathBuf {
    target_directory().join("image")
}

/// Builds the program and returns its path, or what the build said.
pub(crate) fn build(version: &str, commit: &str) -> Result<PathBuf, String> {
    let dockerfile = Dockerfile::read(&[]);
    let commands = dockerfile.build_commands();
    assert_eq!(commands.len(), 1, "one command builds it all: {commands:?}");
    let (built, program) = (folder().join("debug/fleet"), folder().join("fleet"));
    let mut line = commands[0].to_owned();
    for (there, here) in [
        ("--release ", "--offline "),
        (
            "cp target/release/fleet /fleet ",
            "cp \"$BUILT\" \"$PROGRAM\" ",
        ),
        ("$(/fleet --version)", "$(\"$PROGRAM\" --version)"),
    ] {
        assert_eq!(line.matches(there).count(), 1, "{there} in {line}");
        line = line.replace(there, here);
    }
    let cargo = Path::new(env!("CARGO")).parent().unwrap().to_owned();
    let path = std::env::var_os("PATH").unwrap_or_default();
    let path = [cargo].into_iter().chain(std::env::split_paths(&path));
    let mut shell = Command::new("sh");
    forget_package(&mut shell);
    let output = shell
        .args(["-euc", &line])
        .current_dir(folder().join("context"))
        .env("PATH", std::env::join_paths(path).unwrap())
        .envs([("VERSION", version), ("COMMIT", commit)])
        .envs([("BUILT", &built), ("PROGRAM", &program)])
        // What the other tests have compiled is not compiled again.
        .envs([
            ("CARGO_TARGET_DIR", folder()),
            ("CARGO_BUILD_BUILD_DIR", target_directory()),
        ])
        .output()
        .unwrap();
    match output.status.success() {
        true => Ok(program),
        false => Err(format!(
            "{}: {}",
            output.status,
            String::from_utf8_lossy(&output.stderr)
        )),
    }
}

/// Copies what `.dockerignore` lets in, as it is now, with its times, by which cargo knows what is new.
pub(crate) fn make_context() {
    let context = folder().join("context");
    let _ = fs::remove_dir_all(&context);
    let let_in = exceptions();
    let is_let_in = |path: &&str| let_in.iter().any(|one| Path::new(path).starts_with(one));
    for path in tracked().lines().filter(is_let_in) {
        let (from, to) = (repository().join(path), context.join(path));
        fs::create_dir_all(to.parent().unwrap()).unwrap();
        // A file may be deleted and not yet committed so.
        if fs::copy(&from, &to).is_ok() {
            let changed = fs::metadata(&from).unwrap().modified().unwrap();
            let copy = fs::File::options().write(true).open(&to).unwrap();
            copy.set_modified(changed).unwrap();
        }
    }
}

/// Returns what `.dockerignore` lets in: it shuts everything out first.
fn exceptions() -> Vec<String> {
    let text = fs::read_to_string(repository().join(".dockerignore")).unwrap();
    let mut rules = text
        .lines()
        .filter(|line| !line.starts_with('#') && !line.is_empty());
    assert_eq!(rules.next(), Some("*"));
    let exception = |rule: &str| {
        let path = rule
            .strip_prefix('!')
            .unwrap_or_else(|| panic!("{rule} is no exception"));
        assert!(
            !path.contains(['*', '?']),
            "{path}: this test knows no patterns"
        );
        path.to_owned()
    };
    rules.map(exception).collect()
}

/// The files of the repository, also those that are not committed yet.
fn tracked() -> String {
    let output = Command::new("git")
        .args(["ls-files", "--cached", "--others", "--exclude-standard"])
        .current_dir(repository())
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}
