//! A Rust file as the rules see it: words, literals and comments apart, each
//! with its line, and what of it is test code.

use std::ops::RangeInclusive;

/// One Rust file.
#[derive(Debug)]
pub(crate) struct Source {
    pub(crate) path: String,
    pub(crate) line_count: usize,
    /// Words and signs; `::` is one sign.
    pub(crate) tokens: Vec<Piece>,
    /// The contents of string literals.
    pub(crate) strings: Vec<Piece>,
    test_lines: Vec<RangeInclusive<usize>>,
}

/// A piece of a file and the line it starts on, counted from 1.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Piece {
    pub(crate) text: String,
    pub(crate) line: usize,
}

/// A function with a body.
#[derive(Debug)]
pub(crate) struct Function<'a> {
    pub(crate) name: &'a str,
    pub(crate) lines: RangeInclusive<usize>,
    /// The words of its attributes and qualifiers.
    pub(crate) head: Vec<&'a str>,
}

impl Source {
    pub(crate) fn new(path: impl Into<String>, text: &str) -> Self {
        let mut lexer = Lexer {
            rest: text,
            line: 1,
            tokens: Vec::new(),
            strings: Vec::new(),
        };
        lexer.run();
        let Lexer {
            tokens, strings, ..
        } = lexer;
        let test_lines = test_lines(&tokens);
        Self {
            path: path.into(),
            line_count: text.lines().count(),
            tokens,
            strings,
            test_lines,
        }
    }

    /// Tells whether a line is compiled for tests only.
    pub(crate) fn is_test(&self, line: usize) -> bool {
        self.is_test_file() || self.test_lines.iter().any(|lines| lines.contains(&line))
    }

    pub(crate) fn is_test_file(&self) -> bool {
        let path = &self.path;
        path.starts_with("tests/") || path.contains("/tests/") || path.ends_with("/tests.rs")
    }

    /// Lines that are not test code.
    pub(crate) fn product_line_count(&self) -> usize {
        (1..=self.line_count)
            .filter(|line| !self.is_test(*line))
            .count()
    }

    /// Finds each place where these tokens follow one another.
    pub(crate) fn find<'a>(&'a self, sequence: &'a [&str]) -> impl Iterator<Item = &'a Piece> {
        self.tokens
            .windows(sequence.len())
            .filter(move |window| {
                window
                    .iter()
                    .zip(sequence)
                    .all(|(token, word)| token.text == *word)
            })
            .map(|window| &window[0])
    }

    pub(crate) fn functions(&self) -> Vec<Function<'_>> {
        let mut found = Vec::new();
        for (at, token) in self
            .tokens
            .iter()
            .enumerate()
            .filter(|(_, token)| token.text == "fn")
        {
            let Some(name) = self.tokens.get(at + 1).filter(|next| is_word(&next.text)) else {
                continue;
            };
            let Some(open) = body(&self.tokens, at) else {
                continue;
            };
            let close = matching_brace(&self.tokens, open);
            let start = self.tokens[..at]
                .iter()
                .rposition(|before| matches!(before.text.as_str(), "}" | "{" | ";"))
                .map_or(0, |end| end + 1);
            found.push(Function {
                name: &name.text,
                lines: token.line..=self.tokens[close].line,
                head: self.tokens[start..at]
                    .iter()
                    .map(|token| token.text.as_str())
                    .collect(),
            });
        }
        found
    }
}

fn is_word(text: &str) -> bool {
    text.starts_with(|first: char| first.is_alphabetic() || first == '_')
}

/// The opening brace of the item that starts at `at`; `None` where it ends with
/// a semicolon.
fn body(tokens: &[Piece], at: usize) -> Option<usize> {
    let mut depth = 0;
    for (index, token) in tokens.iter().enumerate().skip(at) {
        match token.text.as_str() {
            "(" | "[" => depth += 1,
            ")" | "]" => depth -= 1,
            "{" if depth == 0 => return Some(index),
            ";" if depth == 0 => return None,
            _ => {}
        }
    }
    None
}

fn matching_brace(tokens: &[Piece], open: usize) -> usize {
    let mut depth = 0;
    for (index, token) in tokens.iter().enumerate().skip(open) {
        match token.text.as_str() {
            "{" => depth += 1,
            "}" => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return index;
        }
    }
    tokens.len() - 1
}

/// The lines of items under `#[cfg(test)]` or `#[cfg(all(test, …))]`.
fn test_lines(tokens: &[Piece]) -> Vec<RangeInclusive<usize>> {
    let text = |index: usize| tokens.get(index).map(|token| token.text.as_str());
    let mut found = Vec::new();
    for at in 0..tokens.len() {
        let simple = text(at) == Some("#") && text(at + 2) == Some("cfg");
        let test = text(at + 4) == Some("test")
            || (text(at + 4) == Some("all") && text(at + 6) == Some("test"));
        if !(simple && test) {
            continue;
        }
        let end = match body(tokens, at) {
            Some(open) => matching_brace(tokens, open),
            None => tokens[at..]
                .iter()
                .position(|token| token.text == ";")
                .map_or(tokens.len() - 1, |length| at + length),
        };
        found.push(tokens[at].line..=tokens[end].line);
    }
    found
}

/// Takes a file apart; it knows just enough of Rust to tell code from text.
struct Lexer<'a> {
    rest: &'a str,
    line: usize,
    tokens: Vec<Piece>,
    strings: Vec<Piece>,
}

impl Lexer<'_> {
    fn run(&mut self) {
        while let Some(first) = self.rest.chars().next() {
            if self.rest.starts_with("//") {
                let end = self.rest.find('\n').unwrap_or(self.rest.len());
                self.take(end);
            } else if self.rest.starts_with("/*") {
                self.block_comment();
            } else if let Some(hashes) = raw_string(self.rest) {
                self.raw_string(hashes);
            } else if first == '"' {
                self.string();
            } else if first == '\'' {
                self.quote();
            } else if first.is_alphanumeric() || first == '_' {
                let end = self.rest.find(|c: char| !(c.is_alphanumeric() || c == '_'));
                let end = end.unwrap_or(self.rest.len());
                self.token(end);
            } else if first.is_whitespace() {
                self.take(first.len_utf8());
            } else {
                self.token(if self.rest.starts_with("::") {
                    2
                } else {
                    first.len_utf8()
                });
            }
        }
    }

    fn take(&mut self, length: usize) -> String {
        let (taken, rest) = self.rest.split_at(length);
        self.line += taken.matches('\n').count();
        self.rest = rest;
        taken.to_owned()
    }

    fn token(&mut self, length: usize) {
        let line = self.line;
        let text = self.take(length);
        self.tokens.push(Piece { text, line });
    }

    /// Block comments nest.
    fn block_comment(&mut self) {
        let mut depth = 0;
        loop {
            if self.rest.starts_with("/*") {
                depth += 1;
                self.take(2);
            } else if self.rest.starts_with("*/") {
                depth -= 1;
                self.take(2);
            } else if let Some(next) = self.rest.chars().next() {
                self.take(next.len_utf8());
            }
            if depth == 0 || self.rest.is_empty() {
                return;
            }
        }
    }

    fn raw_string(&mut self, hashes: usize) {
        let open = self.rest.find('"').expect("a raw string has a quote") + 1;
        self.take(open);
        let close = format!("\"{}", "#".repeat(hashes));
        let length = self.rest.find(&close).unwrap_or(self.rest.len());
        self.literal(length);
        self.take(close.len().min(self.rest.len()));
    }

    fn string(&mut self) {
        self.take(1);
        let mut escaped = false;
        let end = self.rest.find(|c: char| {
            let ends = c == '"' && !escaped;
            escaped = c == '\\' && !escaped;
            ends
        });
        self.literal(end.unwrap_or(self.rest.len()));
        self.take(1.min(self.rest.len()));
    }

    fn literal(&mut self, length: usize) {
        let line = self.line;
        let text = self.take(length);
        self.strings.push(Piece { text, line });
    }

    /// A character, or a lifetime, which has no closing quote.
    fn quote(&mut self) {
        let mut chars = self.rest.char_indices().skip(1);
        let length = match chars.next() {
            Some((_, '\\')) => self.rest[3..].find('\'').map(|end| end + 4),
            Some(_) => chars
                .next()
                .filter(|(_, next)| *next == '\'')
                .map(|(at, _)| at + 1),
            None => None,
        };
        self.take(length.unwrap_or(1));
    }
}

/// How many hashes the raw string has that starts here.
fn raw_string(text: &str) -> Option<usize> {
    let text = text
        .strip_prefix('b')
        .or_else(|| text.strip_prefix('c'))
        .unwrap_or(text);
    let hashes = text.strip_prefix('r')?;
    let count = hashes.len() - hashes.trim_start_matches('#').len();
    hashes[count..].starts_with('"').then_some(count)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<String> {
        Source::new("a.rs", text)
            .tokens
            .into_iter()
            .map(|token| token.text)
            .collect()
    }

    #[test]
    fn comments_and_literals_are_no_code() {
        let check =
            |text: &str, expected: &str| assert_eq!(words(text).join(" "), expected, "{text}");
        check("a // b\nc", "a c");
        check("a /* b /* c */ d */ e", "a e");
        check(r#"a("b \" c", d)"#, "a ( , d )");
        check(r###"a(r#"b " c"#, d)"###, "a ( , d )");
        check("fn f<'a>(x: &'a str) {}", "fn f < a > ( x : & a str ) { }");
        check("['x', '\\'', '\\u{1F}', b'y', 'é']", "[ , , , b , ]");
        check("tokio::time", "tokio :: time");
        check("r#type", "r # type");
    }

    #[test]
    fn literals_know_their_lines() {
        let source = Source::new(
            "a.rs",
            "f(\n\"one\ntwo\", \"three\")\n// \"four\"\n\"five\"",
        );
        let found: Vec<_> = source
            .strings
            .iter()
            .map(|s| (s.line, s.text.as_str()))
            .collect();
        assert_eq!(found, [(2, "one\ntwo"), (3, "three"), (5, "five")]);
    }

    #[test]
    fn test_code_is_told_from_product_code() {
        let source = Source::new(
            "src/a.rs",
            "fn a() {}\n#[cfg(test)]\nuse b;\nfn c() {}\n#[cfg(test)]\nmod tests {\n}\n",
        );
        let tests: Vec<usize> = (1..=7).filter(|line| source.is_test(*line)).collect();
        assert_eq!(tests, [2, 3, 5, 6, 7]);
        assert_eq!(source.product_line_count(), 2);
    }

    #[test]
    fn functions_are_found_with_their_lines() {
        let source = Source::new(
            "src/a.rs",
            "trait T { fn none(&self) -> [u8; 2]; }\n#[test]\nasync fn two(f: fn(u8)) {\n{}\n}\n",
        );
        let functions = source.functions();
        assert_eq!(functions.len(), 1);
        assert_eq!(
            (functions[0].name, functions[0].lines.clone()),
            ("two", 3..=5)
        );
        assert!(functions[0].head.contains(&"test"));
    }
}
