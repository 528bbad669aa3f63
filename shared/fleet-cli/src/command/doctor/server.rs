use fleet::store::{Server, StoreErrorClass};

use super::facts::{DatabaseFacts, chain};
use super::finding::{Examination, Fault, rules};
use super::remedy::identifier;

rules! {
    DATABASE_UNCHECKED = Unchecked "database-unchecked"
        "Nothing is known of the database: processes started now would wait for it and not be ready (docs/reliability.md).";
    DATABASE_REFUSED = Error "database-refused"
        "The address cannot be used as it is, and a serving command ends at its start with exit code 2 (docs/configuration.md).";
    SERVER_TOO_OLD = Error "server-too-old"
        "The statements of the runtime are written for PostgreSQL 14 and later; older versions get no security fixes any more (PostgreSQL versioning policy).";
    DATABASE_READ_ONLY = Error "database-read-only"
        "No claim and no effect can be written: a standby, an address that a failover left behind, or default_transaction_read_only (PostgreSQL manual, \"Hot Standby\").";
    SYNCHRONOUS_COMMIT_OFF = Error "synchronous-commit-off"
        "A commit is answered before it is on the disk, and then the message is deleted: a crash of the server loses the effect, and nobody tries again. A process refuses such a server (PostgreSQL manual, \"Asynchronous Commit\").";
    FSYNC_OFF = Error "fsync-off"
        "Commits are not on the disk: a crash of the machine can lose or destroy them, and their messages are deleted (PostgreSQL manual, \"Write Ahead Log\": fsync).";
    FULL_PAGE_WRITES_OFF = Warning "full-page-writes-off"
        "A page that a crash leaves half written cannot be made whole, unless the file system promises that this does not happen (PostgreSQL manual, \"Write Ahead Log\": full_page_writes).";
}

/// The oldest version that the runtime is written for.
const VERSION_MIN: i32 = 140_000;

/// Judges the server and how it keeps what is committed.
pub(super) fn check(examination: &mut Examination, database: &DatabaseFacts) {
    const SUBJECT: &str = "database";
    match &database.checkup {
        Ok(checkup) => {
            for rule in [&DATABASE_REFUSED, &DATABASE_UNCHECKED] {
                examination.judge(rule, SUBJECT, None);
            }
            check_server(examination, &checkup.server);
        }
        Err(error) if error.class == StoreErrorClass::Misconfigured => {
            let fix = "set DATABASE_URL as docs/configuration.md says";
            examination.find(&DATABASE_REFUSED, SUBJECT, Fault::new(chain(error), fix));
        }
        Err(error) => {
            let fix = "start it, or set DATABASE_URL to one that answers";
            examination.find(&DATABASE_UNCHECKED, SUBJECT, Fault::new(chain(error), fix));
        }
    }
}

fn check_server(examination: &mut Examination, server: &Server) {
    let subject = format!("database {}", server.database);
    let database = identifier(&server.database);
    let old = (server.version_num < VERSION_MIN).then(|| {
        let what = format!("the server is PostgreSQL {}", server.version);
        Fault::new(what, "upgrade it to PostgreSQL 14 or later")
    });
    examination.judge(&SERVER_TOO_OLD, &subject, old);
    let read_only = server.is_read_only.then(|| {
        let fix = "set DATABASE_URL to the primary, with target_session_attrs=read-write";
        Fault::new("the server takes no writes", fix)
    });
    examination.judge(&DATABASE_READ_ONLY, &subject, read_only);
    let is_off = server.synchronous_commit == "off";
    let asynchronous = is_off.then(|| {
        let what = format!("synchronous_commit is off for role {}", server.role);
        let role = identifier(&server.role);
        Fault::new(
            what,
            format!("psql \"$DATABASE_URL\" -c 'alter role {role} in database {database} set synchronous_commit = on'"),
        )
    });
    examination.judge(&SYNCHRONOUS_COMMIT_OFF, &subject, asynchronous);
    for (rule, setting, is_on) in [
        (&FSYNC_OFF, "fsync", server.fsync),
        (
            &FULL_PAGE_WRITES_OFF,
            "full_page_writes",
            server.full_page_writes,
        ),
    ] {
        let off = (!is_on).then(|| {
            let set = format!("psql \"$DATABASE_URL\" -c 'alter system set {setting} = on'");
            let reload = "psql \"$DATABASE_URL\" -c 'select pg_reload_conf()'";
            Fault::new(format!("{setting} is off"), set).then(reload)
        });
        examination.judge(rule, &subject, off);
    }
}

#[cfg(test)]
mod tests {
    use fleet::store::StoreError;

    use super::super::finding::looking::{codes, one};
    use super::super::testing;
    use super::*;

    fn found(change: impl FnOnce(&mut Server)) -> Vec<&'static str> {
        let mut facts = testing::facts(&[]);
        change(testing::server(&mut facts));
        let database = facts.database.expect("there is one");
        codes(|examination| check(examination, &database))
    }

    #[test]
    fn a_server_keeps_what_is_committed() {
        assert_eq!(found(|_| {}), [""; 0]);
        assert_eq!(
            found(|server| server.version_num = 130_016),
            ["server-too-old"]
        );
        assert_eq!(
            found(|server| server.is_read_only = true),
            ["database-read-only"]
        );
        assert_eq!(found(|server| server.fsync = false), ["fsync-off"]);
        assert_eq!(
            found(|server| server.full_page_writes = false),
            ["full-page-writes-off"]
        );
        for (setting, expected) in [
            ("on", &[][..]),
            ("local", &[]),
            ("remote_apply", &[]),
            ("off", &["synchronous-commit-off"]),
        ] {
            let codes = found(|server| server.synchronous_commit = setting.to_owned());
            assert_eq!(codes, expected, "{setting}");
        }
    }

    #[test]
    fn a_server_that_cannot_be_asked_is_a_finding() {
        for (class, expected) in [
            (StoreErrorClass::Unavailable, "database-unchecked"),
            (StoreErrorClass::Statement, "database-unchecked"),
            (StoreErrorClass::Misconfigured, "database-refused"),
        ] {
            let mut database = testing::facts(&[]).database.expect("there is one");
            database.checkup = Err(StoreError::new(class, "why"));
            let found = codes(|examination| check(examination, &database));
            assert_eq!(found, [expected], "{class}");
            let (what, _) = one(|examination| check(examination, &database));
            assert!(what.ends_with(": why"), "{what}");
        }
    }
}
