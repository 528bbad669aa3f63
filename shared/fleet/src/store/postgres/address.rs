use std::net::IpAddr;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use percent_encoding::percent_decode_str;
use tokio_postgres::Config;
use tokio_postgres::config::{Host, SslMode};

use super::failure::CONNECT_MAX;
use super::said;
use super::tls::Tls;
use crate::service::trust::{TrustError, roots_of, roots_of_the_system};
use crate::store::{StoreError, StoreErrorClass};

/// How long sent bytes may stay unacknowledged before the connection is given
/// up: a host that vanished answers nothing, and TCP alone would try for minutes.
const UNACKNOWLEDGED_MAX: Duration = Duration::from_secs(10);

/// When an idle connection is asked for a sign of life, and how often after
/// that: below the idle limits of the usual firewalls and load balancers.
const KEEPALIVE_IDLE: Duration = Duration::from_secs(30);
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(5);
const KEEPALIVE_RETRIES: u32 = 3;

/// Where a database is, and whether its server has to prove who it is.
#[derive(Clone)]
pub(super) struct Address {
    pub(super) config: Config,
    pub(super) tls: Tls,
}

/// What a URL asks for, before any file is read.
struct Reading {
    config: Config,
    encryption: Encryption,
}

#[derive(Debug, PartialEq, Eq)]
enum Encryption {
    /// In the clear: nobody listens within one machine.
    None,
    /// Certificate and host name checked, against these roots or the system's.
    Verified(Option<PathBuf>),
}

/// Parameters of libpq that the driver does not know.
#[derive(Default)]
struct Asked {
    mode: Option<String>,
    roots: Option<PathBuf>,
}

impl Address {
    /// Reads an address and adds what every connection of the fleet has.
    ///
    /// Outside this machine the connection is encrypted and the server's certificate checked,
    /// whatever the address says; one that asks for less is refused rather than silently corrected.
    ///
    /// # Errors
    ///
    /// `Misconfigured`: it is no address, asks for less than it needs, or its root certificates
    /// cannot be read.
    pub(super) fn read(url: &str) -> Result<Self, StoreError> {
        let Reading {
            mut config,
            encryption,
        } = Reading::of(url).map_err(misconfigured)?;
        let tls = match &encryption {
            Encryption::None => Tls::none(),
            Encryption::Verified(roots) => roots
                .as_deref()
                .map_or_else(roots_of_the_system, roots_of)
                .map(Tls::trusting)
                .map_err(|error| misconfigured(error.to_string()))?,
        };
        config.ssl_mode(match encryption {
            Encryption::None => SslMode::Disable,
            Encryption::Verified(_) => SslMode::Require,
        });
        if config.get_application_name().is_none() {
            config.application_name("fleet");
        }
        if config.get_connect_timeout().is_none() {
            config.connect_timeout(CONNECT_MAX);
        }
        config
            .tcp_user_timeout(UNACKNOWLEDGED_MAX)
            .keepalives(true)
            .keepalives_idle(KEEPALIVE_IDLE)
            .keepalives_interval(KEEPALIVE_INTERVAL)
            .keepalives_retries(KEEPALIVE_RETRIES);
        Ok(Self { config, tls })
    }

    /// Returns how long connecting may take: each host has its time, so that the last can answer
    /// when the first is dead.
    pub(super) fn connect_max(&self) -> Duration {
        let hosts = self.config.get_hosts().len();
        let hosts = hosts.max(self.config.get_hostaddrs().len());
        CONNECT_MAX * u32::try_from(hosts).unwrap_or(1).max(1)
    }
}

/// Tells what is wrong with the address of a database, without connecting to it.
///
/// # Errors
///
/// The end of a sentence that begins with the name of the variable, and never the password.
pub fn check_address(url: &str) -> Result<(), String> {
    match Reading::of(url)?.encryption {
        Encryption::Verified(Some(roots)) => {
            let roots = roots_of(&roots);
            roots
                .map(drop)
                .map_err(|error: TrustError| error.to_string())
        }
        Encryption::None | Encryption::Verified(None) => Ok(()),
    }
}

fn misconfigured(why: String) -> StoreError {
    StoreError::new(StoreErrorClass::Misconfigured, why)
}

impl Reading {
    fn of(url: &str) -> Result<Self, String> {
        if !url.starts_with("postgres://") && !url.starts_with("postgresql://") {
            return Err("is not a Postgres URL".to_owned());
        }
        let (url, asked) = take_parameters(url)?;
        let config = Config::from_str(&url);
        let config = config
            .map_err(|error| format!("is not an address: {}", said::without_values(&error)))?;
        let encryption = judge(&config, asked)?;
        Ok(Self { config, encryption })
    }
}

/// Takes the parameters out that the driver does not know, or knows in a weaker sense.
fn take_parameters(url: &str) -> Result<(String, Asked), String> {
    // As the driver reads it: the credentials end at the first @, the parameters begin behind.
    let behind = url.find('@').unwrap_or_default();
    let Some(at) = url[behind..].find('?').map(|at| behind + at) else {
        return Ok((url.to_owned(), Asked::default()));
    };
    let mut asked = Asked::default();
    let mut rest = Vec::new();
    for pair in url[at + 1..].split('&') {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let decoded = || {
            let decoded = percent_decode_str(value).decode_utf8();
            let decoded = decoded.map_err(|_| format!("has a {name} that is not UTF-8"))?;
            Ok::<_, String>(decoded.into_owned())
        };
        match name {
            "sslmode" => asked.mode = Some(decoded()?),
            // libpq's word for the roots of the system.
            "sslrootcert" if value == "system" => asked.roots = None,
            "sslrootcert" => asked.roots = Some(decoded()?.into()),
            _ => rest.push(pair),
        }
    }
    let joint = if rest.is_empty() { "" } else { "?" };
    Ok((format!("{}{joint}{}", &url[..at], rest.join("&")), asked))
}

/// Decides how a server is spoken to, and refuses what would be less.
fn judge(config: &Config, asked: Asked) -> Result<Encryption, String> {
    const ADVICE: &str = "write sslmode=verify-full";
    let hosts = config.get_hosts();
    let addresses = config.get_hostaddrs();
    if hosts.is_empty() && addresses.is_empty() {
        return Err("names no host".to_owned());
    }
    if !hosts.is_empty() && !addresses.is_empty() && hosts.len() != addresses.len() {
        return Err("names another number of hosts than of hostaddr".to_owned());
    }
    let foreign = foreign_host(hosts, addresses);
    match (asked.mode.as_deref(), &foreign) {
        (Some("verify-full"), _) | (None, Some(_)) => {}
        (None | Some("disable" | "allow" | "prefer"), None) => return Ok(Encryption::None),
        (Some(mode @ ("disable" | "allow" | "prefer" | "require" | "verify-ca")), Some(host)) => {
            return Err(format!(
                "asks for sslmode={mode}, and {host} is not this machine: nobody would check who \
                 answers there; {ADVICE}, and name the authority's file with DATABASE_CA_FILE if \
                 the system does not know it"
            ));
        }
        (Some(mode @ ("require" | "verify-ca")), None) => {
            return Err(format!(
                "asks for sslmode={mode}, which does not check who answers; {ADVICE}, or leave \
                 sslmode out on this machine"
            ));
        }
        (Some(_), _) => return Err(format!("has an sslmode that is none; {ADVICE}")),
    }
    if hosts.iter().any(|host| matches!(host, Host::Unix(_))) {
        return Err(
            "names a socket among hosts that need TLS, which a socket does not have; \
                    leave one of them out"
                .to_owned(),
        );
    }
    if hosts.is_empty() {
        return Err(
            "names a hostaddr alone, and a certificate is for a name; add host=".to_owned(),
        );
    }
    Ok(Encryption::Verified(asked.roots))
}

/// Returns the first host that is not this machine.
///
/// A name is this machine if it is `localhost`; what any other resolves to is somebody else's
/// say. Where an address stands beside a name, both have to be local.
fn foreign_host(hosts: &[Host], addresses: &[IpAddr]) -> Option<String> {
    let of_name = hosts.iter().find_map(|host| match host {
        Host::Unix(_) => None,
        Host::Tcp(name) => (!is_loopback_name(name)).then(|| name.clone()),
    });
    let of_address = || addresses.iter().find(|address| !address.is_loopback());
    of_name.or_else(|| of_address().map(ToString::to_string))
}

fn is_loopback_name(name: &str) -> bool {
    name == "localhost" || name.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn encryption(url: &str) -> Result<Encryption, String> {
        Reading::of(url).map(|reading| reading.encryption)
    }

    #[test]
    fn within_this_machine_nothing_is_encrypted_unless_asked_for() {
        for url in [
            "postgres://u:p@127.0.0.1/db",
            "postgres://u:p@127.8.8.8:1/db?sslmode=disable",
            "postgres://u:p@[::1]/db?sslmode=prefer",
            "postgres://localhost/db?sslmode=allow&connect_timeout=3",
            "postgres:///db?host=/run/postgresql",
            "postgres://u@%2Frun%2Fpostgresql/db",
            "postgres://localhost/db?hostaddr=127.0.0.1",
            "postgres:///db?hostaddr=127.0.0.1",
        ] {
            assert_eq!(encryption(url), Ok(Encryption::None), "{url}");
        }
        let asked = "postgres://localhost/db?sslmode=verify-full";
        assert_eq!(encryption(asked), Ok(Encryption::Verified(None)));
    }

    #[test]
    fn outside_this_machine_the_server_is_always_verified() {
        for url in [
            "postgres://u:p@db.internal/db",
            "postgres://u:p@db.internal/db?sslmode=verify-full",
            "postgres://u:p@192.0.2.7/db",
            "postgres://u:p@127.0.0.1,db.internal/db",
            "postgres://u:p@127.0.0.1/db?host=db.internal",
            "postgres://127.0.0.1@db.internal/db",
            "postgres://localhost.example.com/db",
            "postgres://192.0.2.1/db",
            // Whatever the address is, the name is what the certificate is for.
            "postgres://db.internal/db?hostaddr=127.0.0.1",
            "postgres://localhost/db?hostaddr=192.0.2.7",
        ] {
            assert_eq!(encryption(url), Ok(Encryption::Verified(None)), "{url}");
        }
    }

    #[test]
    fn less_than_that_is_refused_and_not_corrected() {
        for mode in ["disable", "allow", "prefer", "require", "verify-ca"] {
            let url = format!("postgres://u:secret@db.internal/x?sslmode={mode}");
            let error = Address::read(&url).err().expect("refused");
            assert_eq!(error.class, StoreErrorClass::Misconfigured);
            let text = check_address(&url).expect_err("refused");
            for part in [&format!("sslmode={mode}"), "db.internal", "verify-full"] {
                assert!(text.contains(part), "{text}");
            }
            assert!(!text.contains("secret"), "{text}");
        }
        for url in [
            "postgres://localhost/x?sslmode=require",
            "postgres://localhost/x?sslmode=verify-ca",
            "postgres://localhost/x?sslmode=verify_full",
            "postgres://db.internal/x?sslmode=disable&sslmode=prefer",
        ] {
            let text = encryption(url).expect_err(url);
            assert!(text.contains("sslmode=verify-full"), "{text}");
        }
    }

    #[test]
    fn what_no_certificate_could_be_for_is_refused() {
        for url in [
            "postgres:///x?host=/run/postgresql&sslmode=verify-full",
            "postgres://%2Frun%2Fpostgresql,db.internal/x",
            "postgres:///x?hostaddr=192.0.2.7",
            "postgres://a,b/x?hostaddr=192.0.2.7",
        ] {
            assert!(encryption(url).is_err(), "{url}");
        }
    }

    #[test]
    fn root_certificates_are_named_as_libpq_names_them() {
        for (value, roots) in [
            ("/etc/my%20ca.pem", Some("/etc/my ca.pem")),
            ("system", None),
        ] {
            let url = format!("postgres://db.internal/x?sslrootcert={value}&connect_timeout=3");
            let reading = Reading::of(&url).expect(value);
            assert_eq!(
                reading.encryption,
                Encryption::Verified(roots.map(PathBuf::from))
            );
            let timeout = reading.config.get_connect_timeout();
            assert_eq!(timeout, Some(&Duration::from_secs(3)));
        }
        let unreadable = "postgres://db.internal/x?sslrootcert=/nowhere/ca.pem";
        let text = check_address(unreadable).expect_err("refused");
        assert!(text.contains("/nowhere/ca.pem"), "{text}");
    }

    #[test]
    fn what_is_no_address_is_refused_without_its_password() {
        for url in [
            "",
            "postgres://u:secret@h:port/x",
            "postgres:///x",
            "mysql://u:secret@h/x",
            "host=127.0.0.1 password=secret",
            "postgres://u:p@ss?secret=x@h/x",
            "postgres://u:secret@localhost/x?sslcert=/client.pem",
        ] {
            let error = Address::read(url).err().expect(url);
            assert_eq!(error.class, StoreErrorClass::Misconfigured, "{url}");
            assert!(!format!("{error:?}").contains("secret"), "{error:?}");
        }
    }
}
