//! Who may know whom: rooms, the files in them, and the libraries that one
//! file alone speaks to.

use std::collections::HashMap;

use super::finding::Finding;
use super::source::Source;

/// The rooms of the runtime in reading order; each uses only those above it.
pub(crate) const ROOMS: &[&str] = &[
    "service",
    "message",
    "queue",
    "store",
    "dead_letter",
    "relay",
    "consume",
    "upkeep",
    "testing",
];

const RUNTIME: &str = "shared/fleet/src/";

/// A library, by the words that begin its path, and the files that may name it.
struct Knowledge {
    is: fn(&str) -> bool,
    files: &'static [&'static str],
    instead: &'static str,
}

const KNOWLEDGE: &[Knowledge] = &[
    Knowledge {
        is: |word| word.starts_with("aws_"),
        files: &["queue/sqs.rs", "queue/sqs/"],
        instead: "speak to SQS through the trait in queue/; the AWS SDK is named in queue/sqs/ only",
    },
    Knowledge {
        is: |word| word == "backoff",
        files: &["service/retry.rs"],
        instead: "retry through service::retry, the only file that names `backoff`",
    },
    Knowledge {
        is: |word| matches!(word, "tokio_postgres" | "deadpool_postgres"),
        files: &["store/", "testing/database.rs"],
        instead: "speak to Postgres through the store; its drivers are named in store/ only",
    },
    Knowledge {
        is: |word| word == "sqs_local",
        files: &["testing/"],
        instead: "the runtime speaks to SQS; the server in memory is for testing/ only",
    },
];

/// Finds libraries named outside the file that knows them.
pub(crate) fn only_one_knows(source: &Source) -> Vec<Finding> {
    let Some(file) = source.path.strip_prefix(RUNTIME) else {
        return Vec::new();
    };
    let mut found = Vec::new();
    for (at, token) in source
        .tokens
        .iter()
        .enumerate()
        .filter(|(_, t)| !source.is_test(t.line))
    {
        let starts_path = source
            .tokens
            .get(at + 1)
            .is_some_and(|next| next.text == "::")
            && (at == 0 || source.tokens[at - 1].text != "::");
        for knowledge in KNOWLEDGE
            .iter()
            .filter(|knowledge| (knowledge.is)(&token.text))
        {
            let knows = knowledge
                .files
                .iter()
                .any(|known| file == *known || (known.ends_with('/') && file.starts_with(known)));
            if starts_path && !knows {
                found.push(Finding {
                    path: source.path.clone(),
                    line: token.line,
                    what: format!("names `{}`", token.text),
                    instead: knowledge.instead,
                });
            }
        }
    }
    found
}

/// Finds rooms that use a room below them.
pub(crate) fn rooms(source: &Source, rooms: &[&str]) -> Vec<Finding> {
    let Some((room, _)) = source
        .path
        .strip_prefix(RUNTIME)
        .and_then(|file| file.split_once('/'))
    else {
        return Vec::new();
    };
    let finding = |line, what| Finding {
        path: source.path.clone(),
        line,
        what,
        instead: "a room uses only rooms above it; move what both need upwards, or turn the call around",
    };
    let Some(own) = rooms.iter().position(|name| *name == room) else {
        return vec![finding(
            1,
            format!("`{room}` is no room; ROOMS in layers.rs lists them"),
        )];
    };
    crate_paths(source)
        .into_iter()
        .filter(|(line, _)| !source.is_test(*line))
        .filter_map(|(line, path)| {
            let used = rooms.iter().position(|name| path.first() == Some(name))?;
            (used > own).then(|| finding(line, format!("`{room}` uses `{}`", rooms[used])))
        })
        .collect()
}

/// Finds files that use a file declared below them in the same `mod.rs`.
pub(crate) fn files_of_rooms(sources: &[Source]) -> Vec<Finding> {
    let mut order: HashMap<String, Vec<&str>> = HashMap::new();
    for source in sources {
        let Some(file) = source.path.strip_prefix(RUNTIME) else {
            continue;
        };
        let folder = file
            .strip_suffix("/mod.rs")
            .or_else(|| file.strip_suffix(".rs"));
        let Some(folder) = folder.filter(|folder| *folder != "lib") else {
            continue;
        };
        let declared = source
            .tokens
            .windows(3)
            .filter(|w| w[0].text == "mod" && w[2].text == ";");
        order.insert(
            folder.to_owned(),
            declared.map(|w| w[1].text.as_str()).collect(),
        );
    }
    let mut found = Vec::new();
    for source in sources {
        let Some(module) = module_of(source) else {
            continue;
        };
        let Some((name, folder)) = module.split_last() else {
            continue;
        };
        let Some(list) = order.get(&folder.join("/")) else {
            continue;
        };
        let Some(own) = list.iter().position(|file| file == name) else {
            continue;
        };
        for (line, path) in crate_paths(source) {
            let inside = path.strip_prefix(folder).and_then(|below| below.first());
            let used = inside.and_then(|file| list.iter().position(|name| name == file));
            if let Some(used) = used.filter(|used| *used > own && !source.is_test(line)) {
                found.push(Finding {
                    path: source.path.clone(),
                    line,
                    what: format!("`{name}` uses `{}`, which is declared below it", list[used]),
                    instead: "a file uses only files above it in the module list; reorder the list or move the type",
                });
            }
        }
    }
    found
}

/// `["store", "postgres"]` for `shared/fleet/src/store/postgres.rs`.
fn module_of(source: &Source) -> Option<Vec<&str>> {
    let file = source.path.strip_prefix(RUNTIME)?;
    let module = file
        .strip_suffix("/mod.rs")
        .or_else(|| file.strip_suffix(".rs"))?;
    (module != "lib").then(|| module.split('/').collect())
}

/// Every path that starts at the crate, with its line: `crate::a::b` and
/// `super::b` give `["a", "b"]`, and each branch of a `{…}` gives one.
fn crate_paths(source: &Source) -> Vec<(usize, Vec<&str>)> {
    let Some(module) = module_of(source) else {
        return Vec::new();
    };
    let mut found = Vec::new();
    for (at, token) in source.tokens.iter().enumerate() {
        let continued = at > 0 && source.tokens[at - 1].text == "::";
        let base = match token.text.as_str() {
            "crate" if !continued => Vec::new(),
            "super" if !continued => module[..module.len() - 1].to_vec(),
            _ => continue,
        };
        follow(source, at + 1, base, &mut found);
    }
    found
}

/// Follows a path from the token after its first word; returns where it ends.
fn follow<'a>(
    source: &'a Source,
    mut at: usize,
    mut path: Vec<&'a str>,
    found: &mut Vec<(usize, Vec<&'a str>)>,
) -> usize {
    let text = |at: usize| {
        source
            .tokens
            .get(at)
            .map_or("", |token| token.text.as_str())
    };
    let line = source.tokens[at.min(source.tokens.len() - 1)].line;
    while text(at) == "::" {
        match text(at + 1) {
            "{" => return follow_group(source, at + 2, &path, found),
            "super" => drop(path.pop()),
            word => path.push(word),
        }
        at += 2;
    }
    found.push((line, path));
    at
}

fn follow_group<'a>(
    source: &'a Source,
    mut at: usize,
    path: &[&'a str],
    found: &mut Vec<(usize, Vec<&'a str>)>,
) -> usize {
    let text = |at: usize| {
        source
            .tokens
            .get(at)
            .map_or("}", |token| token.text.as_str())
    };
    while text(at) != "}" {
        match text(at) {
            "," => at += 1,
            "as" => at += 2,
            word => {
                let branch = path.iter().copied().chain([word]).collect();
                at = follow(source, at + 1, branch, found);
            }
        }
    }
    at + 1
}

#[cfg(test)]
mod tests {
    use super::*;

    fn in_runtime(file: &str, text: &str) -> Source {
        Source::new(format!("{RUNTIME}{file}"), text)
    }

    #[test]
    fn a_library_is_known_in_its_own_file_only() {
        let check = |file: &str, text: &str, expected: usize| {
            assert_eq!(
                only_one_knows(&in_runtime(file, text)).len(),
                expected,
                "{file}: {text}"
            );
        };
        check("queue/sqs.rs", "use aws_sdk_sqs::Client;", 0);
        check("queue/mod.rs", "use aws_sdk_sqs::Client;", 1);
        check(
            "queue/mod.rs",
            "// aws_sdk_sqs::Client\nfn f(aws_region: u8) {}",
            0,
        );
        check(
            "queue/mod.rs",
            "#[cfg(test)]\nmod tests { use aws_sdk_sqs::Client; }",
            0,
        );
        check("service/retry.rs", "use backoff::ExponentialBackoff;", 0);
        check("consume/outcome.rs", "fn f(b: backoff::Backoff) {}", 1);
        check("consume/outcome.rs", "use crate::service::backoff::X;", 0);
        check("store/postgres.rs", "use tokio_postgres::Row;", 0);
        check("relay/claim.rs", "use deadpool_postgres::Pool;", 1);
        check("consume/worker.rs", "use sqs_local::Server;", 1);
    }

    #[test]
    fn a_room_uses_only_rooms_above_it() {
        let check = |file: &str, text: &str, expected: usize| {
            assert_eq!(
                rooms(&in_runtime(file, text), ROOMS).len(),
                expected,
                "{file}: {text}"
            );
        };
        check("store/inbox.rs", "use crate::message::EventKey;", 0);
        check("store/inbox.rs", "use crate::consume::Outcome;", 1);
        check(
            "store/inbox.rs",
            "use crate::{message::EventKey, relay::{Claim, Row}};",
            2,
        );
        check("store/inbox.rs", "fn f() { crate::relay::run() }", 1);
        check("store/inbox.rs", "use super::super::relay::run;", 1);
        check("store/mod.rs", "use super::relay::run;", 1);
        check(
            "store/mod.rs",
            "#[cfg(test)]\nmod tests { use crate::testing::Fake; }",
            0,
        );
        check("cellar/mod.rs", "", 1);
        check("lib.rs", "use crate::consume::Worker;", 0);
    }

    #[test]
    fn a_file_uses_only_files_above_it() {
        let check = |file: &str, text: &str, expected: usize| {
            let list = in_runtime("store/mod.rs", "mod error;\npub mod inbox;\nmod postgres;");
            let found = files_of_rooms(&[list, in_runtime(file, text)]);
            assert_eq!(found.len(), expected, "{file}: {text} gave {found:?}");
        };
        check("store/inbox.rs", "use super::error::StoreError;", 0);
        check("store/inbox.rs", "use super::postgres::Pool;", 1);
        check("store/inbox.rs", "use super::{Row, postgres::Pool};", 1);
        check(
            "store/error.rs",
            "use crate::store::{inbox::Claim as C, postgres};",
            2,
        );
        check("store/postgres.rs", "use crate::store::inbox::Claim;", 0);
        check("relay/claim.rs", "use crate::store::postgres::Pool;", 0);
    }
}
