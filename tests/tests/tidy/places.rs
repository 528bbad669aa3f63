//! What may stand only in certain places: SQL, hosts, paths of a machine.

use super::finding::Finding;
use super::source::Source;
use super::tree::Text;

/// Hosts that a string may name: none of them is called.
const HOSTS: &[&str] = &[
    // The addresses of real queues, as settings and samples show them.
    "amazonaws.com",
    // For the reader of a message.
    "postgresql.org",
    "rustup.rs",
    "docs.rs",
    "github.com",
    // The names of schemas and standards, which look like addresses.
    "json-schema.org",
    "cloudevents.io",
    "www.w3.org",
];

/// Names that lead nowhere: RFC 2606 and 6761, and `internal` by ICANN.
const RESERVED: &[&str] = &[
    "example.com",
    "example.org",
    "example.net",
    "example",
    "test",
    "invalid",
    "localhost",
    "internal",
    "local",
];

/// Finds SQL outside the store and the SQL files of the domains.
pub(crate) fn stray_sql(source: &Source) -> Vec<Finding> {
    let file = source.path.rsplit('/').next().unwrap_or_default();
    let home = source.path.starts_with("shared/fleet/src/store/")
        || source.path == "shared/fleet/src/testing/database.rs"
        || file.contains("sql")
        || file == "storage.rs";
    if home {
        return Vec::new();
    }
    source
        .strings
        .iter()
        .filter(|string| !source.is_test(string.line) && is_sql(&string.text))
        .map(|string| Finding {
            path: source.path.clone(),
            line: string.line,
            what: format!("SQL: {}", string.text.trim().lines().next().unwrap_or_default()),
            instead: "the runtime's SQL lives in store/, a domain's in its sql.rs, in functions named by their effect",
        })
        .collect()
}

fn is_sql(text: &str) -> bool {
    let text = text.to_ascii_lowercase();
    let words: Vec<&str> = text.split_ascii_whitespace().collect();
    let has = |word: &str| words.contains(&word);
    match words.as_slice() {
        ["select", _, ..] => has("from") || words.len() == 2,
        ["insert", "into", _, ..] | ["delete", "from", _, ..] | ["truncate", "table", ..] => true,
        ["update", _, "set", ..] => true,
        ["with", _, "as", next, ..] => next.starts_with('('),
        ["create" | "alter" | "drop", kind, _, ..] => matches!(
            *kind,
            "table"
                | "database"
                | "schema"
                | "index"
                | "unique"
                | "function"
                | "or"
                | "type"
                | "role"
        ),
        _ => false,
    }
}

/// Finds addresses of other machines in strings.
pub(crate) fn foreign_hosts(source: &Source) -> Vec<Finding> {
    source
        .strings
        .iter()
        .flat_map(|string| hosts(&string.text).map(|host| (string.line, host)))
        .filter(|(_, host)| !is_harmless(host))
        .map(|(line, host)| Finding {
            path: source.path.clone(),
            line,
            what: format!("names the host `{host}`"),
            instead: "use 127.0.0.1, example.com or a name under .test or .invalid; HOSTS in places.rs lists what a reader may be sent to",
        })
        .collect()
}

/// The hosts of all `scheme://…` in a text.
fn hosts(text: &str) -> impl Iterator<Item = &str> {
    text.split("://").skip(1).map(|rest| {
        let end = rest.find(|c: char| c.is_whitespace() || "/?#\"'`,)>".contains(c));
        let authority = &rest[..end.unwrap_or(rest.len())];
        let host = authority.rsplit('@').next().unwrap_or_default();
        match host.strip_prefix('[').and_then(|host| host.split_once(']')) {
            Some((address, _)) => address,
            None => host.split(':').next().unwrap_or_default(),
        }
    })
}

fn is_harmless(host: &str) -> bool {
    if let Ok(address) = host.parse::<std::net::IpAddr>() {
        // 0.0.0.0 listens; the others are kept free for documentation (RFC 5737).
        let documentation = ["192.0.2.", "198.51.100.", "203.0.113."];
        return address.is_loopback()
            || address.is_unspecified()
            || documentation
                .iter()
                .any(|network| host.starts_with(network));
    }
    let name = host.trim_end_matches('.');
    let ends = |domain: &&str| name == *domain || name.ends_with(&format!(".{domain}"));
    // A name without a dot is no host of the world, nor is a placeholder.
    !name.contains('.')
        || name.contains(['{', '<', '$', '*', '…'])
        || HOSTS.iter().any(ends)
        || RESERVED.iter().any(ends)
}

/// Finds paths that exist on somebody's machine only.
pub(crate) fn machine_paths(file: &Text) -> Vec<Finding> {
    // Put together, so that this file does not find itself.
    let homes = ["home", "root", "work", "Users"].map(|folder| format!("/{folder}/"));
    file.text
        .lines()
        .zip(1..)
        .filter_map(|(line, number)| {
            let at = homes.iter().find_map(|home| path_at(line, home))?;
            let end = line[at..].find(|c: char| c.is_whitespace() || "\"'`),".contains(c));
            Some(Finding {
                path: file.path.clone(),
                line: number,
                what: format!(
                    "names {}",
                    &line[at..end.map_or(line.len(), |end| at + end)]
                ),
                instead: "paths are relative to the repository, or come from the environment",
            })
        })
        .collect()
}

/// Where `home` starts a path, and is not a part of a longer one or of a URL.
fn path_at(line: &str, home: &str) -> Option<usize> {
    line.match_indices(home).map(|(at, _)| at).find(|at| {
        let before = line[..*at].chars().next_back();
        !before.is_some_and(|c| c.is_alphanumeric() || "._-}/~".contains(c))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sql_is_found_by_its_first_words() {
        let check = |text: &str, expected: bool| assert_eq!(is_sql(text), expected, "{text}");
        check("select id from orders.orders", true);
        check("\n    INSERT INTO fleet.inbox (key)\n    VALUES ($1)", true);
        check("update fleet.outbox set sent = true", true);
        check("with due as (select 1) delete from x", true);
        check("create table a (b int)", true);
        check("select 1", true);
        check("select a queue", false);
        check("update the queue", false);
        check("create a queue first", false);
        check("drop it", false);
        check("", false);
    }

    #[test]
    fn sql_has_its_places() {
        let check = |path: &str, expected: usize| {
            let text = "fn a() { b(\"delete from fleet.inbox\") }";
            assert_eq!(
                stray_sql(&Source::new(path, text)).len(),
                expected,
                "{path}"
            );
        };
        check("shared/fleet/src/store/inbox.rs", 0);
        check("shared/fleet/src/consume/worker.rs", 1);
        check("workers/src/billing/sql.rs", 0);
        check("workers/src/billing/handler.rs", 1);
        check("tests/tests/pipeline.rs", 0);
    }

    #[test]
    fn a_host_of_the_world_is_found() {
        let check = |url: &str, expected: usize| {
            let text = format!("fn a() {{ b({url:?}) }}");
            assert_eq!(
                foreign_hosts(&Source::new("src/a.rs", &text)).len(),
                expected,
                "{url}"
            );
        };
        check("http://127.0.0.1:9324/x", 0);
        check("http://[::1]:9324/x", 0);
        check("http://localhost:9324/x", 0);
        check("http://{address}/x", 0);
        check("postgres://user:pw@127.0.0.1/db", 0);
        check("postgres://user:pw@192.0.2.7/db", 0);
        check("https://api.example.com/x", 0);
        check("https://sqs.eu-west-1.amazonaws.com/123456789012/a", 0);
        check("https://mail.corp.test/x", 0);
        check("https://api.acme.dev/x", 1);
        check("https://notexample.com/x", 1);
        check("postgres://user:pw@10.0.0.7:5432/db", 1);
        check("from http://127.0.0.1/ to https://acme.dev", 1);
    }

    #[test]
    fn a_path_of_a_machine_is_found() {
        let check = |line: &str, expected: usize| {
            // Written with `~`, so that the rule does not find this test.
            let text = line.replace('~', "/");
            let file = Text {
                path: "a.md".to_owned(),
                text,
            };
            assert_eq!(machine_paths(&file).len(), expected, "{line}");
        };
        check("see ~home~anna~notes", 1);
        check("(~root~clone)", 1);
        check("path = \"~work~tree\"", 1);
        check("https:~~example.com~home~page", 0);
        check("below~work~tree and ${HOME}~work~tree", 0);
        check("~usr~lib~postgresql", 0);
    }
}
