//! `infra/Dockerfile`, read as a builder reads it: what its stages do, and what the image is told.

use std::collections::BTreeMap;

use crate::programs::repository;

/// A Dockerfile whose arguments have been given.
#[derive(Debug)]
pub struct Dockerfile {
    stages: Vec<Vec<Instruction>>,
}

/// One instruction, its lines joined and its arguments filled in.
#[derive(Clone, Debug)]
struct Instruction {
    keyword: String,
    rest: String,
}

impl Dockerfile {
    /// Reads the one of the fleet with these build arguments.
    pub fn read(arguments: &[(&str, &str)]) -> Self {
        let path = repository().join("infra/Dockerfile");
        let text = std::fs::read_to_string(path).expect("infra/Dockerfile is readable");
        Self::parse(&text, arguments)
    }

    fn parse(text: &str, arguments: &[(&str, &str)]) -> Self {
        let mut stages: Vec<Vec<Instruction>> = Vec::new();
        for Instruction { keyword, mut rest } in instructions(text) {
            // A shell fills in what it runs by itself.
            if keyword != "RUN" {
                for (name, value) in arguments {
                    rest = rest.replace(&format!("${{{name}}}"), value);
                }
            }
            match keyword.as_str() {
                "FROM" => stages.push(vec![Instruction { keyword, rest }]),
                // Before the first stage there are only defaults of arguments.
                _ => stages
                    .last_mut()
                    .map_or((), |stage| stage.push(Instruction { keyword, rest })),
            }
        }
        Self { stages }
    }

    /// Returns the commands that the first stage runs, each as a line for a shell.
    pub fn build_commands(&self) -> Vec<&str> {
        let first = self.stages.first().expect("there is a stage");
        let runs = first.iter().filter(|one| one.keyword == "RUN");
        runs.map(|one| past_flags(&one.rest)).collect()
    }

    /// Returns what the last stage copies from another one, as pairs of from and to.
    pub fn copies(&self) -> Vec<(&str, &str)> {
        let copies = self.all("COPY").into_iter().map(past_flags);
        copies
            .map(|rest| rest.split_once(' ').expect("from and to"))
            .collect()
    }

    /// Returns the keywords of the last stage.
    pub fn keywords(&self) -> Vec<&str> {
        self.last().iter().map(|one| one.keyword.as_str()).collect()
    }

    /// Returns an instruction of the last stage that stands there once, such as `USER`.
    ///
    /// # Panics
    ///
    /// It is not there, or several times.
    pub fn the<'a>(&'a self, keyword: &str) -> &'a str {
        let found = self.all(keyword);
        assert_eq!(found.len(), 1, "{keyword} in the last stage: {found:?}");
        found[0]
    }

    /// Returns a command of the last stage in its exec form.
    ///
    /// # Panics
    ///
    /// It needs a shell.
    pub fn exec(&self, keyword: &str) -> Vec<String> {
        let rest = past_flags(self.the(keyword));
        let list = rest.strip_prefix("CMD ").unwrap_or(rest);
        serde_json::from_str(list)
            .unwrap_or_else(|error| panic!("{keyword} {rest} is no list of words: {error}"))
    }

    /// Returns the pairs that `ENV` or `LABEL` set in the last stage.
    pub fn pairs(&self, keyword: &str) -> BTreeMap<String, String> {
        let lines = self.all(keyword).join(" ");
        let mut pairs = BTreeMap::new();
        let mut rest = lines.as_str();
        while let Some((name, after)) = rest.split_once('=') {
            let (value, next) = match after.strip_prefix('"') {
                Some(quoted) => quoted.split_once('"').expect("a quote is closed"),
                None => after.split_once(' ').unwrap_or((after, "")),
            };
            pairs.insert(name.trim().to_owned(), value.to_owned());
            rest = next;
        }
        pairs
    }

    fn all(&self, keyword: &str) -> Vec<&str> {
        let of_keyword = self.last().iter().filter(|one| one.keyword == keyword);
        of_keyword.map(|one| one.rest.as_str()).collect()
    }

    fn last(&self) -> &[Instruction] {
        self.stages.last().expect("there is a stage")
    }
}

/// Joins lines, and leaves comments out, also those between joined lines.
fn instructions(text: &str) -> Vec<Instruction> {
    let lines = text.lines().filter(|line| !line.trim().starts_with('#'));
    let joined = lines.collect::<Vec<_>>().join("\n").replace("\\\n", " ");
    let lines = joined.lines().filter(|line| !line.trim().is_empty());
    let split = lines.map(|line| {
        let (keyword, rest) = line
            .split_once(' ')
            .expect("a keyword and what it is about");
        let words: Vec<&str> = rest.split_whitespace().collect();
        Instruction {
            keyword: keyword.to_owned(),
            rest: words.join(" "),
        }
    });
    split.collect()
}

/// Skips flags such as `--from=build`.
fn past_flags(rest: &str) -> &str {
    let mut rest = rest;
    while let Some((_, after)) = rest
        .split_once(' ')
        .filter(|(word, _)| word.starts_with("--"))
    {
        rest = after;
    }
    rest
}

#[cfg(test)]
mod tests {
    use super::*;

    const SAMPLE: &str = "# A sample.\nARG BASE=one\nFROM ${BASE} AS build\nRUN --mount=type=cache,target=/x \\\n    # why\n    make ${WHAT:?} \\\n    && cp a b\n\nFROM two\nARG WHAT\nLABEL a=\"x ${WHAT}\" \\\n      b=y\nENV A=1\nENV B=2\nCOPY --from=build /b /c\nHEALTHCHECK --interval=1s CMD [\"/c\", \"d\"]\nENTRYPOINT [\"/c\"]\n";

    #[test]
    fn it_is_read_as_a_builder_reads_it() {
        let file = Dockerfile::parse(SAMPLE, &[("WHAT", "w")]);
        assert_eq!(file.build_commands(), ["make ${WHAT:?} && cp a b"]);
        assert_eq!(file.copies(), [("/b", "/c")]);
        assert_eq!(file.exec("HEALTHCHECK"), ["/c", "d"]);
        assert_eq!(file.exec("ENTRYPOINT"), ["/c"]);
        let labels = file.pairs("LABEL");
        assert_eq!((labels["a"].as_str(), labels["b"].as_str()), ("x w", "y"));
        assert_eq!(file.pairs("ENV").len(), 2);
        assert_eq!(file.keywords().first(), Some(&"FROM"));
    }
}
