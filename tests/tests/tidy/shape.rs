//! Sizes and names.

use super::finding::Finding;
use super::source::Source;

/// Without tests; 120 is usual, 300 is a lot.
const FILE_LINES_MAX: usize = 300;

/// A screen.
const FUNCTION_LINES_MAX: usize = 70;

/// Words that say nothing about a thing.
const VAGUE: &[&str] = &["Manager", "Helper", "Util"];

/// Finds files that hold more than one noun, most likely.
pub(crate) fn long_files(source: &Source) -> Vec<Finding> {
    let count = source.product_line_count();
    let finding = || Finding {
        path: source.path.clone(),
        line: 1,
        what: format!("has {count} lines without its tests, more than {FILE_LINES_MAX}"),
        instead: "one noun a file: find the second noun and give it a file of its own",
    };
    (count > FILE_LINES_MAX).then(finding).into_iter().collect()
}

/// Finds functions that do not fit on a screen.
pub(crate) fn long_functions(source: &Source) -> Vec<Finding> {
    source
        .functions()
        .into_iter()
        .map(|function| (function.lines.clone().count(), function))
        .filter(|(count, _)| *count > FUNCTION_LINES_MAX)
        .map(|(count, function)| Finding {
            path: source.path.clone(),
            line: *function.lines.start(),
            what: format!("fn {} has {count} lines, more than {FUNCTION_LINES_MAX}", function.name),
            instead: "keep the control flow here and move the leaves into functions named by their effect",
        })
        .collect()
}

/// Finds files and types named for being there, not for what they are.
pub(crate) fn vague_names(source: &Source) -> Vec<Finding> {
    let finding = |line, what| Finding {
        path: source.path.clone(),
        line,
        what,
        instead: "name the role: Receiver, Router, Lease, Relay",
    };
    let mut found = Vec::new();
    let file = source
        .path
        .rsplit('/')
        .next()
        .unwrap_or_default()
        .trim_end_matches(".rs");
    if VAGUE
        .iter()
        .any(|word| file.trim_end_matches('s').eq_ignore_ascii_case(word))
    {
        found.push(finding(1, format!("the file is called `{file}`")));
    }
    for pair in source.tokens.windows(2) {
        let names = matches!(
            pair[0].text.as_str(),
            "struct" | "enum" | "trait" | "type" | "union"
        );
        if names && VAGUE.iter().any(|word| pair[1].text.contains(word)) {
            found.push(finding(
                pair[1].line,
                format!("{} `{}`", pair[0].text, pair[1].text),
            ));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_file_is_found_and_its_tests_do_not_count() {
        let long = "fn a() {}\n".repeat(FILE_LINES_MAX + 1);
        assert_eq!(long_files(&Source::new("src/a.rs", &long)).len(), 1);
        let tested = format!("fn a() {{}}\n#[cfg(test)]\nmod tests {{\n{long}}}\n");
        assert!(long_files(&Source::new("src/a.rs", &tested)).is_empty());
    }

    #[test]
    fn a_long_function_is_found() {
        let check = |lines: usize, expected: usize| {
            let text = format!("fn a() {{\n{}}}\n", "b();\n".repeat(lines - 2));
            assert_eq!(
                long_functions(&Source::new("src/a.rs", &text)).len(),
                expected,
                "{lines}"
            );
        };
        check(FUNCTION_LINES_MAX, 0);
        check(FUNCTION_LINES_MAX + 1, 1);
    }

    #[test]
    fn a_vague_name_is_found() {
        let check = |path: &str, text: &str, expected: usize| {
            assert_eq!(
                vague_names(&Source::new(path, text)).len(),
                expected,
                "{path}: {text}"
            );
        };
        check("src/a.rs", "struct QueueManager;", 1);
        check("src/a.rs", "pub(crate) trait HelperExt {}", 1);
        check("src/a.rs", "type StringUtils = u8;", 1);
        check("src/a.rs", "struct Lease; // a Manager of old", 0);
        check("src/a.rs", "fn f(m: other::Manager) {}", 0);
        check("src/utils.rs", "", 1);
        check("src/helper.rs", "", 1);
        check("src/utility_bill.rs", "", 0);
    }
}
