use std::path::Path;

use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};

use super::reader::{Reader, within};
use super::value::Secret;
use crate::service::trust::roots_of;

/// The name that the SQL functions have in every example: `fleet.enqueue(…)`.
const SCHEMA: &str = "fleet";

/// As many as one consumer runs handlers by default: more would only queue in
/// Postgres, whose default limit of 100 connections leaves room for five processes,
/// each with one more for its upkeep.
const POOL_SIZE: usize = 16;

/// Beyond this a connection pooler between is the better answer.
const POOL_SIZE_MAX: usize = 1_000;

/// The length at which Postgres cuts an identifier.
const IDENTIFIER_LENGTH_MAX: usize = 63;

/// What means something in a URL, or could not stand in one.
const RESERVED: &AsciiSet = &CONTROLS
    .add(b' ')
    .add(b'%')
    .add(b'&')
    .add(b'#')
    .add(b'?')
    .add(b'@');

const URL_ADVICE: &str = "the database's address, such as postgres://user:password@host:5432/name";

/// Where Postgres is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DatabaseConfig {
    /// `DATABASE_URL`: a Postgres URL; may lead through a transaction pooler.
    ///
    /// `DATABASE_CA_FILE` stands in both URLs as `sslrootcert`, where they name none themselves.
    pub url: Secret,
    /// `DATABASE_DIRECT_URL`: a URL that gives a session, for LISTEN and
    /// advisory locks.
    pub direct_url: Option<Secret>,
    /// `FLEET_SCHEMA`: the schema of the runtime's own tables.
    pub schema: String,
    /// `DATABASE_POOL_SIZE`: how many connections this process opens for its
    /// work at most; upkeep has one of its own.
    pub pool_size: usize,
}

impl DatabaseConfig {
    /// Reads the section; `None` when the address is missing or malformed.
    pub fn read(reader: &mut Reader<'_>) -> Option<Self> {
        let url = reader.required("DATABASE_URL", URL_ADVICE, is_postgres_url);
        let direct_url = reader.optional("DATABASE_DIRECT_URL", is_postgres_url);
        let ca_file = reader.optional("DATABASE_CA_FILE", |file: &String| holds_roots(file));
        let schema = reader.or_default("FLEET_SCHEMA", SCHEMA.to_owned(), |name| schema_name(name));
        let pool_size =
            reader.or_default("DATABASE_POOL_SIZE", POOL_SIZE, within(1..=POOL_SIZE_MAX));
        let trusting = |url: Secret| match &ca_file {
            Some(file) => with_roots(&url, file),
            None => url,
        };
        Some(Self {
            url: trusting(url?),
            direct_url: direct_url.map(trusting),
            schema,
            pool_size,
        })
    }
}

fn holds_roots(file: &str) -> Result<(), String> {
    let roots = roots_of(Path::new(file));
    roots.map(drop).map_err(|error| error.to_string())
}

/// Adds the file of root certificates to a URL that names none.
fn with_roots(url: &Secret, file: &str) -> Secret {
    let url = url.expose();
    let (_, query) = url.split_once('?').unwrap_or_default();
    if query
        .split('&')
        .any(|pair| pair.starts_with("sslrootcert="))
    {
        return Secret::new(url);
    }
    let joint = if url.contains('?') { '&' } else { '?' };
    let file = utf8_percent_encode(file, RESERVED);
    Secret::new(format!("{url}{joint}sslrootcert={file}"))
}

/// Checks the outline of a Postgres URL; the driver has the last word.
fn is_postgres_url(url: &Secret) -> Result<(), String> {
    let url = url.expose();
    let rest = url
        .strip_prefix("postgres://")
        .or_else(|| url.strip_prefix("postgresql://"));
    let Some(rest) = rest else {
        return Err(format!("is not a Postgres URL; set it to {URL_ADVICE}"));
    };
    if url.contains(|c: char| c.is_whitespace() || c.is_control()) {
        return Err("contains a blank; write reserved characters of a password as %XX".to_owned());
    }
    let (location, query) = rest.split_once('?').unwrap_or((rest, ""));
    let authority = location.split('/').next().unwrap_or_default();
    let host = authority
        .rsplit_once('@')
        .map_or(authority, |(_, host)| host);
    if host.is_empty() && !query.split('&').any(|pair| pair.starts_with("host=")) {
        return Err(format!("names no host; set it to {URL_ADVICE}"));
    }
    let bracket = host.rfind(']').map_or(0, |end| end + 1);
    match host[bracket..].split_once(':') {
        Some((_, port)) if !port.split(',').all(is_port) => {
            Err("has a port that is not a number from 1 to 65535".to_owned())
        }
        _ => Ok(()),
    }
}

/// Tells whether the text is a port, or a port and further `host:port` pairs.
fn is_port(text: &str) -> bool {
    let port = text.rsplit_once(':').map_or(text, |(_, port)| port);
    text.is_empty() || port.parse::<u16>().is_ok_and(|port| port != 0)
}

/// Accepts `[a-z_][a-z0-9_]{0,62}`: names that need no quotes and no escaping.
fn schema_name(name: &str) -> Result<(), String> {
    let begins = name.starts_with(|c: char| c.is_ascii_lowercase() || c == '_');
    let goes_on = name
        .chars()
        .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_');
    if !begins || !goes_on || name.len() > IDENTIFIER_LENGTH_MAX {
        return Err("is not a schema name; give up to 63 of a-z, 0-9 and _, \
                    not beginning with a digit"
            .to_owned());
    }
    if name.starts_with("pg_") {
        return Err("is reserved by Postgres; give a name without the prefix pg_".to_owned());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::super::reader::load;
    use super::*;

    fn problem(name: &str, value: &str) -> Option<String> {
        let mut env = BTreeMap::from([("DATABASE_URL".to_owned(), "postgres://h/db".to_owned())]);
        env.insert(name.to_owned(), value.to_owned());
        load(&env, DatabaseConfig::read)
            .err()
            .map(|error| error.to_string())
    }

    #[test]
    fn the_usual_shapes_of_a_url_are_accepted() {
        for url in [
            "postgres://user:p%40ss@db.internal:5432/shop?sslmode=verify-full",
            "postgresql://localhost",
            "postgres://user@%2Frun%2Fpostgresql/shop",
            "postgres:///shop?host=/run/postgresql",
            "postgres://[::1]:5432/shop",
            "postgres://a:1,b:2/shop",
        ] {
            assert_eq!(problem("DATABASE_URL", url), None, "{url}");
        }
    }

    #[test]
    fn a_malformed_url_is_described_without_being_shown() {
        for url in [
            "mysql://u:hunter2@h/db",
            "host=db password=hunter2",
            "postgres://",
            "postgres:///hunter2",
            "postgres://u:hunter2@h:port/db",
            "postgres://u:hunter2@h:99999/db",
            "postgres://u:hun ter2@h/db",
        ] {
            let problem = problem("DATABASE_URL", url).expect(url);
            assert!(
                problem.contains("DATABASE_URL: its value"),
                "{url}: {problem}"
            );
            assert!(!problem.contains("hun"), "{url}: {problem}");
        }
    }

    #[test]
    fn the_file_of_roots_goes_into_urls_that_name_none() {
        for (url, expected) in [
            (
                "postgres://h/db",
                "postgres://h/db?sslrootcert=/etc/my%20ca%40home.pem",
            ),
            (
                "postgres://h/db?connect_timeout=1",
                "postgres://h/db?connect_timeout=1&sslrootcert=/etc/my%20ca%40home.pem",
            ),
            (
                "postgres://h/db?sslrootcert=/own.pem",
                "postgres://h/db?sslrootcert=/own.pem",
            ),
        ] {
            let with = with_roots(&Secret::new(url), "/etc/my ca@home.pem");
            assert_eq!(with.expose(), expected);
        }
    }

    #[test]
    fn a_file_that_holds_no_roots_is_a_problem_of_its_variable() {
        for file in [
            "/nowhere/ca.pem",
            concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml"),
        ] {
            let problem = problem("DATABASE_CA_FILE", file).expect(file);
            assert!(problem.contains("DATABASE_CA_FILE: "), "{problem}");
            assert!(problem.contains(file), "{problem}");
        }
    }

    #[test]
    fn only_a_schema_that_needs_no_quotes_is_accepted() {
        for name in ["fleet", "_x", "fleet_2", &"a".repeat(63)] {
            assert_eq!(problem("FLEET_SCHEMA", name), None, "{name}");
        }
        for name in [
            "Fleet",
            "2fleet",
            "fleet; drop",
            "fleet\"",
            "pg_fleet",
            &"a".repeat(64),
        ] {
            assert!(problem("FLEET_SCHEMA", name).is_some(), "{name}");
        }
    }

    #[test]
    fn the_defaults_pass_their_own_check() {
        assert_eq!(schema_name(SCHEMA), Ok(()));
        assert_eq!(problem("DATABASE_POOL_SIZE", &POOL_SIZE.to_string()), None);
        assert!(problem("DATABASE_POOL_SIZE", "0").is_some());
    }
}
