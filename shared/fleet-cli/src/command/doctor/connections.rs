use super::facts::{DatabaseFacts, Facts, chain};
use super::finding::{Examination, Fault, rules};

rules! {
    POOLS_EXCEED_CONNECTIONS = Error "pools-exceed-connections"
        "When every process uses its whole pool, the server refuses connections, and messages wait (PostgreSQL manual, \"Connections and Authentication\": max_connections).";
    POOLS_LEAVE_NO_ROOM = Warning "pools-leave-no-room"
        "While a deploy rolls, old and new processes run side by side, a quarter more at once, and at least one (Kubernetes documentation, Deployment: maxSurge is 25 % by default).";
    POOLER_WITHOUT_DIRECT_URL = Warning "pooler-without-direct-url"
        "Behind a transaction pooler there is no LISTEN, so the relay only polls, and no lock of a session, which `migrate` works under (PgBouncer documentation, \"SQL feature map for pooling modes\").";
    DIRECT_URL_POOLED = Error "direct-url-pooled"
        "DATABASE_DIRECT_URL is for what needs a session: LISTEN hears nothing behind a transaction pooler, and two `migrate` could run at once (PgBouncer documentation, \"SQL feature map for pooling modes\").";
    DIRECT_URL_UNCHECKED = Unchecked "direct-url-unchecked"
        "The relay listens and `migrate` works at DATABASE_DIRECT_URL, and nothing is known of it.";
}

/// The connection of a process beside its pool: upkeep has one of its own.
const BESIDE_THE_POOL: usize = 1;

/// The part of the processes that a rolling deploy adds.
const SURGE: usize = 4;

/// Judges how many connections the processes may want, and what stands before the server.
pub(super) fn check(examination: &mut Examination, facts: &Facts, database: &DatabaseFacts) {
    let Ok(checkup) = &database.checkup else {
        return;
    };
    let server = &checkup.server;
    check_pooler(examination, database, server.is_pooled);
    // A pooler holds connections of its own, and lets the processes wait.
    if server.is_pooled {
        return;
    }
    let subject = format!("database {}", server.database);
    let processes = facts
        .roster()
        .map_or(0, |roster| roster.processes.len())
        .max(1);
    let listening = usize::from(database.config.direct_url.is_some());
    let each = database.config.pool_size + BESIDE_THE_POOL + listening;
    let there_are = usize::try_from(server.connections_max).unwrap_or(usize::MAX);
    let with_surge = processes + processes.div_ceil(SURGE);
    let pool_max = (there_are / with_surge)
        .saturating_sub(BESIDE_THE_POOL + listening)
        .max(1);
    let fault = |count: usize, when: &str| {
        let what = format!(
            "{count} processes{when} want up to {each} connections each, {} in all, and role {} \
             can have {there_are}",
            count * each,
            server.role,
        );
        Fault::new(what, format!("DATABASE_POOL_SIZE={pool_max}"))
            .then("or raise max_connections of the server, or put a pooler between")
    };
    let exceeded = (processes * each > there_are).then(|| fault(processes, ""));
    let is_exceeded = exceeded.is_some();
    examination.judge(&POOLS_EXCEED_CONNECTIONS, &subject, exceeded);
    if !is_exceeded {
        let no_room =
            (with_surge * each > there_are).then(|| fault(with_surge, " during a rolling deploy"));
        examination.judge(&POOLS_LEAVE_NO_ROOM, &subject, no_room);
    }
}

fn check_pooler(examination: &mut Examination, database: &DatabaseFacts, is_pooled: bool) {
    const SUBJECT: &str = "DATABASE_DIRECT_URL";
    match &database.direct_is_pooled {
        None => {
            let without = is_pooled.then(|| {
                let what = "DATABASE_URL leads through a transaction pooler, and \
                            DATABASE_DIRECT_URL is not set";
                Fault::new(what, "DATABASE_DIRECT_URL=<the server's own address>")
            });
            examination.judge(&POOLER_WITHOUT_DIRECT_URL, SUBJECT, without);
        }
        Some(Ok(is_pooled)) => {
            let pooled = is_pooled.then(|| {
                let what = "it leads through a transaction pooler";
                Fault::new(what, "DATABASE_DIRECT_URL=<the server's own address>")
            });
            examination.judge(&DIRECT_URL_POOLED, SUBJECT, pooled);
        }
        Some(Err(error)) => {
            let fix = "set DATABASE_DIRECT_URL to an address that answers, or unset it";
            examination.find(
                &DIRECT_URL_UNCHECKED,
                SUBJECT,
                Fault::new(chain(error), fix),
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use fleet::store::{StoreError, StoreErrorClass};

    use super::super::finding::looking::{codes, one};
    use super::super::testing;
    use super::*;

    fn facts(processes: usize, connections: u32) -> Facts {
        let mut facts = testing::facts(&[("DATABASE_POOL_SIZE", "16")]);
        testing::server(&mut facts).connections_max = connections;
        testing::run_processes(&mut facts, processes);
        facts
    }

    fn judge(examination: &mut Examination, facts: &Facts) {
        let database = facts.database.as_ref().expect("there is one");
        check(examination, facts, database);
    }

    #[test]
    fn every_process_has_its_connections_and_a_deploy_has_room() {
        for (processes, connections, expected) in [
            (0, 97, &[][..]),
            (0, 33, &["pools-leave-no-room"]),
            (0, 16, &["pools-exceed-connections"]),
            (4, 97, &[]),
            (4, 85, &[]),
            (4, 84, &["pools-leave-no-room"]),
            (5, 97, &["pools-leave-no-room"]),
            (5, 84, &["pools-exceed-connections"]),
            (6, 97, &["pools-exceed-connections"]),
        ] {
            let facts = facts(processes, connections);
            let found = codes(|examination| judge(examination, &facts));
            assert_eq!(found, expected, "{processes} {connections}");
        }
        let (_, fix) = one(|examination| judge(examination, &facts(6, 97)));
        assert_eq!(
            fix[0], "DATABASE_POOL_SIZE=11",
            "8 processes with 12 each are 96"
        );
    }

    #[test]
    fn a_pooler_wants_a_way_past_it_and_counts_its_own_connections() {
        for (is_pooled, direct, expected) in [
            (false, None, &[][..]),
            (true, None, &["pooler-without-direct-url"]),
            (true, Some(Ok(false)), &[]),
            (true, Some(Ok(true)), &["direct-url-pooled"]),
            (true, Some(Err(())), &["direct-url-unchecked"]),
        ] {
            let mut facts = facts(6, 97);
            testing::server(&mut facts).is_pooled = is_pooled;
            let down = |()| StoreError::new(StoreErrorClass::Unavailable, "down");
            let database = facts.database.as_mut().expect("there is one");
            database.direct_is_pooled = direct.map(|direct| direct.map_err(down));
            let mut found = codes(|examination| judge(examination, &facts));
            found.retain(|code| !code.starts_with("pools-") || is_pooled);
            assert_eq!(found, expected, "{is_pooled} {direct:?}");
        }
    }
}
