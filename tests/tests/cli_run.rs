//! `run` from its start to its end.
#![forbid(unsafe_code)]

use std::net::TcpListener;

use fleet_tests::books::{order, placed};
use fleet_tests::mailbox::{Counts, Mailbox};
use fleet_tests::patience::until;
use fleet_tests::probe::Probe;
use fleet_tests::process::Signal;
use fleet_tests::site::Site;

const INVOICES: &str = "billing.invoices";

/// Sends orders to the queue of billing, as the relay does.
async fn send_orders(site: &Site, ids: std::ops::Range<u64>) {
    for id in ids {
        let body = placed(&order(&id.to_string(), 1));
        site.queue.send(&body, Default::default()).await;
    }
}

#[tokio::test]
async fn an_unknown_consumer_is_refused_by_name() {
    let site = Site::new().await;
    let ended = site.run(&["run", "billing", "nobody"]).await.with_code(2);
    assert!(
        ended.stderr.contains("no consumer nobody"),
        "{}",
        ended.stderr
    );
    assert!(ended.stderr.contains("billing"), "{}", ended.stderr);
}

#[tokio::test]
async fn a_queue_that_does_not_exist_is_refused_by_name() {
    let site = Site::new().await;
    let url = format!("{}/000000000000/gone", site.endpoint());
    let site = site.with("BILLING_QUEUE_URL", &url);
    for command in ["run", "relay"] {
        let ended = site.run(&[command]).await.with_code(2);
        let said = "BILLING_QUEUE_URL: queue gone does not exist";
        assert!(ended.stderr.contains(said), "{}", ended.stderr);
    }
}

#[tokio::test]
async fn a_dead_letter_queue_that_does_not_exist_is_refused_by_name() {
    let site = Site::new().await;
    site.delete("billing-dlq").await;
    let ended = site.run(&["run"]).await.with_code(2);
    let said = "BILLING_QUEUE_URL: dead-letter queue billing-dlq of queue billing does not exist";
    assert!(ended.stderr.contains(said), "{}", ended.stderr);
}

#[tokio::test]
async fn a_queue_without_a_redrive_policy_is_refused() {
    let site = Site::new().await;
    Mailbox::create(site.sqs(), "plain", &[]).await;
    let url = format!("{}/000000000000/plain", site.endpoint());
    let site = site.with("BILLING_QUEUE_URL", &url);
    let ended = site.run(&["run"]).await.with_code(2);
    let said = "BILLING_QUEUE_URL: queue plain has no redrive policy; give it one";
    assert!(ended.stderr.contains(said), "{}", ended.stderr);
}

#[tokio::test]
async fn a_visibility_timeout_that_is_too_short_is_refused_with_one_that_is_not() {
    let site = Site::new().await;
    site.queue.set("VisibilityTimeout", "11").await;
    let ended = site.run(&["run"]).await.with_code(2);
    assert!(ended.stderr.contains("at least 12 s"), "{}", ended.stderr);
    site.queue.set("VisibilityTimeout", "12").await;
    site.run(&["run", "--drain"]).await.with_code(0);
}

#[tokio::test]
async fn a_taken_admin_address_is_refused_by_name() {
    let taken = TcpListener::bind("127.0.0.1:0").expect("loopback has a free port");
    let addr = taken.local_addr().expect("it is bound").to_string();
    let site = Site::new().await.with("ADMIN_ADDR", &addr);
    for command in ["run", "relay", "dev"] {
        let mut command_line = site.command(&[command]);
        if command == "dev" {
            command_line.env_remove("AWS_ENDPOINT_URL_SQS");
        }
        let ended = fleet_tests::process::Process::start(command_line)
            .ended()
            .await;
        let ended = ended.with_code(2);
        assert!(ended.stderr.contains("ADMIN_ADDR"), "{}", ended.stderr);
        assert!(ended.stderr.contains(&addr), "{}", ended.stderr);
    }
}

#[tokio::test]
async fn a_database_that_is_down_is_waited_for() {
    let mut site = Site::new().await;
    let gate = site.gate_database().await;
    send_orders(&site, 0..3).await;
    let mut process = site.start(&["run"]);
    let probe = Probe::of(&mut process).await;
    let answer = probe.until_not_ready("schema").await;
    process.says("the schema cannot be looked at yet").await;
    assert!(!answer.body.contains("password"), "{}", answer.body);
    probe.assert_live().await;
    let counts = site.queue.counts().await;
    assert_eq!(counts.visible, 3, "nothing is received meanwhile");

    gate.open();
    probe.until_ready().await;
    site.books.until_count(INVOICES, 3).await;
    site.queue.until_holds(0).await;
    process.signal(Signal::Terminate);
    process.ended().await.with_code(0);
}

#[tokio::test]
async fn an_sqs_that_is_down_is_waited_for() {
    let mut site = Site::new().await;
    let gate = site.gate_queues().await;
    send_orders(&site, 0..3).await;
    let mut process = site.start(&["run"]);
    let probe = Probe::of(&mut process).await;
    probe.until_not_ready("queue billing").await;
    process.says("queue cannot be looked up yet").await;
    probe.assert_live().await;

    gate.open();
    probe.until_ready().await;
    site.books.until_count(INVOICES, 3).await;
    process.signal(Signal::Terminate);
    process.ended().await.with_code(0);
}

#[tokio::test]
async fn a_signal_while_waiting_ends_well() {
    let mut without_database = Site::new().await;
    let _gate = without_database.gate_database().await;
    let mut without_queues = Site::new().await;
    let _gate = without_queues.gate_queues().await;
    for (site, check) in [
        (without_database, "schema"),
        (without_queues, "queue billing"),
    ] {
        for command in ["run", "relay"] {
            for signal in [Signal::Terminate, Signal::Interrupt] {
                let mut process = site.start(&[command]);
                let probe = Probe::of(&mut process).await;
                probe.until_not_ready(check).await;
                process.signal(signal);
                process.ended().await.with_code(0);
            }
        }
    }
}

#[tokio::test]
async fn a_signal_under_load_ends_well_and_leaves_nothing_in_flight() {
    const ORDERS: u64 = 1_500;
    let site = Site::new().await;
    send_orders(&site, 0..ORDERS).await;
    let process = site.start(&["run"]);
    until("some are billed", || async {
        (site.books.count(INVOICES).await >= 20).then_some(())
    })
    .await;
    process.signal(Signal::Terminate);
    let ended = process.ended().await.with_code(0);
    let counts = site.queue.counts().await;
    let billed = site.books.count(INVOICES).await;
    // A machine under load may have lost a connection: such a message was put off, not kept.
    let put_off = |line: &&str| line.contains("\"settlement\":\"released\"");
    let put_off = ended.stderr.lines().filter(put_off).count() as u64;
    assert!(counts.in_flight <= put_off, "{counts:?}, {put_off} put off");
    assert_eq!(
        counts.total() + billed,
        ORDERS,
        "{counts:?}, {billed} billed"
    );
    assert_ne!(
        counts.visible, 0,
        "the signal came too late to tell anything"
    );
    assert_eq!(site.dead_letters.counts().await, Counts::NONE);
}

#[tokio::test]
async fn a_second_signal_ends_at_once() {
    let site = Site::new().await.with("BILLING_RECEIVE_WAIT", "20s");
    let (mut process, _probe) = site.start_ready(&["run"]).await;
    until("a long poll waits", || async {
        let waiting = site.sqs().waiting_receives(site.queue.url());
        (waiting.expect("the queue is there") > 0).then_some(())
    })
    .await;
    process.signal(Signal::Terminate);
    process.says("shutdown begins").await;
    process.signal(Signal::Terminate);
    process.ended().await.with_code(130);
}

#[tokio::test]
async fn a_drain_ends_when_the_queue_is_empty() {
    let site = Site::new().await;
    send_orders(&site, 0..50).await;
    let ended = site.run(&["run", "billing", "--drain"]).await.with_code(0);
    assert_eq!(ended.stdout, "");
    assert_eq!(site.books.count(INVOICES).await, 50);
    assert_eq!(site.queue.counts().await, Counts::NONE);
}

#[tokio::test]
async fn a_drain_that_takes_too_long_names_what_remains() {
    let site = Site::new().await;
    send_orders(&site, 0..1).await;
    // Somebody else holds it.
    assert_eq!(site.queue.peek().await.len(), 1);
    let ended = site
        .run(&["run", "--drain", "--timeout", "2s"])
        .await
        .with_code(3);
    let said = "billing has 0 waiting, 1 in flight, 0 delayed";
    assert!(ended.stderr.contains(said), "{}", ended.stderr);
}

#[tokio::test]
async fn a_drain_that_cannot_begin_in_time_says_why() {
    let mut site = Site::new().await;
    let _gate = site.gate_database().await;
    let ended = site
        .run(&["run", "--drain", "--timeout", "2s"])
        .await
        .with_code(3);
    assert!(ended.stderr.contains("schema: "), "{}", ended.stderr);
    let mut site = Site::new().await;
    let _gate = site.gate_queues().await;
    let ended = site
        .run(&["run", "--drain", "--timeout", "2s"])
        .await
        .with_code(3);
    assert!(ended.stderr.contains("queue billing: "), "{}", ended.stderr);
}

#[tokio::test]
async fn an_interrupted_drain_names_what_remains() {
    let site = Site::new().await;
    send_orders(&site, 0..1).await;
    assert_eq!(site.queue.peek().await.len(), 1);
    let (process, _probe) = site.start_ready(&["run", "--drain"]).await;
    process.signal(Signal::Interrupt);
    let ended = process.ended().await.with_code(130);
    assert!(ended.stderr.contains("1 in flight"), "{}", ended.stderr);
}

#[tokio::test]
async fn an_unmigrated_database_is_waited_for_and_the_remedy_is_said() {
    let site = Site::unmigrated().await;
    send_orders(&site, 0..1).await;
    let mut process = site.start(&["run"]);
    let probe = Probe::of(&mut process).await;
    probe.until_not_ready("run `fleet migrate`").await;
    site.run(&["migrate"]).await.with_code(0);
    probe.until_ready().await;
    site.books.until_count(INVOICES, 1).await;
    process.signal(Signal::Terminate);
    process.ended().await.with_code(0);
}

#[tokio::test]
async fn healthcheck_says_whether_it_is_ready() {
    let mut site = Site::new().await;
    let gate = site.gate_database().await;
    let mut process = site.start(&["run"]);
    let probe = Probe::of(&mut process).await;
    probe.until_not_ready("schema").await;
    let addr = probe.addr().to_string();
    let site = site.with("ADMIN_ADDR", &addr);
    let ended = site.run(&["healthcheck"]).await.with_code(1);
    assert!(ended.stderr.contains("schema"), "{}", ended.stderr);
    gate.open();
    probe.until_ready().await;
    let ended = site.run(&["healthcheck"]).await.with_code(0);
    assert_eq!((ended.stdout.as_str(), ended.stderr.as_str()), ("", ""));
    process.signal(Signal::Terminate);
    process.ended().await.with_code(0);
    site.run(&["healthcheck"]).await.with_code(1);
}

#[tokio::test]
async fn what_is_enqueued_by_sql_is_relayed_and_billed() {
    let site = Site::new().await;
    let (relay, relay_probe) = site.start_ready(&["relay"]).await;
    let (worker, _probe) = site.start_ready(&["run", "billing"]).await;
    for id in 0..20 {
        let order = order(&id.to_string(), 2);
        let statement = format!("select fleet.enqueue('order.placed', '{order}'::jsonb, '{id}')");
        site.books.run(&statement).await;
    }
    site.books.until_count(INVOICES, 20).await;
    site.queue.until_holds(0).await;
    let sums = site.books.sums("invoices").await;
    assert_eq!(sums["GBP"]["total_minor"], 20 * 200);
    let metrics = relay_probe.get("/metrics").await.expect("it is answered");
    assert!(
        metrics.body.contains("fleet_outbox_published_total"),
        "{}",
        metrics.body
    );
    for process in [relay, worker] {
        process.signal(Signal::Terminate);
        process.ended().await.with_code(0);
    }
}

#[tokio::test]
async fn logs_are_lines_of_json_on_stderr_and_name_no_body() {
    let site = Site::new().await;
    send_orders(&site, 0..2).await;
    site.queue
        .send("secret body, no JSON", Default::default())
        .await;
    let ended = site.run(&["run", "--drain"]).await.with_code(0);
    assert_eq!(ended.stdout, "");
    let mut outcomes = Vec::new();
    for line in ended.stderr.lines() {
        let line: serde_json::Value = serde_json::from_str(line).expect("every line is JSON");
        if let Some(outcome) = line.get("outcome").and_then(|outcome| outcome.as_str()) {
            outcomes.push(outcome.to_owned());
        }
    }
    outcomes.sort();
    assert_eq!(outcomes, ["processed", "processed", "undecodable"]);
    assert!(!ended.stderr.contains("secret body"), "{}", ended.stderr);
}

/// Returns what sqs-local counted of the programs here: calls, and messages of each outcome.
fn served(site: &Site) -> (u64, impl Fn(&[&str]) -> u64) {
    let mut counts = site.sqs().history().expect("it is kept").counts();
    let key = &site.env["AWS_ACCESS_KEY_ID"];
    counts.retain(|count| *count.key == **key);
    let calls = counts.iter().map(|count| count.calls).sum();
    let entries = move |outcomes: &[&str]| {
        let entries = counts.iter().flat_map(|count| &count.entries);
        let counted = entries.filter(|(name, _)| outcomes.contains(*name));
        counted.map(|(_, count)| count).sum()
    };
    (calls, entries)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_last_line_of_a_process_says_what_the_queues_say_of_it() {
    let site = Site::new().await;
    send_orders(&site, 0..50).await;
    let mut unpaid = order("unpaid", 1);
    unpaid["customer_id"] = serde_json::Value::Null;
    site.queue.send(&placed(&unpaid), Default::default()).await;
    site.sqs().keep_history();

    let (process, _probe) = site.start_ready(&["run"]).await;
    until("all is done", || async {
        (site.queue.counts().await == Counts::NONE).then_some(())
    })
    .await;
    process.signal(Signal::Terminate);
    let ended = process.ended().await.with_code(0);

    let last = ended.stderr.lines().last().expect("it logs");
    let last: serde_json::Value = serde_json::from_str(last).expect("its log is JSON");
    assert_eq!(last["message"], "ends", "{last}");
    let (calls, entries) = served(&site);
    assert_eq!(last["sqs.requests"], calls, "{last}");
    assert_eq!(last["sqs.unanswered"], 0, "{last}");
    assert_eq!(last["messages.received"], entries(&["received"]), "{last}");
    assert_eq!(last["messages.processed"], 50, "{last}");
    assert_eq!(last["messages.dead_lettered"], 1, "{last}");
    assert_eq!(entries(&["sent"]), 1);
    let settled = last["acks.confirmed"].as_u64().expect("a number")
        + last["leases.extended"].as_u64().expect("a number");
    let changed = ["deleted", "stale", "gone", "changed"];
    assert_eq!(settled, entries(&changed), "{last}");
    assert_eq!(last.get("outbox.published"), None, "it has no relay");
}
