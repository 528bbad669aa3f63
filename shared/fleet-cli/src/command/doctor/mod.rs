//! Looks at everything that has to fit together, and says what does not.
//!
//! What is asked of the world stands in `gather`; the checks are functions from facts to findings.

/// Rules, findings, and what came of the checks.
mod finding;

/// What is judged.
mod facts;

/// Lines to type.
mod remedy;

/// Facts with which nothing is wrong.
#[cfg(test)]
mod testing;

/// The environment by itself.
mod configuration;

/// Where requests go.
mod endpoints;

/// Which queues answer.
mod reach;

/// Each queue and its consumer.
mod queue;

/// Each dead-letter queue and its source.
mod dead_letters;

/// The database's server.
mod server;

/// Its tables.
mod schema;

/// Its connections.
mod connections;

/// Clocks.
mod clocks;

/// Asking.
mod gather;

/// Writing it down.
mod report;

use anyhow::{Context as _, anyhow};
use fleet::Consumer;
use fleet::service::config::Env;

use crate::app::App;
use crate::cli::doctor::Doctor;
use crate::exit::Exit;
use crate::host::runtime;
use crate::output;
use facts::Facts;
use finding::{Examination, Rule};
use report::{Counts, Report};

/// Every rule, in the order of the page docs/doctor.md.
const RULES: [&[Rule]; 9] = [
    configuration::RULES,
    endpoints::RULES,
    reach::RULES,
    queue::RULES,
    dead_letters::RULES,
    server::RULES,
    schema::RULES,
    connections::RULES,
    clocks::RULES,
];

/// Checks queues, database and configuration against each other.
pub(crate) fn doctor(app: &App, args: &Doctor, env: &dyn Env) -> Result<(), Exit> {
    let consumers = choose(app, &args.consumers)?;
    let facts = runtime()?.block_on(Box::pin(gather::gather(app, &consumers, env)));
    let mut examination = examine(&facts);
    for finding in &mut examination.findings {
        finding.accepted = args.accept.iter().any(|code| code == finding.code);
    }
    examination
        .findings
        .sort_by_key(|finding| (finding.accepted, finding.severity));
    let counts = Counts::of(&examination);
    show(&examination, args).context("cannot write")?;
    let sentence = counts.sentence(examination.passed.len());
    match counts.is_well() {
        true => {
            output::note(&sentence);
            Ok(())
        }
        false => Err(anyhow!(sentence).into()),
    }
}

/// Accepts the codes of the rules.
pub(crate) fn known_code(text: &str) -> Result<String, String> {
    let mut codes = RULES
        .iter()
        .flat_map(|rules| rules.iter())
        .map(|rule| rule.code);
    match codes.any(|code| code == text) {
        true => Ok(text.to_owned()),
        false => Err("is no code of a finding; docs/doctor.md lists them".to_owned()),
    }
}

fn choose<'a>(app: &'a App, names: &[String]) -> Result<Vec<&'a Consumer>, Exit> {
    match names {
        [] => Ok(app.consumers.iter().collect()),
        names => names.iter().map(|name| app.find(name)).collect(),
    }
}

fn examine(facts: &Facts) -> Examination {
    let mut examination = Examination::default();
    configuration::check(&mut examination, &facts.pieces);
    endpoints::check(&mut examination, facts);
    reach::check(&mut examination, facts);
    queue::check(&mut examination, facts);
    dead_letters::check(&mut examination, facts);
    if let Some(database) = &facts.database {
        server::check(&mut examination, database);
        schema::check(&mut examination, facts, database);
        connections::check(&mut examination, facts, database);
    }
    clocks::check(&mut examination, facts);
    examination
}

fn show(examination: &Examination, args: &Doctor) -> std::io::Result<()> {
    if args.json {
        return output::json(&Report::of(examination));
    }
    if !examination.findings.is_empty() {
        output::data(&report::text(examination))?;
    }
    match args.verbose {
        true => output::data(&report::well(examination)),
        false => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn page() -> String {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/doctor.md");
        let page = std::fs::read_to_string(path).expect("docs/doctor.md is readable");
        page.split_whitespace().collect::<Vec<_>>().join(" ")
    }

    fn rules() -> impl Iterator<Item = &'static Rule> {
        RULES.iter().flat_map(|rules| rules.iter())
    }

    #[test]
    fn the_page_of_the_documentation_has_every_code_with_its_severity_and_reason() {
        let page = page();
        let headings = page.split("### `").skip(1);
        let documented: BTreeSet<&str> =
            headings.filter_map(|rest| rest.split('`').next()).collect();
        let known: BTreeSet<&str> = rules().map(|rule| rule.code).collect();
        assert_eq!(documented, known);
        assert_eq!(rules().count(), known.len(), "a code stands for one rule");
        for rule in rules() {
            let heading = format!("### `{}` ({})", rule.code, rule.severity.as_str());
            let (_, section) = page
                .split_once(&heading)
                .unwrap_or_else(|| panic!("the page has no heading {heading}"));
            let section = section.split("###").next().unwrap_or_default();
            for part in ["**What:** ", "**Why:** ", "**Fix:** "] {
                assert!(section.contains(part), "{}: {part}is missing", rule.code);
            }
            assert!(section.contains(rule.why), "{}: {}", rule.code, rule.why);
        }
    }

    #[test]
    fn a_healthy_fleet_has_no_finding() {
        let examination = examine(&testing::facts(&[]));
        assert_eq!(examination.findings, []);
        let passed: BTreeSet<&str> = examination
            .passed
            .iter()
            .map(|passed| passed.code)
            .collect();
        assert!(passed.len() > 30, "{passed:?}");
    }

    #[test]
    fn only_codes_can_be_accepted() {
        assert!(known_code("fsync-off").is_ok());
        assert!(known_code("everything").is_err());
    }
}
