//! What the program says of itself.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::time::Duration;

use fleet::service::config::{ServiceConfig, consumer_prefix, load};
use fleet_tests::authority::Authority;
use fleet_tests::process::Process;
use fleet_tests::programs::repository;
use fleet_tests::site::fleet;

/// What the end of a shutdown takes beyond its grace (README.md, docs/configuration.md).
pub(crate) const SHUTDOWN_TAIL: Duration = Duration::from_secs(5);

/// Returns the names of the consumers that are registered.
pub(crate) async fn consumers() -> Vec<String> {
    let ended = Process::start(fleet(&["run", "nobody"]))
        .ended()
        .await
        .with_code(2);
    let (_, names) = ended
        .stderr
        .split_once("this program has ")
        .expect("it names them");
    names.trim().split(", ").map(str::to_owned).collect()
}

/// Checks that a command line is one of the program, whatever its configuration: without any it is
/// either not asked for, or reported.
pub(crate) async fn assert_understands(arguments: &[&str]) {
    let ended = Process::start(fleet(arguments)).ended().await;
    for refusal in ["error: ", "there is no consumer"] {
        assert!(
            !ended.stderr.contains(refusal),
            "fleet {arguments:?}: {}",
            ended.stderr
        );
    }
}

/// Checks that the program accepts an environment, given the file of an authority that it names.
pub(crate) async fn assert_configures(env: &BTreeMap<String, String>) {
    let mut command = fleet(&["config"]);
    let authority = Authority::new();
    command.envs(env);
    assert!(
        env.contains_key("DATABASE_CA_FILE"),
        "whom is the server's certificate signed by?"
    );
    command.env("DATABASE_CA_FILE", authority.file());
    Process::start(command).ended().await.with_code(0);
}

/// Returns for how long handlers may go on in this environment.
pub(crate) fn shutdown_grace(env: &BTreeMap<String, String>) -> Duration {
    load(env, ServiceConfig::read)
        .unwrap()
        .settings
        .shutdown_grace
}

/// Checks that each name is a variable of docs/configuration.md, of the AWS SDK or of OpenTelemetry.
pub(crate) async fn assert_variables<'a>(place: &str, names: impl IntoIterator<Item = &'a str>) {
    let page = fs::read_to_string(repository().join("docs/configuration.md")).unwrap();
    let named = page
        .lines()
        .filter_map(|line| line.strip_prefix("| `")?.split_once('`'));
    let mut known = BTreeSet::new();
    for (name, _) in named {
        match name.strip_prefix("<CONSUMER>") {
            None => drop(known.insert(name.to_owned())),
            Some(rest) => {
                let prefixes = consumers()
                    .await
                    .into_iter()
                    .map(|name| consumer_prefix(&name));
                known.extend(prefixes.map(|prefix| format!("{prefix}{rest}")));
            }
        }
    }
    for name in names {
        let foreign = name.starts_with("AWS_") || name.starts_with("OTEL_");
        assert!(
            known.contains(name) || foreign,
            "{place}: docs/configuration.md has no {name}"
        );
    }
}
