//! `docs/deploy.md`: what it tells a reader to type.

use std::fs;

use fleet_tests::programs::repository;
use serde_json::Value;
use yaml_serde as yaml;

use super::program;
use super::yaml::documents;

fn page() -> String {
    fs::read_to_string(repository().join("docs/deploy.md")).unwrap()
}

/// The lines of all blocks that are typed, those that go on in the next one joined.
fn typed() -> Vec<String> {
    let page = page();
    let blocks = page
        .split("```sh\n")
        .skip(1)
        .map(|rest| rest.split("```").next().unwrap());
    let joined = blocks
        .map(|block| block.replace("\\\n", " "))
        .collect::<String>();
    joined.lines().map(str::to_owned).collect()
}

#[test]
fn every_file_that_is_named_is_there() {
    let page = page();
    let words = page.split(|c: char| c.is_whitespace() || "`()[]'\"<>,;=".contains(c));
    let mut paths = 0;
    for word in words.map(|word| word.trim_end_matches(['.', ':'])) {
        // A link is relative to the page, what is typed to the root.
        let path = match word.strip_prefix("../") {
            Some(path) => path.to_owned(),
            None if ["infra/", "docs/", "examples/"]
                .iter()
                .any(|root| word.starts_with(root)) =>
            {
                word.to_owned()
            }
            None if word.ends_with(".md") => format!("docs/{word}"),
            None => continue,
        };
        if path == "infra/.env" || path.contains('$') {
            continue;
        }
        let folder = path.strip_suffix("/*.yaml").unwrap_or(&path);
        assert!(
            repository().join(folder).exists(),
            "docs/deploy.md names {path}"
        );
        paths += 1;
    }
    assert!(paths > 20, "only {paths} were found");
}

#[tokio::test]
async fn the_program_understands_every_command_that_is_typed() {
    let mut commands = 0;
    for line in typed() {
        let words: Vec<&str> = line.split_whitespace().collect();
        let starts = words.iter().enumerate().filter(|(at, word)| match **word {
            "/fleet" => true,
            "fleet" => *at == 0 || words[at - 1] == "|",
            _ => false,
        });
        for (at, _) in starts {
            let arguments = &words[at + 1..];
            program::assert_understands(arguments).await;
            commands += 1;
        }
    }
    assert!(commands >= 7, "only {commands} were found");
}

/// What the loop of step 8 pipes into `kubectl`.
#[test]
fn rules_become_objects_of_the_operator_by_what_is_typed() {
    for rules in ["recording", "alerts"] {
        let head = typed().join("\n");
        let head: String = head
            .split("printf '")
            .skip(1)
            .map(|rest| rest.split('\'').next().unwrap())
            .collect();
        let head = head.replace("\\n", "\n").replace("%s", rules);
        let path = format!("infra/prometheus/{rules}.yml");
        let text = fs::read_to_string(repository().join(&path)).unwrap();
        let indented: String = text.lines().map(|line| format!("  {line}\n")).collect();
        let object: Value = yaml::from_str(&format!("{head}{indented}")).unwrap();
        assert_eq!(object["kind"], "PrometheusRule");
        assert_eq!(object["spec"]["groups"], documents(&path)[0]["groups"]);
    }
}
