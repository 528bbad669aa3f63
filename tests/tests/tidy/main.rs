//! Keeps the invariants of ARCHITECTURE.md and the style of CONTRIBUTING.md by
//! reading the source tree.
//!
//! A rule returns findings; `allowed.rs` lists the exceptions, each with its
//! reason, and an exception that nothing needs any more is a failure too.

mod allowed;
mod finding;
mod habits;
mod layers;
mod packages;
mod places;
mod proofs;
mod shape;
mod source;
mod text;
mod tree;

use finding::{Finding, report};
use source::Source;

/// Runs a rule over each file and compares what it finds with the exceptions.
fn check(rule: &str, find: impl Fn(&Source) -> Vec<Finding>) {
    let findings = tree::rust_sources().iter().flat_map(find).collect();
    report(rule, findings, allowed::ALLOWED);
}

#[test]
fn only_one_file_knows_each_thing() {
    check("only X knows Y", layers::only_one_knows);
}

#[test]
fn rooms_use_only_rooms_above_them() {
    check("rooms", |source| layers::rooms(source, layers::ROOMS));
}

#[test]
fn files_of_a_room_use_only_files_above_them() {
    report(
        "files of a room",
        layers::files_of_rooms(&tree::rust_sources()),
        allowed::ALLOWED,
    );
}

#[test]
fn packages_depend_one_way() {
    report("packages", packages::one_way(), allowed::ALLOWED);
}

#[test]
fn every_package_takes_the_lints_of_the_workspace() {
    report("lints", packages::lints(), allowed::ALLOWED);
}

#[test]
fn the_product_without_dev_has_nothing_of_the_tests() {
    report("product tree", packages::product_tree(), allowed::ALLOWED);
}

#[test]
fn files_are_short() {
    check("short files", shape::long_files);
}

#[test]
fn functions_fit_on_a_screen() {
    check("short functions", shape::long_functions);
}

#[test]
fn names_say_what_a_thing_is() {
    check("names", shape::vague_names);
}

#[test]
fn every_allowance_has_a_reason() {
    check("reasons", habits::allowances_without_reason);
}

#[test]
fn nothing_is_left_undone() {
    check("undone", habits::left_undone);
}

#[test]
fn no_task_is_loose() {
    check("loose tasks", habits::loose_tasks);
}

#[test]
fn tests_wait_on_signals() {
    check("sleeping tests", habits::sleeping_tests);
}

#[test]
fn sql_stands_where_it_belongs() {
    check("sql", places::stray_sql);
}

#[test]
fn no_host_of_the_world_is_called() {
    check("hosts", places::foreign_hosts);
}

#[test]
fn nothing_names_the_machine_it_was_written_on() {
    let findings = tree::texts()
        .iter()
        .flat_map(places::machine_paths)
        .collect();
    report("machine paths", findings, allowed::ALLOWED);
}

#[test]
fn text_is_clean() {
    let findings = tree::texts().iter().flat_map(text::untidy).collect();
    report("clean text", findings, allowed::ALLOWED);
}

#[test]
fn every_promise_names_tests_that_are_there() {
    report("proofs", proofs::missing(&tree::texts()), allowed::ALLOWED);
}

#[test]
fn every_exception_names_a_rule_and_a_reason() {
    let rules = [
        "only X knows Y",
        "rooms",
        "files of a room",
        "packages",
        "lints",
        "product tree",
        "short files",
        "short functions",
        "names",
        "reasons",
        "undone",
        "loose tasks",
        "sleeping tests",
        "sql",
        "hosts",
        "machine paths",
        "clean text",
        "proofs",
    ];
    for exception in allowed::ALLOWED {
        assert!(
            rules.contains(&exception.rule),
            "no rule is called {:?}",
            exception.rule
        );
        assert!(exception.reason.len() > 15, "{}: say why", exception.path);
    }
}
