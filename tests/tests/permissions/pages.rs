//! The pages that people read say what the files say.

use std::collections::BTreeSet;
use std::fs;

use fleet_tests::programs::repository;
use regex::Regex;

use crate::policies::{ROLES, policy, rights, template};

fn read(path: &str) -> String {
    fs::read_to_string(repository().join(path)).expect(path)
}

/// Returns the cells of each row of the table under a heading, without its first two lines.
fn table(page: &str, heading: &str) -> Vec<Vec<String>> {
    let (_, section) = page.split_once(&format!("\n{heading}\n")).expect(heading);
    let rows = section.lines().skip_while(|line| !line.starts_with('|'));
    rows.take_while(|line| line.starts_with('|'))
        .skip(2)
        .map(|row| {
            let row = row.trim_start_matches("| ").trim_end_matches(" |");
            row.split(" | ").map(str::to_owned).collect()
        })
        .collect()
}

fn unquoted(cell: &str) -> &str {
    cell.trim_matches('`')
}

#[test]
fn the_page_of_permissions_has_every_right_of_every_role() {
    let rows = table(&read("docs/permissions.md"), "## Policies");
    let told: Vec<(String, String, String)> = rows
        .iter()
        .map(|row| {
            let queue = match row[2].as_str() {
                "queue" => "billing",
                "dlq" => "billing-dlq",
                other => panic!("{other} is neither of the two queues"),
            };
            let action = unquoted(&row[1]).strip_prefix("sqs:").expect("of SQS");
            let role = unquoted(&row[0]);
            assert!(!row[3].is_empty(), "{role} {action}: why?");
            (role.to_owned(), action.to_owned(), queue.to_owned())
        })
        .collect();
    let is_there = ROLES.iter().flat_map(|role| {
        let of_role = rights(&policy(role)).into_iter();
        of_role.map(|(action, queue)| ((*role).to_owned(), action, queue))
    });
    let is_there: BTreeSet<_> = is_there.collect();
    assert_eq!(told.iter().cloned().collect::<BTreeSet<_>>(), is_there);
    assert_eq!(told.len(), is_there.len(), "a row is there twice");
}

#[test]
fn the_page_of_permissions_has_the_actions_of_a_key() {
    let key: serde_json::Value = serde_json::from_str(&template("key")).expect("it is JSON");
    let rows = table(&read("docs/permissions.md"), "## A key of your own");
    let told: BTreeSet<&str> = rows.iter().map(|row| unquoted(&row[0])).collect();
    let actions = key["Statement"][0]["Action"].as_array().expect("a list");
    let is_there: BTreeSet<&str> = actions.iter().filter_map(|one| one.as_str()).collect();
    assert_eq!(told, is_there);
}

/// Finds the blocks of a kind in a file of Terraform: their names and what they hold.
fn blocks(file: &str, kind: &str) -> Vec<(String, String)> {
    let block =
        Regex::new(&format!(r#"(?ms)^{kind} "(\w+)" \{{\n(.*?)^\}}"#)).expect("it is legal");
    let found = block.captures_iter(file);
    found
        .map(|found| (found[1].to_owned(), found[2].to_owned()))
        .collect()
}

/// Returns the value of an argument of a block, on its line.
fn argument(block: &str, name: &str) -> Option<String> {
    let argument = Regex::new(&format!(r"(?m)^  {name} *= (.*)$")).expect("it is legal");
    Some(argument.captures(block)?[1].to_owned())
}

#[test]
fn the_page_of_the_module_has_its_inputs() {
    let variables = read("infra/terraform/modules/queue/variables.tf");
    let is_there: Vec<Vec<String>> = blocks(&variables, "variable")
        .iter()
        .map(|(name, block)| {
            let default = argument(block, "default");
            let default = default.map_or("required".to_owned(), |value| format!("`{value}`"));
            let kind = argument(block, "type").expect("each has a type");
            vec![
                format!("`{name}`"),
                format!("`{kind}`"),
                default,
                description(block),
            ]
        })
        .collect();
    let told = table(
        &read("infra/terraform/README.md"),
        "## modules/queue: inputs",
    );
    assert_eq!(told, is_there);
}

#[test]
fn the_page_of_the_module_has_its_outputs() {
    let outputs = read("infra/terraform/modules/queue/outputs.tf");
    let is_there: Vec<Vec<String>> = blocks(&outputs, "output")
        .iter()
        .map(|(name, block)| vec![format!("`{name}`"), description(block)])
        .collect();
    let told = table(
        &read("infra/terraform/README.md"),
        "## modules/queue: outputs",
    );
    assert_eq!(told, is_there);
}

fn description(block: &str) -> String {
    let description = argument(block, "description").expect("each is described");
    description.trim_matches('"').to_owned()
}
