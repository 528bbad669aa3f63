//! Each alert has a page of the runbook, and the pages hang together.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;

use fleet_tests::programs::repository;
use regex::Regex;

use crate::catalogue::{alerts, names};

/// What the page of an alert answers, in this order.
const QUESTIONS: [&str; 4] = ["## Meaning", "## Impact", "## Diagnosis", "## Mitigation"];

/// The page that is a story of its own, which another test types.
const STORY: &str = "dead-letters.md";

/// Returns the pages of the runbook.
pub(crate) fn pages() -> Vec<PathBuf> {
    let folder = repository().join("docs/runbook");
    let files = fs::read_dir(folder).expect("the runbook is there");
    let mut pages: Vec<PathBuf> = files
        .map(|file| file.expect("it is readable").path())
        .filter(|path| !path.ends_with(STORY))
        .collect();
    pages.sort();
    pages
}

/// Writes the name of an alert as that of its page.
fn page_of(alert: &str) -> String {
    let word = Regex::new("[A-Z]+[a-z]*").expect("it is a legal expression");
    let apart = Regex::new("([A-Z]+)([A-Z][a-z])").expect("it is a legal expression");
    let alert = apart.replace_all(alert, "${1}_$2");
    let words: Vec<String> = word
        .find_iter(&alert)
        .map(|word| word.as_str().to_lowercase())
        .collect();
    format!("{}.md", words.join("-"))
}

fn read(page: &str) -> String {
    let path = repository().join("docs/runbook").join(page);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

#[test]
fn the_name_of_a_page_is_that_of_its_alert() {
    assert_eq!(page_of("FleetLagHigh"), "fleet-lag-high.md");
    assert_eq!(
        page_of("FleetFreshnessSLOBurn"),
        "fleet-freshness-slo-burn.md"
    );
}

#[test]
fn every_alert_has_a_page_that_says_what_it_means_and_what_to_do() {
    let index = read("README.md");
    for name in names() {
        let page = page_of(&name);
        let text = read(&page);
        assert!(text.starts_with(&format!("# {name}\n")), "{page}");
        let places: Vec<_> = QUESTIONS
            .iter()
            .map(|question| text.find(question))
            .collect();
        assert!(
            places.iter().all(Option::is_some) && places.is_sorted(),
            "{page}: {places:?}"
        );
        assert!(text.contains("fleet "), "{page} names no command");
        assert!(
            index.contains(&format!("({page})")),
            "README.md does not list {page}"
        );
    }
    for alert in alerts() {
        let url = format!("runbook_url: docs/runbook/{}", page_of(&alert.name));
        let refers = alert.text.contains(&url) || alert.text.contains("annotations: *");
        assert!(refers, "{} has no {url}", alert.name);
    }
}

#[test]
fn every_page_of_an_alert_has_its_alert_and_every_page_is_listed() {
    let expected: BTreeSet<String> = names().iter().map(|name| page_of(name)).collect();
    let index = read("README.md");
    for path in pages() {
        let page = path.file_name().unwrap_or_default().to_string_lossy();
        let of_no_alert = page.starts_with("fleet-") && !expected.contains(page.as_ref());
        assert!(!of_no_alert, "{page} is about no alert");
        let is_listed = page == "README.md" || index.contains(&format!("({page})"));
        assert!(is_listed, "README.md does not list {page}");
    }
}

#[test]
fn every_link_of_the_runbook_leads_somewhere() {
    let mut count = 0;
    for page in pages() {
        let text = fs::read_to_string(&page).expect("a page is text");
        let links = text
            .split("](")
            .skip(1)
            .filter_map(|rest| rest.split(')').next());
        for link in links.filter(|link| !link.contains("://")) {
            let (file, _) = link.split_once('#').unwrap_or((link, ""));
            let folder = page.parent().expect("a page is in the runbook");
            let is_there = file.is_empty() || folder.join(file).exists();
            assert!(is_there, "{}: {link} leads nowhere", page.display());
            count += 1;
        }
    }
    assert!(count > 20, "only {count} links");
}
