//! Who may do what in the database: a role for each kind of command.
#![forbid(unsafe_code)]

use std::collections::BTreeMap;

use fleet::store::{
    MigrateOptions, Migrations, PostgresOptions, PostgresStore, establish_roles, migrate,
    plan_roles,
};
use fleet::testing::cluster::Cluster;
use fleet::testing::database::TestDatabase;
use fleet_tests::books::{Books, order, placed};
use fleet_tests::graves::bury_order;
use fleet_tests::process::{Ended, Process, Signal};
use fleet_tests::programs::repository;
use fleet_tests::site::Site;
use fleet_workers::migrations;

const ROLES: [&str; 4] = ["owner", "worker", "relay", "operator"];

/// Statements, and the roles that may run them; an outsider has a login and nothing else.
const STATEMENTS: &[(&str, &[&str])] = &[
    (
        "insert into fleet.inbox (consumer, source, id) select '', '', '' where false",
        &["owner", "worker"],
    ),
    (
        "insert into billing.invoices (order_id, customer_id, currency, total_minor)
                   select '', '', '', 1 where false",
        &["owner", "worker"],
    ),
    ("select from orders.orders", &["owner", "worker"]),
    (
        "delete from billing.invoices where false",
        &["owner", "worker"],
    ),
    ("select from fleet.inbox", &["owner", "worker", "operator"]),
    ("delete from fleet.inbox where false", &["owner", "worker"]),
    (
        "update fleet.inbox set id = id where false",
        &["owner", "worker"],
    ),
    (
        "select from fleet.attempts",
        &["owner", "worker", "operator"],
    ),
    (
        "delete from fleet.attempts where false",
        &["owner", "worker"],
    ),
    (
        "select from fleet.dead_letters",
        &["owner", "worker", "relay", "operator"],
    ),
    (
        "delete from fleet.dead_letters where false",
        &["owner", "worker"],
    ),
    (
        "select from fleet.outbox for update",
        &["owner", "worker", "relay", "operator"],
    ),
    ("delete from fleet.outbox where false", &["owner", "worker"]),
    (
        "insert into fleet.pauses (consumer, reason, paused_by) select '', '', '' where false",
        &["owner", "operator"],
    ),
    (
        "select from fleet.pauses",
        &["owner", "worker", "relay", "operator"],
    ),
    (
        "lock table fleet.pauses in share row exclusive mode",
        &["owner", "worker", "operator"],
    ),
    (
        "delete from fleet.replays where false",
        &["owner", "worker"],
    ),
    (
        "select from fleet.replay_entries",
        &["owner", "worker", "relay", "operator"],
    ),
    (
        "insert into fleet.leases (name, holder, until) select '', '', now() where false",
        &["owner", "worker", "relay"],
    ),
    (
        "delete from fleet.depths where false",
        &["owner", "worker", "relay"],
    ),
    ("delete from fleet.subscriptions where false", &["owner"]),
    (
        "update fleet.migrations set name = name where false",
        &["owner"],
    ),
    ("truncate fleet.inbox", &["owner"]),
    (
        "alter table fleet.inbox add column if not exists id text",
        &["owner"],
    ),
    (
        "select fleet.enqueue('nobody.wants', '{}')",
        &["owner", "worker"],
    ),
    (
        "listen fleet_outbox",
        &["owner", "worker", "relay", "operator", "outsider"],
    ),
];

/// What operators type all day; nothing here is left to a worker.
const OPERATIONS: &[&[&str]] = &[
    &["dlq", "stats", "billing"],
    &["dlq", "ls", "billing"],
    &["dlq", "group", "billing"],
    &["why", "8"],
    &["outbox", "stats"],
    &["outbox", "ls"],
    &["outbox", "retry", "--all"],
    &["queues"],
    &["top", "--once"],
    &["pause", "billing", "--reason", "a test"],
    &["resume", "billing"],
    &["dlq", "replays"],
];

/// As often as two databases meet the roles of one server for the first time.
const ENCOUNTERS: usize = 20;

/// A place where each kind of command has a user, who is a member of its role and no more.
struct Staff {
    site: Site,
    name: String,
}

impl Staff {
    async fn hired() -> Self {
        let site = Site::unmigrated().await;
        site.run(&["migrate"]).await.with_code(0);
        Self::at(site).await
    }

    async fn at(site: Site) -> Self {
        let rows = site.books.rows("select current_database() as name").await;
        let name = rows[0]["name"].as_str().expect("it is text").to_owned();
        for role in ROLES {
            let user =
                format!("create role {role}_of_{name} login password 'pw' in role fleet_{role}");
            site.books.run(&user).await;
        }
        site.books
            .run(&format!(
                "create role outsider_of_{name} login password 'pw'"
            ))
            .await;
        Self { site, name }
    }

    fn url(&self, role: &str) -> String {
        as_user(self.site.books.url(), &format!("{role}_of_{}", self.name))
    }

    fn store(&self, role: &str) -> PostgresStore {
        store(&self.url(role))
    }

    fn start(&self, role: &str, arguments: &[&str]) -> Process {
        let mut command = self.site.command(arguments);
        command.env("DATABASE_URL", self.url(role));
        command.env("DATABASE_DIRECT_URL", self.url(role));
        Process::start(command)
    }

    async fn run(&self, role: &str, arguments: &[&str]) -> Ended {
        self.start(role, arguments).ended().await
    }
}

fn as_user(url: &str, user: &str) -> String {
    let (_, rest) = url.split_once('@').expect("it has a user");
    format!("postgres://{user}:pw@{rest}")
}

fn store(url: &str) -> PostgresStore {
    let options = PostgresOptions {
        pool_size: 1,
        ..PostgresOptions::default()
    };
    PostgresStore::connect(url, options).expect("the address is legal")
}

/// Runs a statement and returns its SQLSTATE, none if it worked.
async fn state(store: &PostgresStore, sql: &str) -> Option<String> {
    let ran = store.query(sql, &[]).await;
    ran.err()
        .map(|error| error.sqlstate.expect("the server answered"))
}

#[tokio::test]
async fn each_role_may_do_its_own_work_and_none_of_the_others() {
    let staff = Staff::hired().await;
    let stores: BTreeMap<_, _> = ["owner", "worker", "relay", "operator", "outsider"]
        .map(|role| (role, staff.store(role)))
        .into();
    for (sql, may) in STATEMENTS {
        for (role, store) in &stores {
            let refusal = (!may.contains(role)).then(|| "42501".to_owned());
            // A lock stands in a transaction alone.
            let found = match sql.starts_with("lock") {
                true => state(store, &format!("do $$ begin {sql}; end $$")).await,
                false => state(store, sql).await,
            };
            assert_eq!(found, refusal, "{role}: {sql}");
        }
    }
}

#[tokio::test]
async fn a_producer_in_sql_needs_the_function_and_no_table() {
    let staff = Staff::hired().await;
    let producer = format!("outsider_of_{}", staff.name);
    for grant in [
        format!("grant usage on schema fleet to {producer}"),
        format!("grant execute on function fleet.enqueue to {producer}"),
    ] {
        staff.site.books.run(&grant).await;
    }
    let store = staff.store("outsider");
    // Nothing of the caller's can stand in for what the function means.
    let decoy = "create temp table outbox (like pg_class)";
    assert_eq!(state(&store, decoy).await, None);
    let enqueue = "select fleet.enqueue('order.placed', '{\"order_id\": \"7\"}', '7')";
    assert_eq!(state(&store, enqueue).await, None);
    assert_eq!(
        staff
            .site
            .books
            .count("fleet.outbox where event_id = '7'")
            .await,
        1
    );
    let look = "select from fleet.outbox";
    assert_eq!(state(&store, look).await.as_deref(), Some("42501"));
}

#[tokio::test]
async fn the_whole_story_is_told_by_a_process_of_each_role() {
    let staff = Staff::hired().await;
    let mut serving = Vec::new();
    for (role, arguments) in [("worker", "run"), ("relay", "relay")] {
        let mut process = staff.start(role, &[arguments]);
        fleet_tests::probe::Probe::of(&mut process)
            .await
            .until_ready()
            .await;
        serving.push(process);
    }
    // A handler of billing writes its invoice; placing an order is a worker's right as well.
    let placing = staff.store("worker");
    let line = order("7", 1).to_string();
    let placing = fleet_workers::orders::place(&placing, &[line.as_str()]).await;
    assert_eq!(placing.expect("it may").len(), 1);
    staff.site.books.until_count("billing.invoices", 1).await;
    let sent = staff
        .site
        .books
        .rows("select event_id from fleet.outbox")
        .await;
    let sent = sent[0]["event_id"].as_str().expect("it is text");
    staff.run("operator", &["why", sent]).await.with_code(0);
    // One that fails is dead-lettered, and an operator deals with it.
    let mut nobodys = order("8", 1);
    nobodys["customer_id"] = serde_json::Value::Null;
    staff
        .site
        .queue
        .send(&placed(&nobodys), Default::default())
        .await;
    staff.site.books.until_count("fleet.dead_letters", 1).await;
    staff.site.dead_letters.until_holds(1).await;

    for arguments in OPERATIONS {
        staff.run("operator", arguments).await.with_code(0);
    }
    let doctor = staff.run("operator", &["doctor", "--json"]).await.json();
    assert!(!doctor.to_string().contains("42501"), "{doctor:#}");
    staff.run("operator", &["migrate"]).await.with_code(1);
    for process in serving {
        process.signal(Signal::Terminate);
        let ended = process.ended().await.with_code(0);
        assert!(!ended.stderr.contains("42501"), "{}", ended.stderr);
    }
    // The workers are gone, so that what is replayed stays where it was sent.
    bury_order(&staff.site, &order("9", 1), "a test").await;
    let replay = ["dlq", "replay", "billing", "--yes"];
    staff.run("operator", &replay).await.with_code(0);
    assert_eq!(
        staff
            .site
            .books
            .count("fleet.replay_entries where state = 'deleted'")
            .await,
        2
    );
    staff.run("owner", &["migrate"]).await.with_code(0);
}

#[tokio::test]
async fn databases_that_are_migrated_at_once_make_the_roles_once() {
    let cluster = Cluster::start().await.expect("a cluster can be started");
    let admin = store(&cluster.url());
    let sets = [Migrations::RUNTIME, migrations()];
    let options = MigrateOptions::default();
    let server = cluster.url();
    for _ in 0..ENCOUNTERS {
        let make = || TestDatabase::create(&server, "template1");
        let (one, two, three) = tokio::try_join!(make(), make(), make()).expect("there is room");
        let set_up = async |database: &TestDatabase| {
            let url = database.url();
            migrate(url, &options, &sets, &[])
                .await
                .expect("it is empty");
            let left = establish_roles(url, &options, &sets).await;
            assert_eq!(left.expect("the roles can be made"), [""; 0]);
            let lacking = plan_roles(url, &options, &sets).await;
            assert_eq!(lacking.expect("it answers"), [""; 0]);
        };
        tokio::join!(set_up(&one), set_up(&two), set_up(&three));
        drop((one, two, three));
        for role in ROLES {
            assert_eq!(
                state(&admin, &format!("drop role fleet_{role}")).await,
                None
            );
        }
    }
}

/// What the roles may do, and who owns what: of every object that is not the server's own.
const RIGHTS: &str = "
    select c.oid::regclass::text as object, pg_get_userbyid(c.relowner)::text as owner,
        a.grantee::regrole::text as role, string_agg(a.privilege_type, ' ' order by a.privilege_type) as may
    from pg_class c join pg_namespace n on n.oid = c.relnamespace
        cross join aclexplode(c.relacl) a
    where n.nspname in ('fleet', 'orders', 'billing') and c.relkind = 'r'
    group by 1, 2, 3
    union all
    select n.nspname, pg_get_userbyid(n.nspowner), a.grantee::regrole::text,
        string_agg(a.privilege_type, ' ' order by a.privilege_type)
    from pg_namespace n cross join aclexplode(n.nspacl) a
    where n.nspname in ('fleet', 'orders', 'billing')
    group by 1, 2, 3
    union all
    select p.proname, pg_get_userbyid(p.proowner), a.grantee::regrole::text, p.prosecdef::text
    from pg_proc p join pg_namespace n on n.oid = p.pronamespace
        cross join aclexplode(p.proacl) a
    where n.nspname = 'fleet'
    order by 1, 2, 3";

#[tokio::test]
async fn what_a_user_may_not_do_is_printed_for_an_administrator_and_then_all_is_as_if_done() {
    let reference = Staff::hired().await;
    let expected = reference.site.books.rows(RIGHTS).await;
    assert!(expected.len() > 30, "{expected:#?}");

    let cluster = Cluster::start().await.expect("a cluster can be started");
    let admin = store(&cluster.url());
    assert_eq!(
        state(&admin, "create role app login password 'pw'").await,
        None
    );
    let database = TestDatabase::create(&cluster.url(), "template1").await;
    let books = Books::of(database.expect("there is room"));
    let rows = books.rows("select current_database() as name").await;
    let name = rows[0]["name"].as_str().expect("it is text").to_owned();
    let owner = format!("alter database {name} owner to app");
    assert_eq!(state(&admin, &owner).await, None);
    let of_app = as_user(books.url(), "app");
    let site = Site::at(books).await.with("DATABASE_URL", &of_app);

    let plan = site.run(&["migrate", "--plan"]).await.with_code(0);
    assert!(
        plan.stderr.contains("create role fleet_owner nologin;"),
        "{}",
        plan.stderr
    );
    let migrated = site.run(&["migrate"]).await.with_code(0);
    assert!(
        migrated.stderr.contains("an administrator can:"),
        "{}",
        migrated.stderr
    );
    let is_statement = |line: &&str| line.ends_with(';');
    let statements: Vec<&str> = migrated.stderr.lines().filter(is_statement).collect();
    assert!(
        statements.contains(&"create role fleet_worker nologin;"),
        "{statements:#?}"
    );
    // Without the roles everything works as one user.
    site.run(&["run", "--drain"]).await.with_code(0);
    for statement in &statements {
        site.books.run(statement).await;
    }
    let again = site.run(&["migrate"]).await.with_code(0);
    assert_eq!(again.stderr, "nothing to apply");
    let plan = site.run(&["migrate", "--plan"]).await.with_code(0);
    assert_eq!(plan.stderr, "nothing to apply");
    assert_eq!(site.books.rows(RIGHTS).await, expected);
    let staff = Staff::at(site).await;
    staff.run("worker", &["run", "--drain"]).await.with_code(0);
}

#[tokio::test]
async fn a_user_who_may_make_roles_needs_no_administrator() {
    let cluster = Cluster::start().await.expect("a cluster can be started");
    let admin = store(&cluster.url());
    let boss = "create role boss login createrole password 'pw'";
    assert_eq!(state(&admin, boss).await, None);
    let database = TestDatabase::create(&cluster.url(), "template1").await;
    let database = database.expect("there is room");
    let owner = format!("alter database {} owner to boss", database.name());
    assert_eq!(state(&admin, &owner).await, None);
    let url = as_user(database.url(), "boss");
    let sets = [Migrations::RUNTIME, migrations()];
    let options = MigrateOptions::default();
    migrate(&url, &options, &sets, &[])
        .await
        .expect("it is the owner's");
    let left = establish_roles(&url, &options, &sets).await;
    assert_eq!(left.expect("it may"), [""; 0]);
}

#[tokio::test]
async fn the_page_says_what_each_role_may_do() {
    let staff = Staff::hired().await;
    let tables = "select tablename as name from pg_tables where schemaname = 'fleet' order by 1";
    let mut lines = Vec::new();
    for table in staff.site.books.rows(tables).await {
        let table = table["name"].as_str().expect("it is text").to_owned();
        let mut cells = vec![format!("`{table}`")];
        for role in &ROLES[1..] {
            let ask = format!(
                "select string_agg(p, ', ' order by n) as may
                 from unnest(array['select', 'insert', 'update', 'delete'])
                     with ordinality as t (p, n)
                 where has_table_privilege('fleet_{role}', 'fleet.{table}', p)"
            );
            let may = staff.site.books.rows(&ask).await;
            cells.push(may[0]["may"].as_str().unwrap_or("nothing").to_owned());
        }
        lines.push(format!("| {} |", cells.join(" | ")));
    }
    let page = std::fs::read_to_string(repository().join("docs/security.md"));
    let page = page.expect("docs/security.md is readable");
    let is_of_table = |line: &&str| {
        lines
            .iter()
            .any(|of| line.starts_with(&of[..of.find(" | ").unwrap_or(0)]))
    };
    let documented: Vec<&str> = page.lines().filter(is_of_table).collect();
    assert_eq!(documented, lines);
}
