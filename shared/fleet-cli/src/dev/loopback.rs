use fleet::service::config::Env;

use crate::address::{host_of, is_local_host};
use crate::exit::Exit;

/// The variables that name something to connect to.
const VARIABLES: [&str; 4] = [
    "DATABASE_URL",
    "DATABASE_DIRECT_URL",
    "AWS_ENDPOINT_URL_SQS",
    "AWS_ENDPOINT_URL",
];

/// Refuses every address that is not on this machine: `dev` creates queues and migrates databases.
pub(super) fn check(env: &dyn Env) -> Result<(), Exit> {
    let is_foreign = |variable: &&str| {
        let value = env.get(variable).filter(|value| !value.trim().is_empty());
        value.is_some_and(|url| !is_local(&url))
    };
    let foreign: Vec<_> = VARIABLES.into_iter().filter(is_foreign).collect();
    if foreign.is_empty() {
        return Ok(());
    }
    Err(Exit::refused(format!(
        "{}: does not name a host on this machine, and `dev` touches no other; unset it, or use \
         127.0.0.1",
        foreign.join(", ")
    )))
}

/// Tells whether every host that a URL names is a loopback address.
///
/// A Postgres URL may name hosts in its authority, several of them, and again
/// among its parameters; whatever is not plainly local is refused.
fn is_local(url: &str) -> bool {
    let Some((_, rest)) = url.split_once("://") else {
        return false;
    };
    let (authority, path) = rest.split_once(['/', '?']).unwrap_or((rest, ""));
    let hosts = authority
        .rsplit_once('@')
        .map_or(authority, |(_, hosts)| hosts);
    let parameters = url.split_once('?').map_or("", |(_, parameters)| parameters);
    let names_hosts = |parameter: &str| {
        let name = parameter.split('=').next().unwrap_or_default();
        !matches!(
            name,
            "application_name" | "connect_timeout" | "sslmode" | "sslrootcert" | "options"
        )
    };
    if !parameters.is_empty() && parameters.split('&').any(names_hosts) || path.contains('@') {
        return false;
    }
    hosts.split(',').all(|host| is_local_host(host_of(host)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_plain_loopback_addresses_are_local() {
        let table = [
            ("postgres://u:p@127.0.0.1:5432/db", true),
            ("postgres://localhost/db?application_name=x", true),
            ("postgres://[::1]:5432/db", true),
            ("http://127.0.0.1:9324", true),
            ("http://127.0.0.1:9324/", true),
            ("postgres://db.example.com/db", false),
            ("postgres://127.0.0.1,db.example.com/db", false),
            ("postgres://127.0.0.1/db?host=db.example.com", false),
            ("postgres://127.0.0.1/db?hostaddr=192.0.2.1", false),
            ("postgres://u:p@127.0.0.1@db.example.com/db", false),
            ("postgres://u:p/@db.example.com/db", false),
            ("http://127.0.0.1.example.com", false),
            ("postgres:///db", false),
            ("db.example.com", false),
        ];
        for (url, local) in table {
            assert_eq!(is_local(url), local, "{url}");
        }
    }
}
