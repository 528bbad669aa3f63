//! What a page promises, a test shows.

use std::collections::BTreeSet;

use super::finding::Finding;
use super::tree::Text;

/// Where the promises stand, with the tests that hold them up.
const PAGE: &str = "docs/reliability.md";

/// A name in code marks with so many words is that of a test.
const WORDS_MIN: usize = 4;

/// Finds tests that the page names and nobody has written, and promises without any.
pub(crate) fn missing(files: &[Text]) -> Vec<Finding> {
    let page = files.iter().find(|file| file.path == PAGE);
    let Some(page) = page else {
        return vec![finding(1, "is not there".to_owned())];
    };
    let tests: BTreeSet<&str> = files
        .iter()
        .filter(|file| file.path.ends_with(".rs"))
        .flat_map(|file| file.text.split("fn ").skip(1))
        .filter_map(|rest| rest.split_once('(').map(|(name, _)| name))
        .collect();
    let mut found = Vec::new();
    let mut promise: Option<(usize, &str, usize)> = None;
    for (line, number) in page.text.lines().zip(1..) {
        if let Some(title) = line.strip_prefix("## ") {
            found.extend(promise.take().and_then(without_tests));
            let is_promise = title.starts_with(|first: char| first.is_ascii_digit());
            promise = is_promise.then_some((number, title, 0));
        }
        for name in named(line) {
            if let Some((_, _, count)) = &mut promise {
                *count += 1;
            }
            if !tests.contains(name) {
                found.push(finding(number, format!("names the test {name}")));
            }
        }
    }
    found.extend(promise.and_then(without_tests));
    found
}

/// Returns what stands in code marks on a line and is the name of a test.
fn named(line: &str) -> impl Iterator<Item = &str> {
    let marked = line.split('`').skip(1).step_by(2);
    marked.filter(|text| {
        let is_name = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
        text.chars().all(is_name) && text.split('_').count() >= WORDS_MIN
    })
}

fn without_tests((line, title, count): (usize, &str, usize)) -> Option<Finding> {
    (count == 0).then(|| finding(line, format!("promises without a test: {title}")))
}

fn finding(line: usize, what: String) -> Finding {
    Finding {
        path: PAGE.to_owned(),
        line,
        what,
        instead: "name a test that is there, by its function",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_test_that_is_not_there_and_a_promise_without_one_are_found() {
        let file = |path: &str, text: &str| Text {
            path: path.to_owned(),
            text: text.to_owned(),
        };
        let tests = file("a.rs", "async fn a_lost_lease_ends() {}");
        let check = |page: &str, expected: &[usize]| {
            let files = [file(PAGE, page), file("b.rs", &tests.text)];
            let lines: Vec<usize> = missing(&files).iter().map(|found| found.line).collect();
            assert_eq!(lines, expected, "{page}");
        };
        check("## 1. Leases\n`a_lost_lease_ends`, `consume_suite`\n", &[]);
        check("## 1. Leases\n`a_lost_lease_is_found`\n", &[2]);
        check("## 1. Leases\n`some_suite`\n## Not numbered\n", &[1]);
        check("## 2. Last\n", &[1]);
        assert_eq!(missing(&[tests]).len(), 1);
    }
}
