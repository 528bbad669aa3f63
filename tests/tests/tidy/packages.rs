//! Who may depend on whom, as the manifests say it.

use std::process::Command;

use serde_json::Value;

use super::finding::Finding;
use super::tree;

/// Our packages, and those of ours that each may name.
const ONE_WAY: &[(&str, &[&str])] = &[
    ("sqs-local", &[]),
    ("sqs-fleet", &["sqs-local"]),
    ("sqs-fleet-cli", &["sqs-fleet", "sqs-local"]),
    ("fleet-workers", &["sqs-fleet", "sqs-fleet-cli"]),
    ("fleet-model", &["sqs-fleet"]),
    (
        "fleet-tests",
        &["sqs-local", "sqs-fleet", "sqs-fleet-cli", "fleet-workers"],
    ),
    (
        "fleet-chaos",
        &["sqs-local", "sqs-fleet", "sqs-fleet-cli", "fleet-tests"],
    ),
];

/// Packages outside the workspace, which have its lints written down once more.
const OUTSIDE: &[&str] = &["examples/", "tests/fuzz/"];

/// Packages that name sqs-local only behind a feature.
const OPTIONAL: &[&str] = &["sqs-fleet", "sqs-fleet-cli"];

/// What a container must not carry.
const NOT_IN_PRODUCT: &[&str] = &[
    "sqs-local",
    "tempfile",
    "fail",
    "insta",
    "proptest",
    "stateright",
    "arbitrary",
    "libfuzzer-sys",
];

/// What it must not be built with: fakes, and places where a test stops it.
const FEATURES_NOT_IN_PRODUCT: &[&str] = &["failpoints", "testing"];

/// Finds dependencies between our packages that run the other way.
pub(crate) fn one_way() -> Vec<Finding> {
    let metadata = cargo(&[
        "metadata",
        "--offline",
        "--no-deps",
        "--format-version",
        "1",
    ]);
    let metadata: Value = serde_json::from_str(&metadata).expect("cargo metadata writes JSON");
    wrong_way(&metadata)
}

fn wrong_way(metadata: &Value) -> Vec<Finding> {
    let mut found = Vec::new();
    for package in list(&metadata["packages"]) {
        let name = text(&package["name"]);
        let allowed = ONE_WAY
            .iter()
            .find(|(known, _)| *known == name)
            .map(|(_, allowed)| *allowed);
        let finding = |what| Finding {
            path: format!("{name}/Cargo.toml"),
            line: 1,
            what,
            instead: "dependencies run one way: workers, fleet-cli, fleet, sqs-local; ONE_WAY in packages.rs is the list",
        };
        let Some(allowed) = allowed else {
            found.push(finding(format!(
                "`{name}` is a package that the list does not know"
            )));
            continue;
        };
        let ours = list(&package["dependencies"]).iter().filter(|dependency| {
            ONE_WAY
                .iter()
                .any(|(ours, _)| *ours == text(&dependency["name"]))
        });
        for dependency in ours {
            let used = text(&dependency["name"]);
            // A package may ask itself for a feature in its own tests.
            let itself = used == name && dependency["kind"] == "dev";
            if !allowed.contains(&used) && !itself {
                found.push(finding(format!("`{name}` depends on `{used}`")));
            }
            let always = dependency["kind"].is_null() && dependency["optional"] == false;
            if used == "sqs-local" && always && OPTIONAL.contains(&name) {
                found.push(finding(format!(
                    "`{name}` depends on `{used}` without a feature"
                )));
            }
        }
    }
    found
}

/// Finds what the container's build would carry without need.
pub(crate) fn product_tree() -> Vec<Finding> {
    let tree = cargo(&[
        "tree",
        "--offline",
        "--locked",
        "--package",
        "fleet-workers",
        "--no-default-features",
        "--edges",
        "normal,features",
        "--prefix",
        "none",
    ]);
    not_for_product(&tree)
}

fn not_for_product(tree: &str) -> Vec<Finding> {
    assert!(
        tree.starts_with("fleet-workers "),
        "cargo tree wrote {tree:?}"
    );
    let mut names: Vec<&str> = tree
        .lines()
        .filter_map(|line| line.split(' ').next())
        .collect();
    names.sort_unstable();
    names.dedup();
    names.retain(|name| NOT_IN_PRODUCT.contains(name));
    let features = FEATURES_NOT_IN_PRODUCT.iter().filter(|feature| {
        let line = format!("sqs-fleet feature \"{feature}\"");
        tree.lines().any(|found| found.starts_with(&line))
    });
    names.extend(features);
    let finding = |name| Finding {
        path: "workers/Cargo.toml".to_owned(),
        line: 1,
        what: format!("without default features there is still `{name}`"),
        instead: "put it behind the feature `dev` or `testing`; `cargo tree --invert` shows who brings it",
    };
    names.into_iter().map(finding).collect()
}

/// Finds members that go without the lints of the workspace.
pub(crate) fn lints() -> Vec<Finding> {
    tree::texts()
        .iter()
        .filter(|file| file.path.ends_with("/Cargo.toml"))
        .filter(|file| !OUTSIDE.iter().any(|package| file.path.starts_with(package)))
        .filter(|file| !file.text.contains("[lints]\nworkspace = true\n"))
        .map(|file| Finding {
            path: file.path.clone(),
            line: 1,
            what: "does not take the lints of the workspace".to_owned(),
            instead: "add `[lints]` and `workspace = true`",
        })
        .collect()
}

fn cargo(arguments: &[&str]) -> String {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo)
        .args(arguments)
        .current_dir(tree::root())
        .output()
        .expect("cargo runs the tests, so it can be run");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success(),
        "cargo {}: {said}",
        arguments.join(" ")
    );
    String::from_utf8(output.stdout).expect("cargo writes UTF-8")
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_dependency_against_the_stream_is_found() {
        let check = |name: &str, dependency: Value, expected: &[&str]| {
            let metadata = json!({"packages": [{"name": name, "dependencies": [dependency]}]});
            let found: Vec<String> = wrong_way(&metadata).into_iter().map(|f| f.what).collect();
            assert_eq!(found, expected);
        };
        let normal = |name: &str| json!({"name": name, "kind": null, "optional": false});
        check("fleet-workers", normal("sqs-fleet"), &[]);
        check("sqs-fleet", normal("serde"), &[]);
        check(
            "sqs-fleet",
            normal("fleet-workers"),
            &["`sqs-fleet` depends on `fleet-workers`"],
        );
        check(
            "sqs-local",
            normal("sqs-fleet"),
            &["`sqs-local` depends on `sqs-fleet`"],
        );
        check(
            "sqs-fleet-cli",
            normal("sqs-local"),
            &["`sqs-fleet-cli` depends on `sqs-local` without a feature"],
        );
        let optional = json!({"name": "sqs-local", "kind": null, "optional": true});
        check("sqs-fleet-cli", optional, &[]);
        check(
            "newcomer",
            normal("serde"),
            &["`newcomer` is a package that the list does not know"],
        );
    }

    #[test]
    fn a_product_with_parts_of_the_tests_is_found() {
        assert!(not_for_product("fleet-workers v0.1.0\nserde v1.0.0\n").is_empty());
        let found =
            not_for_product("fleet-workers v0.1.0\nsqs-local v0.1.0\nsqs-local v0.1.0 (*)\n");
        assert_eq!(found.len(), 1);
        let found = not_for_product(
            "fleet-workers v0.1.0\nsqs-fleet feature \"default\"\nsqs-fleet feature \"failpoints\"\n",
        );
        assert_eq!(found.len(), 1);
    }
}
