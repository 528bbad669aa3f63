use fleet::store::{MigrateError, StoreError, Subscription};

use super::facts::{DatabaseFacts, Facts, chain};
use super::finding::{Examination, Fault, rules};
use super::remedy::identifier;

rules! {
    MIGRATIONS_MISSING = Error "migrations-missing"
        "Processes of this program wait for them and are not ready (docs/configuration.md).";
    DATABASE_NEWER = Warning "database-newer"
        "A later release has migrated it. Only the release before is made to run on a newer schema, and this program's `migrate` refuses (CONTRIBUTING.md).";
    MIGRATION_CHANGED = Error "migration-changed"
        "What was applied is not what this program holds: nobody knows which tables are there (CONTRIBUTING.md).";
    MIGRATIONS_UNCHECKED = Unchecked "migrations-unchecked"
        "Nothing is known of the schema.";
    SUBSCRIPTIONS_DIFFER = Error "subscriptions-differ"
        "The outbox sends an event to the consumers that the table `subscriptions` names. Without its row a handler gets nothing; with a row too many its consumer gets events of a type that it dead-letters (docs/handlers.md).";
    ROSTER_UNCHECKED = Unchecked "roster-unchecked"
        "The tables of the runtime could not be read, so processes, pauses, subscriptions and dead letters are unknown.";
    CONSUMER_PAUSED_LONG = Info "consumer-paused-long"
        "Its messages wait, and are lost when the retention of the queue ends.";
}

/// Since when a pause is told of: it was meant for an incident, and the next shift does not know.
const PAUSED_LONG: jiff::SignedDuration = jiff::SignedDuration::from_hours(24);

/// Judges the tables of the database and what they say.
pub(super) fn check(examination: &mut Examination, facts: &Facts, database: &DatabaseFacts) {
    let Ok(checkup) = &database.checkup else {
        return;
    };
    let subject = format!("schema {}", database.config.schema);
    let is_lacking = check_migrations(examination, facts, database, &subject);
    match &checkup.roster {
        Ok(roster) => {
            examination.judge(&ROSTER_UNCHECKED, &subject, None);
            check_subscriptions(examination, facts, &roster.subscriptions);
            check_pauses(examination, facts);
        }
        // Without its tables there is nothing to read.
        Err(_) if is_lacking => {}
        Err(error) => {
            let fault = match is_forbidden(error) {
                true => granting(Fault::of(chain(error)), database, &checkup.server.role),
                false => Fault::new(chain(error), format!("{} migrate --plan", facts.program)),
            };
            examination.find(&ROSTER_UNCHECKED, &subject, fault);
        }
    }
}

/// Lets a role read the tables of the runtime.
fn granting(fault: Fault, database: &DatabaseFacts, role: &str) -> Fault {
    let (schema, role) = (&database.config.schema, identifier(role));
    let usage = format!("psql \"$DATABASE_URL\" -c 'grant usage on schema {schema} to {role}'");
    let select = format!(
        "psql \"$DATABASE_URL\" -c 'grant select on all tables in schema {schema} to {role}'"
    );
    fault.then(usage).then(select)
}

/// Tells whether the role lacks a right: insufficient_privilege.
fn is_forbidden(error: &StoreError) -> bool {
    error.sqlstate.as_deref() == Some("42501")
}

/// Returns whether migrations are missing.
fn check_migrations(
    examination: &mut Examination,
    facts: &Facts,
    database: &DatabaseFacts,
    subject: &str,
) -> bool {
    let migrate = format!("{} migrate", facts.program);
    match &database.lacking {
        Ok(lacking) => {
            for rule in [&MIGRATIONS_UNCHECKED, &DATABASE_NEWER, &MIGRATION_CHANGED] {
                examination.judge(rule, subject, None);
            }
            let missing = lacking.first().map(|first| {
                let what = format!(
                    "{} migrations are missing, the first is {first}",
                    lacking.len()
                );
                Fault::new(what, migrate)
            });
            examination.judge(&MIGRATIONS_MISSING, subject, missing);
            return !lacking.is_empty();
        }
        Err(error @ MigrateError::Newer { .. }) => {
            let fault = Fault::new(error.to_string(), "use the release that migrated it");
            examination.find(&DATABASE_NEWER, subject, fault);
        }
        Err(error @ MigrateError::Changed(_)) => {
            let fix = "use a build whose migrations are those of the release";
            let fault = Fault::new(error.to_string(), fix);
            examination.find(&MIGRATION_CHANGED, subject, fault);
        }
        Err(error) => {
            let fault = match (error, &database.checkup) {
                (MigrateError::Store(error), Ok(checkup)) if is_forbidden(error) => {
                    granting(Fault::of(chain(error)), database, &checkup.server.role)
                }
                _ => Fault::new(chain(error), format!("{migrate} --plan")),
            };
            examination.find(&MIGRATIONS_UNCHECKED, subject, fault);
        }
    }
    false
}

fn check_subscriptions(examination: &mut Examination, facts: &Facts, written: &[Subscription]) {
    let mut consumers: Vec<&str> = facts.registered.iter().map(|one| &*one.consumer).collect();
    consumers.dedup();
    for consumer in consumers {
        let of = |list: &[Subscription]| -> Vec<String> {
            let its = list.iter().filter(|one| one.consumer == consumer);
            let mut types: Vec<_> = its.map(|one| one.event_type.clone()).collect();
            types.sort();
            types
        };
        let (registered, written) = (of(&facts.registered), of(written));
        let differ = (registered != written).then(|| {
            let types = |types: &[String]| match types {
                [] => "none".to_owned(),
                types => types.join(", "),
            };
            let what = format!(
                "its handlers take {}, and the table has {}",
                types(&registered),
                types(&written),
            );
            Fault::new(what, format!("{} migrate", facts.program))
        });
        examination.judge(
            &SUBSCRIPTIONS_DIFFER,
            &format!("consumer {consumer}"),
            differ,
        );
    }
}

fn check_pauses(examination: &mut Examination, facts: &Facts) {
    let Some(roster) = facts.roster() else { return };
    for consumer in &facts.pieces.consumers {
        let name = &consumer.name;
        let mut pauses = roster.pauses.iter();
        let long = pauses
            .find(|pause| pause.consumer == *name)
            .and_then(|pause| {
                let age = facts.now.duration_since(pause.paused_at);
                let what = format!("paused {}", crate::operator::story(pause));
                (age > PAUSED_LONG)
                    .then(|| Fault::new(what, format!("{} resume {name}", facts.program)))
            });
        examination.judge(&CONSUMER_PAUSED_LONG, &format!("consumer {name}"), long);
    }
}

#[cfg(test)]
mod tests {
    use fleet::store::{Migrations, PlannedMigration, StoreErrorClass};

    use super::super::finding::looking::codes;
    use super::super::testing;
    use super::*;

    fn found(change: impl FnOnce(&mut Facts)) -> Vec<&'static str> {
        let mut facts = testing::facts(&[]);
        change(&mut facts);
        codes(|examination| {
            let database = facts.database.as_ref().expect("there is one");
            check(examination, &facts, database);
        })
    }

    fn database(facts: &mut Facts) -> &mut DatabaseFacts {
        facts.database.as_mut().expect("there is one")
    }

    #[test]
    fn the_schema_is_that_of_the_program() {
        assert_eq!(found(|_| {}), [""; 0]);
        let first = PlannedMigration {
            owner: "fleet",
            migration: Migrations::RUNTIME.steps[0],
        };
        let newer = MigrateError::Newer {
            owner: "fleet",
            found: 9,
            known: 3,
        };
        let down = StoreError::new(StoreErrorClass::Unavailable, "down");
        for (lacking, expected) in [
            (Ok(vec![first]), "migrations-missing"),
            (Err(newer), "database-newer"),
            (Err(MigrateError::Changed(first)), "migration-changed"),
            (Err(MigrateError::Store(down)), "migrations-unchecked"),
        ] {
            assert_eq!(found(|facts| database(facts).lacking = lacking), [expected]);
        }
    }

    #[test]
    fn tables_that_cannot_be_read_are_told_of_once() {
        let unreadable = |facts: &mut Facts| {
            let checkup = database(facts).checkup.as_mut().expect("it was asked");
            checkup.roster = Err(StoreError::new(StoreErrorClass::Statement, "no permission"));
        };
        assert_eq!(found(unreadable), ["roster-unchecked"]);
        let missing = found(|facts| {
            unreadable(facts);
            database(facts).lacking = Ok(vec![PlannedMigration {
                owner: "fleet",
                migration: Migrations::RUNTIME.steps[0],
            }]);
        });
        assert_eq!(missing, ["migrations-missing"]);
    }

    #[test]
    fn subscriptions_are_those_of_the_registration_list() {
        for (written, expected) in [
            (&["order.cancelled", "order.placed"][..], &[][..]),
            (&["order.placed"], &["subscriptions-differ"]),
            (&[], &["subscriptions-differ"]),
            (
                &["order.cancelled", "order.placed", "x"],
                &["subscriptions-differ"],
            ),
        ] {
            let codes = found(|facts| testing::subscribe(facts, written));
            assert_eq!(codes, expected, "{written:?}");
        }
        let others = found(|facts| {
            let checkup = database(facts).checkup.as_mut().expect("it was asked");
            let roster = checkup.roster.as_mut().expect("it was read");
            roster.subscriptions.push(Subscription {
                event_type: "order.placed".to_owned(),
                consumer: "somebody-elses".to_owned(),
            });
        });
        assert_eq!(others, [""; 0]);
    }

    #[test]
    fn a_pause_is_told_of_after_a_day() {
        for (hours, expected) in [(1, &[][..]), (24, &[]), (25, &["consumer-paused-long"])] {
            let codes = found(|facts| testing::pause(facts, hours));
            assert_eq!(codes, expected, "{hours}");
        }
    }
}
