//! White space, in every file that somebody wrote.

use super::finding::Finding;
use super::tree::Text;

/// Finds tabs, white space at line ends, and files without one final newline.
pub(crate) fn untidy(file: &Text) -> Vec<Finding> {
    let finding = |line, what: &str, instead| Finding {
        path: file.path.clone(),
        line,
        what: what.to_owned(),
        instead,
    };
    let mut found = Vec::new();
    let tabs = file.path.ends_with("Makefile");
    for (line, number) in file.text.split('\n').zip(1..) {
        if line.contains('\t') && !tabs {
            found.push(finding(
                number,
                "has a tab",
                "use spaces; in a string write \\t",
            ));
        }
        if line.ends_with([' ', '\t', '\r']) {
            found.push(finding(number, "ends with white space", "take it away"));
        }
    }
    let ends = file.text.is_empty() || (file.text.ends_with('\n') && !file.text.ends_with("\n\n"));
    if !ends {
        let last = file.text.lines().count();
        found.push(finding(
            last,
            "does not end with one newline",
            "end it with exactly one",
        ));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn untidy_text_is_found() {
        let check = |path: &str, text: &str, expected: &[usize]| {
            let file = Text {
                path: path.to_owned(),
                text: text.to_owned(),
            };
            let lines: Vec<usize> = untidy(&file).iter().map(|finding| finding.line).collect();
            assert_eq!(lines, expected, "{path}: {text:?}");
        };
        check("a.md", "one\ntwo\n", &[]);
        check("a.md", "", &[]);
        check("a.md", "one \ntwo\n", &[1]);
        check("a.md", "one\r\n", &[1]);
        check("a.md", "one\n\ttwo\n", &[2]);
        check("Makefile", "one:\n\ttwo\n", &[]);
        check("a.md", "one", &[1]);
        check("a.md", "one\n\n", &[2]);
    }
}
