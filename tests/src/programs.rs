//! The binaries under test, as a user has them: built with the features of the product, not with
//! those of the tests.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// Returns the path of `fleet`.
pub fn fleet() -> &'static Path {
    static FLEET: OnceLock<PathBuf> = OnceLock::new();
    FLEET.get_or_init(|| build("fleet-workers", "fleet"))
}

/// Returns the path of `sqs-local`.
pub fn sqs_local() -> &'static Path {
    static SQS_LOCAL: OnceLock<PathBuf> = OnceLock::new();
    SQS_LOCAL.get_or_init(|| build("sqs-local", "sqs-local"))
}

/// Returns the root of the repository.
pub fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("the tests are a folder of the workspace")
}

/// Returns the directory in which cargo built this test: of its profile, in that of the target.
pub fn profile_directory() -> PathBuf {
    let test = std::env::current_exe().expect("a test knows where it is");
    let directory = test.parent().and_then(Path::parent);
    directory
        .expect("a test is in target/PROFILE/deps")
        .to_owned()
}

/// Returns the target directory of this test.
pub fn target_directory() -> PathBuf {
    let directory = profile_directory();
    let target = directory.parent();
    target
        .expect("a profile's directory is in the target directory")
        .to_owned()
}

/// Takes from a program what cargo tells a test about its package: it would make build scripts run anew.
pub fn forget_package(command: &mut Command) {
    for (name, _) in std::env::vars_os() {
        if name.to_str().is_some_and(is_about_a_package) {
            command.env_remove(name);
        }
    }
}

/// Builds a program where this test was built; nothing is done when it is up to date.
fn build(package: &str, binary: &str) -> PathBuf {
    let (profile_directory, target) = (profile_directory(), target_directory());
    let profile = match profile_directory.file_name().and_then(|name| name.to_str()) {
        Some("debug") | None => "dev",
        Some(name) => name,
    };
    let mut cargo = Command::new(env!("CARGO"));
    forget_package(&mut cargo);
    let output = cargo
        .args(["build", "--locked", "--offline", "--profile", profile])
        .args(["--package", package, "--bin", binary, "--target-dir"])
        .arg(target)
        .current_dir(repository())
        .output()
        .expect("cargo runs the tests, so it can be run");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{binary} does not build:\n{said}");
    profile_directory.join(binary)
}

fn is_about_a_package(variable: &str) -> bool {
    let prefixes = [
        "CARGO_PKG_",
        "CARGO_MANIFEST_",
        "CARGO_BIN_",
        "CARGO_CRATE_",
    ];
    variable == "OUT_DIR" || prefixes.iter().any(|prefix| variable.starts_with(prefix))
}
