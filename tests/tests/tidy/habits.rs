//! Habits of the code that no lint knows.

use super::finding::Finding;
use super::source::{Piece, Source};

/// Finds lints switched off and tests left out without saying why.
pub(crate) fn allowances_without_reason(source: &Source) -> Vec<Finding> {
    let tokens = &source.tokens;
    let mut found = Vec::new();
    for at in 0..tokens.len() {
        let inner = usize::from(text(tokens, at + 1) == "!");
        if text(tokens, at) != "#" || text(tokens, at + 1 + inner) != "[" {
            continue;
        }
        let attribute = attribute(&tokens[at + 2 + inner..]);
        let allows = attribute
            .windows(2)
            .any(|pair| matches!(pair[0].text.as_str(), "allow" | "expect") && pair[1].text == "(");
        let has_reason = attribute
            .windows(2)
            .any(|pair| pair[0].text == "reason" && pair[1].text == "=");
        let ignored = attribute.len() == 1 && attribute[0].text == "ignore";
        if (allows && !has_reason) || ignored {
            let words: Vec<&str> = attribute.iter().map(|token| token.text.as_str()).collect();
            found.push(Finding {
                path: source.path.clone(),
                line: tokens[at].line,
                what: format!("#[{}]", words.concat()),
                instead: "say why: `reason = \"…\"`, or `#[ignore = \"…\"]` for a test",
            });
        }
    }
    found
}

/// Finds what was to be done later.
pub(crate) fn left_undone(source: &Source) -> Vec<Finding> {
    ["todo", "unimplemented", "dbg"]
        .iter()
        .flat_map(|name| {
            source
                .find(&[*name, "!"])
                .map(Piece::clone)
                .collect::<Vec<_>>()
        })
        .map(|token| Finding {
            path: source.path.clone(),
            line: token.line,
            what: format!("{}!", token.text),
            instead: "finish it, or leave it out and open an issue",
        })
        .collect()
}

/// Finds tasks of the runtime that nobody waits for.
pub(crate) fn loose_tasks(source: &Source) -> Vec<Finding> {
    if !source.path.starts_with("shared/") && !source.path.starts_with("workers/") {
        return Vec::new();
    }
    [
        ["tokio", "::", "spawn"],
        ["task", "::", "spawn"],
        ["task", "::", "spawn_local"],
    ]
    .iter()
    .flat_map(|sequence| source.find(sequence).map(Piece::clone).collect::<Vec<_>>())
    .filter(|token| !source.is_test(token.line))
    .map(|token| Finding {
        path: source.path.clone(),
        line: token.line,
        what: "a bare tokio::spawn".to_owned(),
        instead: "use a TaskTracker, a JoinSet or join!, so that somebody waits for its end",
    })
    .collect()
}

/// Finds tests that hope that some time is enough. On a paused clock a sleep
/// costs nothing and is exact.
pub(crate) fn sleeping_tests(source: &Source) -> Vec<Finding> {
    let paused: Vec<_> = source
        .functions()
        .into_iter()
        .filter(|function| function.head.contains(&"start_paused"))
        .map(|function| function.lines)
        .collect();
    let sleeps = ["thread", "time"].map(|module| [module, "::", "sleep"]);
    let grouped = source
        .tokens
        .windows(3)
        .filter(|w| w[0].text == "time" && w[2].text == "{");
    let imported = grouped.filter(|w| {
        let after = source
            .tokens
            .iter()
            .skip_while(|token| !std::ptr::eq(*token, &w[2]));
        after
            .take_while(|token| token.text != "}")
            .any(|token| token.text == "sleep")
    });
    sleeps
        .iter()
        .flat_map(|sequence| source.find(sequence).collect::<Vec<_>>())
        .chain(imported.map(|window| &window[0]))
        .filter(|token| source.is_test(token.line))
        .filter(|token| !paused.iter().any(|lines| lines.contains(&token.line)))
        .map(|token| Finding {
            path: source.path.clone(),
            line: token.line,
            what: "a sleep in a test".to_owned(),
            instead: "wait on a signal of what should have happened, within a timeout",
        })
        .collect()
}

fn text(tokens: &[Piece], at: usize) -> &str {
    tokens.get(at).map_or("", |token| token.text.as_str())
}

/// The tokens up to the bracket that closes the attribute.
fn attribute(tokens: &[Piece]) -> &[Piece] {
    let mut depth = 1;
    let end = tokens.iter().position(|token| {
        match token.text.as_str() {
            "[" => depth += 1,
            "]" => depth -= 1,
            _ => {}
        }
        depth == 0
    });
    &tokens[..end.unwrap_or(tokens.len())]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_allowance_needs_a_reason() {
        let check = |text: &str, expected: usize| {
            let found = allowances_without_reason(&Source::new("src/a.rs", text));
            assert_eq!(found.len(), expected, "{text}");
        };
        check("#[allow(dead_code)]\nfn a() {}", 1);
        check("#![allow(dead_code)]", 1);
        check("#[expect(\n    dead_code,\n)]\nfn a() {}", 1);
        check("#[cfg_attr(test, allow(dead_code))]\nfn a() {}", 1);
        check(
            "#[allow(dead_code, reason = \"read by the debugger\")]\nfn a() {}",
            0,
        );
        check("#[ignore]\nfn a() {}", 1);
        check("#[ignore = \"needs a queue at AWS\"]\nfn a() {}", 0);
        check("fn a() { option.expect(\"x\"); }", 0);
        check("// #[allow(dead_code)]", 0);
    }

    #[test]
    fn what_is_left_undone_is_found() {
        assert_eq!(
            left_undone(&Source::new("src/a.rs", "fn a() { todo!() }")).len(),
            1
        );
        assert_eq!(
            left_undone(&Source::new("src/a.rs", "fn a() { dbg!(1); }")).len(),
            1
        );
        assert!(left_undone(&Source::new("src/a.rs", "fn a() { \"todo!\"; }")).is_empty());
    }

    #[test]
    fn a_loose_task_is_found() {
        let check = |path: &str, text: &str, expected: usize| {
            assert_eq!(
                loose_tasks(&Source::new(path, text)).len(),
                expected,
                "{path}: {text}"
            );
        };
        check("shared/fleet/src/a.rs", "fn a() { tokio::spawn(b()); }", 1);
        check(
            "shared/fleet/src/a.rs",
            "fn a() { tokio::task::spawn(b()); }",
            1,
        );
        check("shared/fleet/src/a.rs", "fn a() { tracker.spawn(b()); }", 0);
        check(
            "shared/fleet/src/a.rs",
            "fn a() { tokio::task::spawn_blocking(b); }",
            0,
        );
        check(
            "shared/fleet/src/a.rs",
            "#[cfg(test)]\nmod t { fn a() { tokio::spawn(b()); } }",
            0,
        );
        check("tests/tests/a.rs", "fn a() { tokio::spawn(b()); }", 0);
    }

    #[test]
    fn a_sleeping_test_is_found() {
        let check = |path: &str, text: &str, expected: usize| {
            assert_eq!(
                sleeping_tests(&Source::new(path, text)).len(),
                expected,
                "{path}: {text}"
            );
        };
        check("tests/tests/a.rs", "fn a() { std::thread::sleep(d); }", 1);
        check(
            "tests/tests/a.rs",
            "async fn a() { tokio::time::sleep(d).await; }",
            1,
        );
        check("tests/tests/a.rs", "use tokio::time::{Duration, sleep};", 1);
        check("src/a.rs", "use tokio::time::sleep;", 0);
        check(
            "src/a.rs",
            "#[cfg(test)]\nmod tests { fn a() { time::sleep(d); } }",
            1,
        );
        check(
            "tests/tests/a.rs",
            "#[tokio::test(start_paused = true)]\nasync fn a() { time::sleep(d); }",
            0,
        );
    }
}
