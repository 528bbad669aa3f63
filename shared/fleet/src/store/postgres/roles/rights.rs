use crate::store::Migrations;

/// Owns the schemas and changes them: `migrate`.
pub(super) const OWNER: &str = "fleet_owner";
/// Runs handlers: `run`.
const WORKER: &str = "fleet_worker";
/// Brings the outbox to the queues: `relay`.
const RELAY: &str = "fleet_relay";
/// Looks, pauses and replays: `dlq`, `outbox`, `pause`, `why`, `top`, `doctor`.
const OPERATOR: &str = "fleet_operator";

/// Every role, in the order in which they are made; the first is what makers wait for.
pub(super) const ROLES: [&str; 4] = [OWNER, WORKER, RELAY, OPERATOR];

/// The function for producers in SQL, with the types that tell it apart.
const ENQUEUE: &str = "enqueue(text, jsonb, text, text)";

/// What a role may do with tables of the runtime.
struct Right {
    role: &'static str,
    /// Row locks count as updates.
    privileges: &'static [&'static str],
    tables: &'static [&'static str],
}

const READ: &[&str] = &["select"];
const CHANGE: &[&str] = &["select", "update"];
const RECORD: &[&str] = &["select", "insert", "update"];
const PRUNE: &[&str] = &["select", "update", "delete"];
const ALL: &[&str] = &["select", "insert", "update", "delete"];

const RIGHTS: [Right; 9] = [
    Right {
        role: WORKER,
        privileges: ALL,
        tables: &[
            "inbox",
            "attempts",
            "dead_letters",
            "outbox",
            "processes",
            "leases",
            "depths",
        ],
    },
    // What operators did is pruned by a worker, too.
    Right {
        role: WORKER,
        privileges: PRUNE,
        tables: &["pauses", "replays", "replay_entries"],
    },
    Right {
        role: WORKER,
        privileges: READ,
        tables: &["subscriptions", "migrations"],
    },
    Right {
        role: RELAY,
        privileges: CHANGE,
        tables: &["outbox"],
    },
    Right {
        role: RELAY,
        privileges: ALL,
        tables: &["processes", "leases", "depths"],
    },
    Right {
        role: RELAY,
        privileges: READ,
        // Whoever measures a queue looks for how long its dead letters have been there.
        tables: &[
            "pauses",
            "subscriptions",
            "migrations",
            "dead_letters",
            "replay_entries",
        ],
    },
    Right {
        role: OPERATOR,
        privileges: CHANGE,
        tables: &["outbox"],
    },
    Right {
        role: OPERATOR,
        privileges: RECORD,
        tables: &["pauses", "replays", "replay_entries"],
    },
    Right {
        role: OPERATOR,
        privileges: READ,
        tables: &[
            "inbox",
            "attempts",
            "dead_letters",
            "processes",
            "leases",
            "depths",
            "subscriptions",
            "migrations",
        ],
    },
];

/// A statement, and the SQL expression that is true as long as it is needed.
///
/// The expressions hold for roles, schemas and tables that are not there yet.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Wanted {
    pub(super) statement: String,
    pub(super) is_lacking: String,
}

/// Lists what the databases of a server share: the roles, and who may own.
pub(super) fn of_server(user: &str) -> Vec<Wanted> {
    let mut wanted: Vec<_> = ROLES
        .iter()
        .map(|role| Wanted {
            statement: format!("create role {role} nologin"),
            is_lacking: format!("to_regrole('{role}') is null"),
        })
        .collect();
    wanted.push(Wanted {
        statement: format!("grant {OWNER} to {}", quoted(user)),
        is_lacking: format!(
            "pg_has_role(current_user, to_regrole('{OWNER}')::oid, 'member') is not true"
        ),
    });
    wanted
}

/// Lists what one database lends to the roles, once its schemas belong to their owner.
pub(super) fn of_database(database: &str, schema: &str, domains: &[String]) -> Vec<Wanted> {
    let mut wanted = vec![Wanted {
        statement: format!("grant create on database {} to {OWNER}", quoted(database)),
        is_lacking: format!(
            "has_database_privilege(to_regrole('{OWNER}')::oid, current_database(), 'create') \
             is not true"
        ),
    }];
    wanted.extend(ROLES[1..].iter().map(|role| usage(role, schema)));
    wanted.extend(RIGHTS.iter().map(|right| of_right(right, schema)));
    wanted.extend(of_producers(schema));
    wanted.extend(domains.iter().flat_map(|domain| of_domain(domain)));
    wanted
}

/// Lists the schemas that migrations make, which are those of the domains.
pub(super) fn domains_of(sets: &[Migrations]) -> Vec<String> {
    let mut domains = Vec::new();
    for step in sets.iter().flat_map(|set| set.steps) {
        let sql = step.sql.to_ascii_lowercase();
        for rest in sql.split("create schema").skip(1) {
            let mut words = rest
                .split([' ', '\n', '\t', ';'])
                .filter(|word| !word.is_empty());
            let name = match words.next() {
                Some("if") => words.nth(2),
                name => name,
            };
            let is_plain = |name: &&str| {
                name.chars()
                    .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
            };
            domains.extend(name.filter(is_plain).map(str::to_owned));
        }
    }
    domains.dedup();
    domains
}

fn usage(role: &str, schema: &str) -> Wanted {
    Wanted {
        statement: format!("grant usage on schema {schema} to {role}"),
        is_lacking: format!(
            "has_schema_privilege(to_regrole('{role}')::oid, to_regnamespace('{schema}')::oid, \
             'usage') is not true"
        ),
    }
}

fn of_right(right: &Right, schema: &str) -> Wanted {
    let Right {
        role,
        privileges,
        tables,
    } = right;
    let qualified: Vec<_> = tables
        .iter()
        .map(|table| format!("{schema}.{table}"))
        .collect();
    let may = |table: &String| may_all(role, privileges, &format!("to_regclass('{table}')::oid"));
    let has: Vec<_> = qualified.iter().map(may).collect();
    Wanted {
        statement: format!(
            "grant {} on {} to {role}",
            privileges.join(", "),
            qualified.join(", ")
        ),
        is_lacking: format!("({}) is not true", has.join(" and ")),
    }
}

/// A producer in SQL needs the schema and the function, and no table: it runs as its owner, with a
/// search path that nobody can put anything into.
fn of_producers(schema: &str) -> Vec<Wanted> {
    let function = format!("{schema}.{ENQUEUE}");
    let oid = format!("to_regprocedure('{function}')");
    vec![
        Wanted {
            statement: format!(
                "alter function {function} security definer set search_path = pg_catalog, pg_temp"
            ),
            is_lacking: format!("(select prosecdef from pg_proc where oid = {oid}) is not true"),
        },
        Wanted {
            statement: format!("revoke execute on function {function} from public"),
            is_lacking: format!(
                "has_function_privilege('public', {oid}::oid, 'execute') is not false"
            ),
        },
        Wanted {
            statement: format!("grant execute on function {function} to {WORKER}"),
            // Itself, and not as a part of the public.
            is_lacking: format!(
                "not exists (select from pg_proc p, aclexplode(p.proacl) a
                 where p.oid = {oid} and a.grantee = to_regrole('{WORKER}'))"
            ),
        },
    ]
}

/// Handlers do with the tables of the domains what they like, and nobody else does anything.
fn of_domain(domain: &str) -> Vec<Wanted> {
    let lacks = |kinds: &str, may: String| {
        format!(
            "(to_regnamespace('{domain}') is null or exists (select from pg_class c
              where c.relnamespace = to_regnamespace('{domain}') and c.relkind in ({kinds})
                  and ({may}) is not true))"
        )
    };
    let sequences = ["usage", "select"]
        .map(|p| format!("has_sequence_privilege(to_regrole('{WORKER}')::oid, c.oid, '{p}')"));
    let future = |kind: &str, code: char| {
        format!(
            "not exists (select from pg_default_acl d
             where d.defaclrole = to_regrole('{OWNER}') and d.defaclobjtype = '{code}'
                 and d.defaclnamespace = to_regnamespace('{domain}')
                 and d.defaclacl::text like '%{WORKER}=%') /* {kind} */"
        )
    };
    let by_default = format!("alter default privileges for role {OWNER} in schema {domain}");
    vec![
        usage(WORKER, domain),
        Wanted {
            statement: format!(
                "grant {} on all tables in schema {domain} to {WORKER}",
                ALL.join(", ")
            ),
            is_lacking: lacks("'r', 'p'", may_all(WORKER, ALL, "c.oid")),
        },
        Wanted {
            statement: format!(
                "grant usage, select on all sequences in schema {domain} to {WORKER}"
            ),
            is_lacking: lacks("'S'", sequences.join(" and ")),
        },
        Wanted {
            statement: format!(
                "{by_default} grant {} on tables to {WORKER}",
                ALL.join(", ")
            ),
            is_lacking: future("tables", 'r'),
        },
        Wanted {
            statement: format!("{by_default} grant usage, select on sequences to {WORKER}"),
            is_lacking: future("sequences", 'S'),
        },
    ]
}

/// Asks whether a role has each of these privileges; unknown where one of them is not there.
fn may_all(role: &str, privileges: &[&str], table: &str) -> String {
    let has = |privilege: &&str| {
        format!("has_table_privilege(to_regrole('{role}')::oid, {table}, '{privilege}')")
    };
    privileges.iter().map(has).collect::<Vec<_>>().join(" and ")
}

fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Migration;

    #[test]
    fn the_schemas_of_domains_are_those_that_their_migrations_make() {
        const SETS: [Migrations; 1] = [Migrations {
            owner: "shop",
            steps: &[Migration {
                number: 1,
                name: "shop",
                sql: "create schema if not exists orders;\nCREATE SCHEMA billing; create schema\n\
                      stock_2;create schema \"Odd One\"; create table orders.x ()",
            }],
        }];
        assert_eq!(domains_of(&SETS), ["orders", "billing", "stock_2"]);
        assert_eq!(domains_of(&[Migrations::RUNTIME]), [""; 0]);
    }

    #[test]
    fn a_name_cannot_leave_its_quotes() {
        assert_eq!(quoted("a\"b; drop"), "\"a\"\"b; drop\"");
    }
}
