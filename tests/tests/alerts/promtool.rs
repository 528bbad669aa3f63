//! What Prometheus's own tool says of the rules.

use std::fs;

use fleet_tests::programs::repository;
use fleet_tests::prometheus::{RULES, tools};
use tokio::process::Command;

async fn check(name: &str, arguments: &[&str]) {
    let Some(tools) = tools(name).await else {
        return;
    };
    let mut promtool = Command::new(tools.join("promtool"));
    promtool
        .args(arguments)
        .current_dir(repository().join(RULES));
    let output = promtool.output().await.expect("promtool can be run");
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said);
    assert!(output.status.success(), "{arguments:?}: {said}");
}

#[tokio::test]
async fn prometheus_takes_the_rules_and_the_configuration() {
    let name = "prometheus_takes_the_rules_and_the_configuration";
    check(name, &["check", "config", "--lint-fatal", "prometheus.yml"]).await;
}

#[tokio::test]
async fn the_unit_tests_of_the_alerts_pass() {
    let folder = repository().join(RULES).join("tests");
    let files = fs::read_dir(folder).expect("the unit tests are there");
    let name = |file: fs::DirEntry| file.file_name().to_string_lossy().into_owned();
    let names = files.map(|file| format!("tests/{}", name(file.expect("it is readable"))));
    let names: Vec<String> = names.collect();
    let files = names.iter().map(String::as_str);
    let arguments: Vec<&str> = ["test", "rules"].into_iter().chain(files).collect();
    check("the_unit_tests_of_the_alerts_pass", &arguments).await;
}
