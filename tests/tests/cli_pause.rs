//! `pause` and `resume`, and the row of each process, with real processes.
#![forbid(unsafe_code)]

use fleet_tests::books::{order, placed};
use fleet_tests::patience::until;
use fleet_tests::probe::Probe;
use fleet_tests::process::{Process, Signal};
use fleet_tests::site::{Site, fleet};
use serde_json::{Value, json};

const INVOICES: &str = "billing.invoices";

async fn send_orders(site: &Site, count: u64) {
    for id in 0..count {
        let body = placed(&order(&id.to_string(), 1));
        site.queue.send(&body, Default::default()).await;
    }
}

/// Waits until no long poll is under way that could still bring something.
async fn until_nobody_receives(site: &Site) {
    until("nobody receives", || async {
        let waiting = site.sqs().waiting_receives(site.queue.url());
        (waiting.expect("the queue is there") == 0).then_some(())
    })
    .await;
}

/// Waits until the process has shown itself once more, and returns its row.
async fn next_beat(site: &Site) -> Value {
    let look = async || site.books.rows("select * from fleet.processes").await.pop();
    let before = look().await.map(|row| row["seen_at"].clone());
    until("the process shows itself again", async || {
        look()
            .await
            .filter(|row| Some(&row["seen_at"]) != before.as_ref())
    })
    .await
}

async fn assert_ready(probe: &Probe) {
    probe.assert_live().await;
    let ready = probe.get("/readyz").await.expect("/readyz is answered");
    assert_eq!(ready.status, 200, "{}", ready.body);
}

async fn assert_metric(probe: &Probe, line: &str) {
    let page = probe
        .get("/metrics")
        .await
        .expect("/metrics is answered")
        .body;
    assert!(
        page.lines().any(|metric| metric == line),
        "no {line} in {page}"
    );
}

async fn end(process: Process) {
    process.signal(Signal::Terminate);
    process.ended().await.with_code(0);
}

#[tokio::test]
async fn a_paused_consumer_receives_nothing_and_stays_ready_until_it_is_resumed() {
    let site = Site::new().await.with("USER", "ann");
    let (mut process, probe) = site.start_ready(&["run"]).await;
    assert_metric(&probe, r#"fleet_paused{queue="billing"} 0"#).await;
    let ended = site
        .run(&["pause", "billing", "--reason", "prices are wrong"])
        .await
        .with_code(0);
    let said = "billing is paused until it is resumed";
    assert!(ended.stderr.contains(said), "{}", ended.stderr);
    let line = process
        .find_in_stderr(|line| line.contains("consumer is paused").then(|| line.to_owned()))
        .await;
    assert!(
        line.contains("prices are wrong") && line.contains("ann@"),
        "{line}"
    );
    until_nobody_receives(&site).await;

    send_orders(&site, 5).await;
    next_beat(&site).await;
    let row = next_beat(&site).await;
    assert_eq!(row["consumers"][0]["paused"], true, "{row}");
    assert_eq!(site.queue.counts().await.visible, 5);
    assert_eq!(site.books.count(INVOICES).await, 0);
    assert_ready(&probe).await;
    assert_metric(&probe, r#"fleet_paused{queue="billing"} 1"#).await;
    let queues = site.run(&["queues", "--json"]).await.with_code(0).json();
    assert_eq!(queues[0]["paused"], true, "{queues}");
    assert_eq!(queues[0]["processes"], 1, "{queues}");
    assert_eq!(queues[0]["pause"]["reason"], "prices are wrong", "{queues}");

    let ended = site.run(&["resume", "billing"]).await.with_code(0);
    assert!(
        ended.stderr.contains("billing is resumed"),
        "{}",
        ended.stderr
    );
    process.says("consumer is resumed").await;
    site.books.until_count(INVOICES, 5).await;
    assert_metric(&probe, r#"fleet_paused{queue="billing"} 0"#).await;
    end(process).await;
}

#[tokio::test]
async fn a_pause_for_a_time_is_over_by_itself() {
    let site = Site::new().await;
    let (mut process, _probe) = site.start_ready(&["run"]).await;
    let pause = ["pause", "billing", "--reason", "a test", "--for", "12s"];
    let ended = site.run(&pause).await.with_code(0);
    assert!(
        ended.stderr.contains("is paused until 20"),
        "{}",
        ended.stderr
    );
    process.says("consumer is paused").await;
    until_nobody_receives(&site).await;
    send_orders(&site, 3).await;
    process.says("the pause of the consumer is over").await;
    site.books.until_count(INVOICES, 3).await;
    let ended = site.run(&["resume", "billing"]).await.with_code(0);
    assert_eq!(ended.stderr, "billing is not paused");
    end(process).await;
}

#[tokio::test]
async fn a_pause_outlives_an_outage_of_the_database_and_holds_for_those_who_start_in_it() {
    let mut site = Site::new().await;
    let gate = site.gate_database().await;
    gate.open();
    let (mut process, probe) = site.start_ready(&["run"]).await;
    let pause = ["pause", "billing", "--reason", "an outage"];
    site.run(&pause).await.with_code(0);
    process.says("consumer is paused").await;
    until_nobody_receives(&site).await;

    gate.close();
    process.says("looking for pauses fails").await;
    send_orders(&site, 4).await;
    probe.assert_live().await;
    site.run(&pause).await.with_code(1);
    let mut newcomer = site.start(&["run"]);
    let newcomers = Probe::of(&mut newcomer).await;
    newcomers.until_not_ready("schema").await;

    gate.open();
    newcomer.says("consumer is paused").await;
    process.says("looking for pauses works again").await;
    newcomers.until_ready().await;
    next_beat(&site).await;
    assert_eq!(site.queue.counts().await.visible, 4);
    for probe in [&probe, &newcomers] {
        assert_metric(probe, r#"fleet_messages_received_total{queue="billing"} 0"#).await;
    }
    site.run(&["resume", "billing"]).await.with_code(0);
    site.books.until_count(INVOICES, 4).await;
    end(process).await;
    end(newcomer).await;
}

#[tokio::test]
async fn every_serving_process_has_a_row_until_it_ends() {
    let site = Site::new().await;
    let (worker, _probe) = site.start_ready(&["run"]).await;
    let (relay, _probe) = site.start_ready(&["relay"]).await;
    site.books.until_count("fleet.processes", 2).await;
    let rows = site
        .books
        .rows("select * from fleet.processes order by kind desc")
        .await;
    for (row, process, kind) in [(&rows[0], &worker, "run"), (&rows[1], &relay, "relay")] {
        assert_eq!(row["kind"], kind);
        assert_eq!(row["pid"], process.id());
        for column in ["host", "version", "build"] {
            assert_ne!(row[column].as_str(), Some(""), "{row}");
        }
    }
    assert_eq!(rows[1]["consumers"], json!([]), "a relay has no consumers");
    let billing = &rows[0]["consumers"][0];
    assert_eq!(billing["name"], "billing", "{billing}");
    assert_eq!(billing["concurrency"], 16, "{billing}");

    send_orders(&site, 8).await;
    until("the work is told of", async || {
        let busy = "fleet.processes where (consumers -> 0 ->> 'per_second')::float8 > 0
            and (consumers -> 0 ->> 'p99_ms')::float8 > 0";
        (site.books.count(busy).await == 1).then_some(())
    })
    .await;
    end(worker).await;
    assert_eq!(site.books.count("fleet.processes").await, 1);
    end(relay).await;
    assert_eq!(site.books.count("fleet.processes").await, 0);
}

#[tokio::test]
async fn what_cannot_be_paused_is_refused_and_says_why() {
    let site = Site::new().await.with("USER", "ann");
    let refused = async |arguments: &[&str], why: &str| {
        let ended = site.run(arguments).await.with_code(2);
        assert!(
            ended.stderr.contains(why),
            "{arguments:?}: {}",
            ended.stderr
        );
    };
    let pause = ["pause", "billing", "--reason", "first\u{1b}[2J"];
    refused(
        &["pause", "nobody", "--reason", "x"],
        "there is no consumer nobody",
    )
    .await;
    refused(&["resume", "nobody"], "there is no consumer nobody").await;
    refused(&["pause", "billing"], "--reason").await;
    refused(&["pause", "billing", "--reason", " "], "say why").await;
    refused(
        &["pause", "billing", "--reason", "x", "--for", "0s"],
        "a second to a year",
    )
    .await;
    site.run(&pause).await.with_code(0);
    refused(&pause, "billing is already paused, by ann@").await;
    refused(&pause, "first\\u{1b}[2J; resume it first").await;

    let unmigrated = Site::unmigrated().await;
    for arguments in [&pause[..], &["resume", "billing"]] {
        let ended = unmigrated.run(arguments).await.with_code(2);
        assert!(
            ended.stderr.contains("run `fleet migrate`"),
            "{}",
            ended.stderr
        );
    }
}

#[tokio::test]
async fn pausing_needs_nothing_but_the_database() {
    let site = Site::new().await;
    let run = async |arguments: &[&str], has_database: bool| {
        let mut command = fleet(arguments);
        if has_database {
            command.env("DATABASE_URL", site.books.url());
        }
        Process::start(command).ended().await
    };
    let pause = ["pause", "billing", "--reason", "why"];
    let ended = run(&pause, false).await.with_code(2);
    assert!(ended.stderr.contains("DATABASE_URL"), "{}", ended.stderr);
    let ended = run(&pause, true).await.with_code(0);
    assert_eq!(ended.stdout, "");
    let rows = site.books.rows("select paused_by from fleet.pauses").await;
    let by = rows[0]["paused_by"].as_str().expect("it is text");
    assert!(by.starts_with("uid ") && by.contains('@'), "{by}");
    run(&["resume", "billing"], true).await.with_code(0);
}
