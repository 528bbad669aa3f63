//! The certificate that `infra/compose.yaml` has made for Postgres.

use std::fs;
use std::path::Path;
use std::process::Command;

use fleet_tests::programs::repository;

/// Runs the script for a name as the owner of this process, and returns what it said.
fn make(folder: &Path, host: &str) -> String {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let user = status
        .lines()
        .find_map(|line| line.strip_prefix("Uid:\t"))
        .unwrap();
    let output = Command::new("sh")
        .arg(repository().join("infra/compose/certificates.sh"))
        .args([folder.join("authority"), folder.join("server")])
        .args([host, user.split('\t').next().unwrap()])
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

fn openssl(arguments: &[&str], folder: &Path) -> bool {
    let output = Command::new("openssl")
        .args(arguments)
        .current_dir(folder)
        .output()
        .unwrap();
    output.status.success()
}

#[test]
fn it_is_made_once_for_one_name_and_its_authority_signs_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    for name in ["authority", "server"] {
        fs::create_dir(path.join(name)).unwrap();
    }
    assert!(make(path, "postgres").contains("made one for postgres"));
    let verify = |host: &str| {
        let arguments = [
            "verify",
            "-CAfile",
            "authority/ca.crt",
            "-verify_hostname",
            host,
            "server/server.crt",
        ];
        openssl(&arguments, path)
    };
    assert!(verify("postgres") && !verify("db.example.com"));
    let files = |name: &str| fs::read_dir(path.join(name)).unwrap().count();
    assert_eq!(
        (files("authority"), files("server")),
        (1, 2),
        "no key of the authority is left"
    );

    let first = fs::read(path.join("server/server.crt")).unwrap();
    assert!(make(path, "postgres").contains("good for another month"));
    assert_eq!(fs::read(path.join("server/server.crt")).unwrap(), first);
    make(path, "elsewhere");
    assert!(
        verify("elsewhere") && !verify("postgres"),
        "another name, another certificate"
    );
}
