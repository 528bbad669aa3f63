//! `dev`: everything at once, from a file of orders to the last penny.
#![forbid(unsafe_code)]

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;

use fleet_tests::books::{Books, order};
use fleet_tests::gate::Gate;
use fleet_tests::patience::until;
use fleet_tests::probe::Probe;
use fleet_tests::process::{Ended, Process, Signal};
use fleet_tests::programs::repository;
use fleet_tests::site::fleet;
use fleet_tests::sockets::foreign_peers;
use serde_json::{Value, json};
use tempfile::TempDir;

const EXPECTED: &str = include_str!("../../examples/orders/expected.json");

fn sample() -> String {
    let path = repository().join("examples/orders/sample.jsonl");
    path.display().to_string()
}

fn expected() -> Value {
    serde_json::from_str(EXPECTED).expect("it is JSON")
}

async fn dev(arguments: &[&str], env: &[(&str, &str)]) -> Ended {
    start(arguments, env).ended().await
}

fn start(arguments: &[&str], env: &[(&str, &str)]) -> Process {
    let mut command = fleet(&["dev"]);
    command.args(arguments).envs(env.iter().copied());
    Process::start(command)
}

/// The results of a kind by currency, as the expectations have them.
fn results(summary: &Value, kind: &str) -> Value {
    let rows = summary["results"].as_array().expect("a list");
    let of_kind = rows.iter().filter(|row| row["kind"] == kind);
    let by_currency = of_kind.map(|row| {
        let currency = row["currency"].as_str().expect("it is text").to_owned();
        let sums = json!({ "count": row["count"], "total_minor": row["total_minor"] });
        (currency, sums)
    });
    Value::Object(by_currency.collect())
}

fn dead(summary: &Value) -> Value {
    let rows = summary["dead_lettered"].as_array().expect("a list");
    let by_reason = rows.iter().map(|row| {
        assert_eq!(row["consumer"], "billing");
        let reason = row["reason"].as_str().expect("it is text").to_owned();
        (reason, row["events"].clone())
    });
    Value::Object(by_reason.collect())
}

/// Checks everything that all runs on a database have in common.
fn assert_results(summary: &Value) {
    let expected = expected();
    assert_eq!(results(summary, "invoices"), expected["invoices"]);
    assert_eq!(results(summary, "credit_notes"), expected["credit_notes"]);
    assert_eq!(dead(summary), expected["dead_lettered"]);
}

/// A directory for temporary files in which any user may make some, as in /tmp.
fn temporary() -> (TempDir, String) {
    let directory = TempDir::new().expect("it can be made");
    let open = std::fs::Permissions::from_mode(0o1777);
    std::fs::set_permissions(directory.path(), open).expect("it is ours");
    let path = directory.path().display().to_string();
    (directory, path)
}

/// Waits until no cluster has anything left in a directory.
async fn until_empty(directory: &TempDir) {
    until("no Postgres is left", || async {
        let entries = std::fs::read_dir(directory.path()).ok()?;
        (entries.count() == 0).then_some(())
    })
    .await;
}

#[tokio::test]
async fn the_sample_is_accounted_for_to_the_penny() {
    let (temporary, path) = temporary();
    let arguments = ["--orders", &sample(), "--drain", "--json"];
    let ended = dev(&arguments, &[("TMPDIR", &path)]).await.with_code(0);
    let (summary, expected) = (ended.json(), expected());
    let refused = expected["refused"].as_array().expect("a list");
    assert_eq!(summary["read"], expected["read"]);
    assert_eq!(summary["placed"], expected["placed"]);
    assert_eq!(summary["refused"], refused.len());
    assert_eq!(summary["duplicates"], expected["duplicates"]);
    assert_results(&summary);
    assert_eq!(summary["messages"], expected["placed"]);
    assert_eq!(summary["duplicates_absorbed"], 0);
    for key in ["seconds", "messages_per_second"] {
        assert!(summary[key].as_f64() > Some(0.0), "{summary}");
    }
    for line in refused {
        let place = format!("sample.jsonl:{}: refused: ", line["line"]);
        assert!(ended.stderr.contains(&place), "{place}\n{}", ended.stderr);
    }
    until_empty(&temporary).await;
}

#[tokio::test]
async fn a_second_run_on_the_same_database_changes_nothing() {
    let books = Books::empty().await;
    let env = [("DATABASE_URL", books.url())];
    let arguments = ["--orders", &sample(), "--drain", "--json"];
    dev(&arguments, &env).await.with_code(0);
    let before = (books.sums("invoices").await, books.dead().await);
    let summary = dev(&arguments, &env).await.with_code(0).json();
    assert_eq!(summary["placed"], 0);
    let expected = expected();
    let count = |key: &str| expected[key].as_u64().expect("a number");
    assert_eq!(summary["duplicates"], count("placed") + count("duplicates"));
    assert_results(&summary);
    assert_eq!((books.sums("invoices").await, books.dead().await), before);

    // And once more, for people.
    let ended = dev(&arguments[..3], &env).await.with_code(0);
    for line in [
        "read",
        "placed",
        "refused at the door",
        "invoices",
        "GBP 16 809 604",
    ] {
        assert!(ended.stdout.contains(line), "{line}\n{}", ended.stdout);
    }
}

#[tokio::test]
async fn orders_come_from_stdin_too() {
    let books = Books::empty().await;
    let mut command = fleet(&["dev", "--orders", "-", "--drain", "--json"]);
    command.env("DATABASE_URL", books.url());
    let input = format!("{}\n\nno JSON\n{}", order("1", 3), order("1", 3));
    let process = Process::start_with_input(command, input.as_bytes()).await;
    let ended = process.ended().await.with_code(0);
    let summary = ended.json();
    assert_eq!(summary["read"], 3);
    assert_eq!(summary["placed"], 1);
    assert_eq!(summary["refused"], 1);
    assert_eq!(summary["duplicates"], 1);
    assert!(
        ended.stderr.contains("stdin:3: refused: "),
        "{}",
        ended.stderr
    );
    assert_eq!(books.sums("invoices").await["GBP"]["total_minor"], 300);
}

#[tokio::test]
async fn an_input_that_cannot_be_opened_is_refused_before_anything_starts() {
    let books = Books::empty().await;
    let folder = TempDir::new().expect("it can be made");
    let missing = folder.path().join("missing").display().to_string();
    for path in [&missing, &folder.path().display().to_string()] {
        let env = [("DATABASE_URL", books.url())];
        let ended = dev(&["--orders", path, "--drain"], &env).await.with_code(2);
        let said = format!("{path} cannot be read");
        assert!(ended.stderr.contains(&said), "{}", ended.stderr);
    }
    let made = books.count("pg_namespace where nspname = 'fleet'").await;
    assert_eq!(made, 0, "nothing was migrated");
}

#[tokio::test]
async fn an_input_that_breaks_off_is_partly_done() {
    let books = Books::empty().await;
    // It opens, and its first byte cannot be read.
    let arguments = ["--orders", "/proc/self/mem", "--drain", "--json"];
    let env = [("DATABASE_URL", books.url())];
    let ended = dev(&arguments, &env).await.with_code(3);
    assert_eq!(ended.json()["read"], 0);
    let said = "/proc/self/mem:1: cannot be read: ";
    assert!(ended.stderr.contains(said), "{}", ended.stderr);
}

#[tokio::test]
async fn lines_at_the_limits_of_a_message_are_answered_and_hold_nothing_up() {
    let books = Books::empty().await;
    let folder = TempDir::new().expect("it can be made");
    let path = folder.path().join("orders.jsonl");
    let with_bytes = |id: &str, bytes: usize| {
        let mut order = order(id, 1);
        order["email"] = json!("");
        let spare = bytes - order.to_string().len();
        order["email"] = json!("e".repeat(spare));
        order.to_string()
    };
    const MIB: usize = 1024 * 1024;
    let lines = [
        with_bytes("fits", MIB - 2_000),
        // As a line it is allowed; in its envelope it is more than SQS takes.
        with_bytes("just-too-big", MIB - 10),
        with_bytes("too-big", MIB + 1),
        with_bytes("far-too-big", 5 * MIB),
        order("small", 1).to_string(),
    ];
    std::fs::write(&path, lines.join("\n")).expect("it can be written");
    let path = path.display().to_string();
    let arguments = ["--orders", &path, "--drain", "--json"];
    let ended = dev(&arguments, &[("DATABASE_URL", books.url())]).await;
    let summary = ended.with_code(0).json();
    assert_eq!(summary["read"], 5);
    assert_eq!(summary["refused"], 3, "{summary}");
    let billed = books
        .rows("select order_id from billing.invoices order by 1")
        .await;
    assert_eq!(
        json!(billed),
        json!([{ "order_id": "fits" }, { "order_id": "small" }])
    );
}

#[tokio::test]
async fn what_is_not_on_this_machine_is_refused() {
    let foreign = [
        (
            "DATABASE_URL",
            "postgres://fleet:hunter2@db.example.com/shop",
        ),
        (
            "DATABASE_DIRECT_URL",
            "postgres://127.0.0.1,db.example.com/shop",
        ),
        (
            "AWS_ENDPOINT_URL_SQS",
            "https://sqs.eu-central-1.amazonaws.com",
        ),
        ("AWS_ENDPOINT_URL", "http://192.0.2.10:4566"),
    ];
    for variable in &foreign {
        let ended = dev(&["--drain"], &[*variable]).await.with_code(2);
        assert!(ended.stderr.contains(variable.0), "{}", ended.stderr);
        assert!(!ended.stderr.contains("hunter2"), "{}", ended.stderr);
    }
    let ended = dev(&["--drain"], &foreign).await.with_code(2);
    for (name, _) in foreign {
        assert!(ended.stderr.contains(name), "{name}: {}", ended.stderr);
    }
}

#[tokio::test]
async fn it_prints_its_addresses_and_ends_well_with_ctrl_c() {
    let (temporary, path) = temporary();
    let mut process = start(&[], &[("TMPDIR", &path)]);
    let probe = Probe::of(&mut process).await;
    let mut addresses = BTreeMap::new();
    for what in ["SQS", "Postgres", "probes, metrics", "queue of billing"] {
        let address = process.find_in_stdout(|line| {
            let address = line.strip_prefix(what)?;
            Some(address.trim().to_owned())
        });
        addresses.insert(what, address.await);
    }
    assert!(addresses["Postgres"].starts_with("postgres://fleet:"));
    let said = format!("http://{}", probe.addr());
    assert_eq!(addresses["probes, metrics"], said);
    process.says("Ctrl-C").await;
    probe.until_ready().await;
    probe.assert_live().await;
    let mut enqueue = fleet(&[
        "enqueue",
        &addresses["queue of billing"],
        "--type",
        "order.placed",
    ]);
    enqueue.envs(fleet_tests::site::endpoint(&addresses["SQS"]));
    let line = order("1", 1).to_string();
    let sent = Process::start_with_input(enqueue, line.as_bytes()).await;
    sent.ended().await.with_code(0);
    process.says("\"outcome\":\"processed\"").await;
    process.signal(Signal::Interrupt);
    process.ended().await.with_code(0);
    until_empty(&temporary).await;
    assert!(
        probe.get("/livez").await.is_none(),
        "somebody still answers"
    );
}

#[tokio::test]
async fn a_password_that_was_given_is_not_printed() {
    let books = Books::empty().await;
    let mut process = start(&[], &[("DATABASE_URL", books.url())]);
    process.says("Ctrl-C").await;
    process.signal(Signal::Terminate);
    let ended = process.ended().await.with_code(0);
    let (_, rest) = books.url().split_once(':').expect("it is a URL");
    let (user, _) = rest.split_once('@').expect("it has a password");
    let password = user.rsplit(':').next().expect("it has a password");
    for said in [&ended.stdout, &ended.stderr] {
        assert!(!said.contains(password), "{said}");
    }
}

#[tokio::test]
async fn ctrl_c_in_a_drain_interrupts_it_and_leaves_no_postgres() {
    let (temporary, path) = temporary();
    let mut command = fleet(&["dev", "--orders", "-", "--drain"]);
    command.env("TMPDIR", &path).env("LOG_LEVEL", "info");
    // Somebody is still typing.
    let (mut process, _typing) = Process::start_with_open_input(command);
    let probe = Probe::of(&mut process).await;
    probe.until_ready().await;
    process.signal(Signal::Interrupt);
    let ended = process.ended().await.with_code(130);
    assert!(ended.stderr.contains("interrupted"), "{}", ended.stderr);
    until_empty(&temporary).await;
}

#[tokio::test]
async fn a_foreign_environment_leads_nowhere() {
    let trap = Gate::trap().await;
    let proxy = format!("http://{}", trap.addr());
    let mut env = vec![
        ("PGHOST", "db.hostile.invalid"),
        ("PGHOSTADDR", "192.0.2.10"),
        ("PGPORT", "6543"),
        ("PGUSER", "hostile"),
        ("PGPASSWORD", "hostile"),
        ("PGDATABASE", "hostile"),
        ("PGSERVICE", "hostile"),
        ("PGOPTIONS", "-c search_path=hostile"),
        ("PGDATA", "/hostile"),
        ("AWS_PROFILE", "hostile"),
        ("AWS_REGION", "hostile-1"),
        ("AWS_ACCESS_KEY_ID", "hostile"),
        ("AWS_SECRET_ACCESS_KEY", "hostile"),
        ("AWS_CONFIG_FILE", "/hostile/config"),
        ("AWS_WEB_IDENTITY_TOKEN_FILE", "/hostile/token"),
        (
            "AWS_CONTAINER_CREDENTIALS_FULL_URI",
            "https://credentials.hostile.invalid",
        ),
        (
            "BILLING_QUEUE_URL",
            "https://sqs.hostile.invalid/000000000000/billing",
        ),
        (
            "OTEL_EXPORTER_OTLP_ENDPOINT",
            "https://traces.hostile.invalid",
        ),
    ];
    for name in [
        "http_proxy",
        "https_proxy",
        "all_proxy",
        "HTTP_PROXY",
        "HTTPS_PROXY",
        "ALL_PROXY",
    ] {
        env.push((name, &proxy));
    }
    let process = start(&["--orders", &sample(), "--drain", "--json"], &env);
    let id = process.id();
    let watching = async {
        let mut ended = std::pin::pin!(process.ended());
        let mut looks = tokio::time::interval(std::time::Duration::from_millis(10));
        loop {
            tokio::select! {
                ended = &mut ended => return ended,
                _ = looks.tick() => {
                    let peers = foreign_peers(id);
                    assert!(peers.is_empty(), "it speaks to {peers:?}");
                }
            }
        }
    };
    let ended = watching.await.with_code(0);
    assert_results(&ended.json());
    assert_eq!(trap.visitors(), 0, "it asked the proxy");
}

#[tokio::test]
async fn the_clean_environment_of_make_hides_what_dev_would_refuse() {
    let script: PathBuf = repository().join("infra/scripts/clean-env.sh");
    let mut command = tokio::process::Command::new(script);
    command
        .arg(fleet_tests::programs::fleet())
        .args(["dev", "--orders", &sample(), "--drain", "--json"])
        .env("DATABASE_URL", "postgres://user:pw@db.hostile.invalid/prod")
        .env("AWS_ENDPOINT_URL", "https://aws.hostile.invalid")
        .env("PGHOST", "db.hostile.invalid");
    let ended = Process::start(command).ended().await.with_code(0);
    assert_results(&ended.json());
}
