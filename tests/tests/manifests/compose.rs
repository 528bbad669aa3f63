//! `infra/compose.yaml` and what it mounts.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::time::Duration;

use fleet_tests::dockerfile::Dockerfile;
use fleet_tests::programs::repository;
use serde_json::Value;

use super::program;
use super::yaml::{documents, fields, strings};

fn compose() -> Value {
    documents("infra/compose.yaml").remove(0)
}

/// The services that are processes of the fleet, by name.
fn of_the_fleet(compose: &Value) -> Vec<(&str, &Value)> {
    let image = "${FLEET_IMAGE:-fleet:0.1.0}";
    assert!(image.contains(env!("CARGO_PKG_VERSION")));
    let services = fields(&compose["services"]).map(|(name, service)| (name.as_str(), service));
    services
        .filter(|(_, service)| service["image"] == image)
        .collect()
}

/// Fills variables in: `${NAME:?why}` and `${NAME:-default}`.
fn fill_in(text: &str, env: &BTreeMap<String, String>) -> String {
    let Some((before, rest)) = text.split_once("${") else {
        return text.to_owned();
    };
    let (expression, after) = rest.split_once('}').unwrap();
    let (name, _) = expression
        .split_once(':')
        .expect("every variable has a default or a reason");
    let value = env
        .get(name)
        .unwrap_or_else(|| panic!("infra/.env.example has no {name}"));
    format!("{before}{value}{}", fill_in(after, env))
}

/// The pattern of the environment, with something in place of every secret.
fn example() -> BTreeMap<String, String> {
    let text = fs::read_to_string(repository().join("infra/.env.example")).unwrap();
    let lines = text
        .lines()
        .filter(|line| !line.starts_with('#') && !line.is_empty());
    let pairs = lines.map(|line| line.split_once('=').unwrap());
    let filled =
        pairs.map(|(name, value)| (name, if value.is_empty() { "example" } else { value }));
    filled
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect()
}

#[tokio::test]
async fn the_program_understands_every_command_line_and_environment() {
    let compose = compose();
    let services = of_the_fleet(&compose);
    let mut lines = BTreeSet::new();
    for (name, service) in services {
        let line = strings(&service["command"]);
        program::assert_understands(&line).await;
        lines.insert(line.join(" "));
        let environment = fields(&service["environment"]);
        let env: BTreeMap<String, String> = environment
            .map(|(name, value)| (name.clone(), fill_in(value.as_str().unwrap(), &example())))
            .collect();
        program::assert_variables(name, env.keys().map(String::as_str)).await;
        program::assert_configures(&env).await;
    }
    let runs = program::consumers()
        .await
        .into_iter()
        .map(|consumer| format!("run {consumer}"));
    let expected = runs.chain(["relay".to_owned(), "migrate".to_owned()]);
    assert_eq!(lines, expected.collect());
}

#[test]
fn its_processes_are_restricted_and_end_in_their_own_time() {
    let compose = compose();
    let user = Dockerfile::read(&[]).the("USER").to_owned();
    for (name, service) in of_the_fleet(&compose) {
        assert_eq!(service["user"], user, "{name}");
        assert_eq!(service["read_only"], true, "{name}");
        assert_eq!(strings(&service["cap_drop"]), ["ALL"], "{name}");
        assert_eq!(
            strings(&service["security_opt"]),
            ["no-new-privileges:true"],
            "{name}"
        );
        let secs = service["stop_grace_period"]
            .as_str()
            .unwrap()
            .strip_suffix('s')
            .unwrap();
        let patience = Duration::from_secs(secs.parse().unwrap());
        assert!(
            patience > program::shutdown_grace(&BTreeMap::new()) + program::SHUTDOWN_TAIL,
            "{name}"
        );
    }
}

#[test]
fn nothing_is_published_beyond_this_machine_and_the_database_nowhere() {
    let compose = compose();
    for (name, service) in fields(&compose["services"]) {
        for port in strings(&service["ports"]) {
            assert!(port.starts_with("127.0.0.1:"), "{name}: {port}");
        }
    }
    assert!(compose["services"]["postgres"]["ports"].is_null());
    assert_eq!(compose["networks"]["database"]["internal"], true);
    assert_eq!(
        strings(&compose["services"]["postgres"]["networks"]),
        ["database"]
    );
}

#[test]
fn everything_it_names_is_there() {
    let compose = compose();
    let services: BTreeSet<&String> = fields(&compose["services"]).map(|(name, _)| name).collect();
    let volumes: BTreeSet<&String> = fields(&compose["volumes"]).map(|(name, _)| name).collect();
    for (name, service) in fields(&compose["services"]) {
        for (other, _) in fields(&service["depends_on"]) {
            assert!(services.contains(other), "{name} depends on {other}");
        }
        for volume in strings(&service["volumes"]) {
            let (source, _) = volume.split_once(':').unwrap();
            let is_there = match source.strip_prefix("./") {
                Some(path) => repository().join("infra").join(path).exists(),
                None => volumes.contains(&source.to_owned()),
            };
            assert!(is_there, "{name} mounts {source}");
        }
    }
    let prometheus = &documents("infra/compose/prometheus.yml")[0];
    for rules in strings(&prometheus["rule_files"]) {
        let file = rules.strip_prefix("rules/").unwrap();
        assert!(
            repository().join("infra/prometheus").join(file).exists(),
            "{rules}"
        );
    }
    let scraped = &prometheus["scrape_configs"][0]["dns_sd_configs"][0];
    let serving = of_the_fleet(&compose).into_iter().map(|(name, _)| name);
    let serving: Vec<&str> = serving.filter(|name| *name != "migrate").collect();
    assert_eq!(strings(&scraped["names"]), serving);
    assert_eq!(
        scraped["port"].to_string(),
        Dockerfile::read(&[]).the("EXPOSE")
    );
}

#[test]
fn routes_know_the_alerts_and_their_severities() {
    let alerts = &documents("infra/prometheus/alerts.yml")[0];
    let rules = alerts["groups"]
        .as_array()
        .unwrap()
        .iter()
        .flat_map(|group| group["rules"].as_array().unwrap());
    let rules: Vec<&Value> = rules.filter(|rule| rule["alert"].is_string()).collect();
    let severities: BTreeSet<&str> = rules
        .iter()
        .map(|rule| rule["labels"]["severity"].as_str().unwrap())
        .collect();
    let routes = &documents("infra/compose/alertmanager.yml")[0];
    let receivers = routes["receivers"].as_array().unwrap().iter();
    let receivers: BTreeSet<&str> = receivers
        .map(|receiver| receiver["name"].as_str().unwrap())
        .collect();
    assert_eq!(severities, receivers, "each severity has its receiver");
    let text = fs::read_to_string(repository().join("infra/compose/alertmanager.yml")).unwrap();
    let words = text.split(|c: char| !c.is_ascii_alphanumeric());
    for alert in words.filter(|word| word.starts_with("Fleet")) {
        assert!(
            rules.iter().any(|rule| rule["alert"] == alert),
            "there is no alert {alert}"
        );
    }
}
