//! Traces, with real processes and a real receiver of OTLP.
#![forbid(unsafe_code)]

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use fleet_tests::books::{order, placed};
use fleet_tests::collector::{Collector, Manner, Seen};
use fleet_tests::process::{Ended, Process, Signal};
use fleet_tests::site::Site;
use serde_json::Value;
use sqs_local::{MessageAttributeValue, MessageAttributes, SendMessage};
use tokio::process::Command;

/// A trace that began elsewhere.
const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const SPAN: &str = "00f067aa0ba902b7";

/// What a process may take to end, above its grace: the flush takes two seconds of it.
const TAIL_MAX: Duration = Duration::from_secs(20);

/// A site whose programs send their traces to a collector; `ratio` is the sampler's.
async fn traced(manner: Manner, ratio: &str) -> (Site, Collector) {
    let (site, collector) = tokio::join!(Site::new(), Collector::start(manner));
    let site = site
        .with("OTEL_EXPORTER_OTLP_ENDPOINT", &collector.url())
        .with("OTEL_TRACES_SAMPLER_ARG", ratio)
        .with("OTEL_BSP_SCHEDULE_DELAY", "50");
    (site, collector)
}

fn parent(flags: &str) -> String {
    format!("00-{TRACE}-{SPAN}-{flags}")
}

fn attributes(pairs: &[(&str, &str)]) -> MessageAttributes {
    let pairs = pairs
        .iter()
        .map(|(name, value)| ((*name).to_owned(), MessageAttributeValue::string(*value)));
    pairs.collect()
}

/// Returns the lines of a log that are about the ends of messages.
fn ends(log: &str) -> Vec<Value> {
    let lines = log.lines();
    let lines = lines.map(|line| serde_json::from_str::<Value>(line).expect("a line is JSON"));
    lines
        .filter(|line| line.get("message.id").is_some())
        .collect()
}

async fn end(process: Process) -> Ended {
    process.signal(Signal::Terminate);
    process.ended().await.with_code(0)
}

fn the_one(spans: Vec<Seen>) -> Seen {
    let [one] = <[Seen; 1]>::try_from(spans).expect("one span");
    one
}

/// Runs the program whose handlers do what their events say.
async fn moody(site: &Site, arguments: &[&str]) -> Command {
    site.books
        .run("create table if not exists effects (mood text not null)")
        .await;
    let mut command = Command::new(env!("CARGO_BIN_EXE_moody"));
    command.args(arguments).env_clear().envs(&site.env);
    command
}

#[tokio::test]
async fn one_order_is_followed_from_its_placing_to_its_settlement() {
    let (site, collector) = traced(Manner::Takes, "1").await;
    let mut site = site
        .with("LOG_LEVEL", "info")
        .with(
            "OTEL_EXPORTER_OTLP_HEADERS",
            "authorization=Bearer%20hunter2",
        )
        .with("OTEL_SERVICE_NAME", "shop");
    // It brings its own SQS.
    site.env.remove("AWS_ENDPOINT_URL_SQS");
    let input = order("o-1", 1).to_string() + "\n";
    let ended = site
        .run_with_input(&["dev", "--orders", "-", "--drain"], input.as_bytes())
        .await
        .with_code(0);
    let one = |name: &str| the_one(collector.named(name));
    let (create, send) = (one("create order.placed"), one("send billing"));
    let (receive, process, settle) = (
        one("receive billing"),
        one("process billing"),
        one("settle billing"),
    );
    let of_the_order = [&create, &send, &process, &settle];
    let traces: BTreeSet<_> = of_the_order.map(|span| &span.trace).into();
    assert_eq!(traces.len(), 1, "one trace");
    let parents = of_the_order.map(|span| span.parent.as_str());
    assert_eq!(parents, ["", &create.id, &send.id, &process.id]);
    assert_eq!(process.links, std::slice::from_ref(&receive.id));
    assert_eq!(receive.attribute("messaging.batch.message_count"), "1");
    for span in of_the_order.into_iter().chain([&receive]) {
        let operation = span.name.split(' ').next();
        assert_eq!(span.attribute("messaging.system"), "aws_sqs");
        assert_eq!(Some(span.attribute("messaging.operation.name")), operation);
        assert_eq!(span.process.0, "shop");
        assert!(!span.failed);
    }
    assert_eq!(process.attribute("messaging.destination.name"), "billing");
    assert_eq!(process.attribute("fleet.outcome"), "processed");
    assert_eq!(settle.attribute("fleet.settlement"), "deleted");
    let line = &ends(&ended.stderr)[0];
    assert_eq!(line["trace_id"], create.trace);
    assert_eq!(line["span_id"], process.id);
    assert_eq!(
        process.attribute("messaging.message.id"),
        line["message.id"]
    );
    // The header arrived, and nothing of it, of the order or of the database is anywhere else.
    assert_eq!(
        collector.header("authorization").as_deref(),
        Some("Bearer hunter2")
    );
    for secret in ["hunter2", "17850", "HOLDER", "85123A", "postgres://"] {
        assert!(!collector.has_seen(secret), "{secret}");
    }
    assert!(!ended.stderr.contains("hunter2"));
}

#[tokio::test]
async fn a_dead_letter_and_its_replay_stay_in_the_trace_of_the_producer() {
    let (site, collector) = traced(Manner::Takes, "0").await;
    let mut unbillable = order("o-1", 1);
    unbillable["customer_id"] = Value::Null;
    site.books.place(&[unbillable.to_string()]).await;
    let set = format!("update fleet.outbox set trace_parent = '{}'", parent("01"));
    site.books.run(&set).await;
    let (relay, _) = site.start_ready(&["relay"]).await;
    let (worker, _) = site.start_ready(&["run"]).await;
    let process = the_one(collector.until(1, "process billing").await);
    let bury = the_one(collector.until(1, "send billing-dlq").await);
    let settle = the_one(collector.until(1, "settle billing").await);
    let send = the_one(collector.named("send billing"));
    for span in [&send, &process, &bury, &settle] {
        assert_eq!(span.trace, TRACE);
    }
    assert_eq!(send.parent, SPAN);
    assert_eq!(process.parent, send.id);
    assert_ne!(send.process, process.process, "another process");
    assert_eq!((&bury.parent, &settle.parent), (&process.id, &process.id));
    assert_eq!(process.attribute("error.type"), "rejected");
    assert!(process.failed);
    assert_eq!(settle.attribute("fleet.settlement"), "dead_lettered");
    let replay = ["dlq", "replay", "billing", "--yes"];
    // It dies of the same again, and so the replay stops.
    site.run(&replay).await.with_code(3);
    let again = collector.until(2, "process billing").await;
    assert!(
        again
            .iter()
            .all(|span| span.trace == TRACE && span.parent == send.id)
    );
    collector.until(2, "settle billing").await;
    assert!(
        collector.named("receive billing").is_empty(),
        "a receive is not sampled by its messages"
    );
    let ended = end(worker).await;
    let lines = ends(&ended.stderr);
    assert_eq!(lines.len(), 2);
    assert!(lines.iter().all(|line| line["trace_id"] == TRACE));
    end(relay).await;
    let shown = site
        .run(&["dlq", "ls", "billing", "--json"])
        .await
        .with_code(0);
    assert!(shown.stdout.contains(TRACE), "{}", shown.stdout);
}

#[tokio::test]
async fn a_retry_keeps_the_trace_and_what_a_handler_publishes_goes_on_in_it() {
    let (site, collector) = traced(Manner::Takes, "0").await;
    let site = site
        .with("TRACEPARENT", &parent("01"))
        .with("BILLING_MAX_ATTEMPTS", "2");
    let worker = Process::start(moody(&site, &["run"]).await);
    let subscribe = "insert into fleet.subscriptions values ('batch', 'billing')";
    site.books.run(subscribe).await;
    let lines = b"{\"mood\": \"flake\"}\n{\"mood\": \"publish\"}\n";
    let enqueue = moody(&site, &["enqueue", "billing", "--type", "single"]).await;
    let enqueued = Process::start_with_input(enqueue, lines).await;
    enqueued.ended().await.with_code(0);
    let sent = collector.until(2, "send billing").await;
    assert!(
        sent.iter()
            .all(|span| span.trace == TRACE && span.parent == SPAN)
    );
    let settled = collector.until(3, "settle billing").await;
    assert!(settled.iter().all(|span| span.trace == TRACE));
    let mut settlements: Vec<_> = settled
        .iter()
        .map(|span| span.attribute("fleet.settlement"))
        .collect();
    settlements.sort_unstable();
    assert_eq!(settlements, ["dead_lettered", "deleted", "retried"]);
    let tries = collector.named("process billing");
    let failed: Vec<_> = tries.iter().filter(|span| span.failed).collect();
    assert_eq!(failed.len(), 2);
    assert_eq!(failed[0].parent, failed[1].parent);
    assert_ne!(failed[0].id, failed[1].id);
    let created = the_one(collector.until(1, "create batch").await);
    assert_eq!(created.trace, TRACE);
    assert!(
        tries
            .iter()
            .any(|span| span.id == created.parent && !span.failed)
    );
    let rows = site
        .books
        .rows("select trace_parent from fleet.outbox")
        .await;
    let expected = format!("00-{TRACE}-{}-01", created.id);
    assert_eq!(rows[0]["trace_parent"], expected.as_str());
    let log = end(worker).await.stderr;
    let lines = ends(&log);
    assert!(
        lines.len() >= 3 && lines.iter().all(|line| line["trace_id"] == TRACE),
        "{log}"
    );
}

#[tokio::test]
async fn what_is_sent_carries_the_span_of_its_sending_and_the_state_of_its_producer() {
    let (site, _collector) = traced(Manner::Takes, "0").await;
    let orders = ["begun-here", "begun-elsewhere"].map(|id| order(id, 1).to_string());
    site.books.place(&orders).await;
    let set = format!(
        "update fleet.outbox set trace_parent = '{}', trace_state = 'shop=1'
         where event_id = 'placed/begun-elsewhere'",
        parent("00")
    );
    site.books.run(&set).await;
    let (relay, _) = site.start_ready(&["relay"]).await;
    site.queue.until_holds(2).await;
    end(relay).await;
    let sent = site.queue.peek().await;
    let carried = |id: &str, name: &str| {
        let message = sent.iter().find(|message| message.body.contains(id));
        let attribute = message.expect(id).message_attributes.get(name);
        attribute.and_then(|attribute| attribute.string_value.clone())
    };
    let begun = carried("begun-here", "traceparent").expect("a trace");
    assert!(begun.ends_with("-00") && !begun.contains(TRACE), "{begun}");
    assert_eq!(carried("begun-here", "tracestate"), None);
    let gone_on = carried("begun-elsewhere", "traceparent").expect("a trace");
    assert!(gone_on.starts_with(&parent("00")[..36]) && gone_on.ends_with("-00"));
    assert!(!gone_on.contains(SPAN), "it names the span of its sending");
    let state = carried("begun-elsewhere", "tracestate");
    assert_eq!(state.as_deref(), Some("shop=1"));
}

#[tokio::test]
async fn the_producer_decides_and_of_what_is_not_recorded_there_are_ids_all_the_same() {
    let (site, collector) = traced(Manner::Takes, "0").await;
    let (worker, _) = site.start_ready(&["run"]).await;
    let cases = [("recorded", "01"), ("not-recorded", "00")];
    for (id, flags) in cases {
        let traceparent = attributes(&[("traceparent", &parent(flags))]);
        site.queue.send(&placed(&order(id, 1)), traceparent).await;
    }
    let x_ray = "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1";
    let header = MessageAttributeValue::string(x_ray);
    let send = SendMessage {
        queue_url: site.queue.url().to_owned(),
        message_body: placed(&order("by-x-ray", 1)),
        message_system_attributes: [("AWSTraceHeader".to_owned(), header)].into(),
        ..SendMessage::default()
    };
    site.sqs().call(send).await.expect("SQS takes it");
    site.queue
        .send(&placed(&order("from-nowhere", 1)), attributes(&[]))
        .await;
    site.books.until_count("billing.invoices", 4).await;
    let log = end(worker).await.stderr;
    let mut recorded: Vec<_> = collector.named("process billing").into_iter().collect();
    recorded.sort_by_key(|span| span.attribute("cloudevents.event_id").to_owned());
    let told: Vec<_> = recorded
        .iter()
        .map(|span| (span.trace.as_str(), span.parent.as_str()))
        .collect();
    assert_eq!(
        told,
        [
            ("5759e988bd862e3fe1be46a994272793", "53995c3f42cd8ad8"),
            (TRACE, SPAN)
        ]
    );
    let lines = ends(&log);
    let line = |id: &str| lines.iter().find(|line| line["event.id"] == id).expect(id);
    assert_eq!(line("not-recorded")["trace_id"], TRACE);
    assert!(line("not-recorded").get("span_id").is_none());
    assert_eq!(line("recorded")["trace_id"], TRACE);
    let fresh = line("from-nowhere")["trace_id"].as_str().expect("an id");
    assert_eq!(fresh.len(), 32);
}

#[tokio::test]
async fn a_traceparent_that_is_none_is_ignored_and_forges_no_line() {
    let site = Site::new().await;
    let (worker, _) = site.start_ready(&["run"]).await;
    let zeros = parent("01").replace(TRACE, &"0".repeat(32));
    let hostile = [
        parent("01").to_uppercase(),
        zeros,
        "x".repeat(10_240),
        format!("{}\n{{\"level\":\"ERROR\"}}", parent("01")),
        parent("01").replace("4bf9", "4b\t9"),
    ];
    for (number, value) in hostile.iter().enumerate() {
        let id = format!("attribute-{number}");
        let traceparent = attributes(&[("traceparent", value), ("tracestate", value)]);
        site.queue.send(&placed(&order(&id, 1)), traceparent).await;
        let mut body: Value = serde_json::from_str(&placed(&order(&format!("body-{number}"), 1)))
            .expect("it is JSON");
        body["traceparent"] = value.as_str().into();
        site.queue.send(&body.to_string(), attributes(&[])).await;
    }
    let mut numeric: Value = serde_json::from_str(&placed(&order("number", 1))).expect("JSON");
    numeric["traceparent"] = 7.into();
    site.queue.send(&numeric.to_string(), attributes(&[])).await;
    // The first is malformed, and so the second counts.
    let mut sound: Value = serde_json::from_str(&placed(&order("sound", 1))).expect("JSON");
    sound["traceparent"] = parent("00").into();
    let malformed = attributes(&[("traceparent", "none")]);
    site.queue.send(&sound.to_string(), malformed).await;
    site.books.until_count("billing.invoices", 12).await;
    let log = end(worker).await.stderr;
    let lines = ends(&log);
    assert_eq!(lines.len(), 12);
    let traced: Vec<_> = lines
        .iter()
        .filter(|line| line.get("trace_id").is_some())
        .collect();
    assert_eq!(traced.len(), 1, "{traced:?}");
    assert_eq!(traced[0]["event.id"], "sound");
    assert_eq!(traced[0]["trace_id"], TRACE);
}

/// Works off some orders while the collector is in trouble; all are billed, and the process ends in time.
async fn work_without_collector(manner: Manner) {
    const ORDERS: usize = 60;
    let (site, collector) = traced(manner, "1").await;
    let site = site
        .with("OTEL_BSP_MAX_QUEUE_SIZE", "20")
        .with("OTEL_EXPORTER_OTLP_TIMEOUT", "60000");
    let (worker, probe) = site.start_ready(&["run"]).await;
    for id in 0..ORDERS {
        let body = placed(&order(&id.to_string(), 1));
        site.queue.send(&body, attributes(&[])).await;
    }
    site.books
        .until_count("billing.invoices", ORDERS as u64)
        .await;
    site.queue.until_holds(0).await;
    assert!(collector.requests() > 0);
    let page = probe.get("/metrics").await.expect("it answers").body;
    let lost = page
        .lines()
        .find_map(|line| line.strip_prefix("fleet_spans_lost_total "));
    let lost: u64 = lost.expect("the metric is there").parse().expect("a count");
    assert!(lost > 0, "{manner:?}");
    let begun = Instant::now();
    let log = end(worker).await.stderr;
    assert!(begun.elapsed() < TAIL_MAX, "{:?}", begun.elapsed());
    assert_eq!(ends(&log).len(), ORDERS);
    let warnings = log.lines().filter(|line| line.contains("spans")).count();
    assert_eq!(warnings, 1, "{log}");
}

#[tokio::test]
async fn a_collector_that_fails_costs_spans_and_one_warning() {
    work_without_collector(Manner::Fails).await;
}

#[tokio::test]
async fn a_collector_that_hangs_costs_spans_and_two_seconds_at_the_end() {
    work_without_collector(Manner::Hangs).await;
}

#[tokio::test]
async fn a_malformed_variable_of_open_telemetry_is_reported_with_all_others() {
    let site = Site::new()
        .await
        .with("OTEL_EXPORTER_OTLP_ENDPOINT", "collector")
        .with("OTEL_EXPORTER_OTLP_HEADERS", "hunter2")
        .with("OTEL_TRACES_SAMPLER_ARG", "2");
    for command in [
        &["run"][..],
        &["config"],
        &["enqueue", "billing", "--type", "t"],
    ] {
        let ended = site.run(command).await.with_code(2);
        for name in [
            "OTEL_EXPORTER_OTLP_ENDPOINT: \"collector\" is not an address",
            "OTEL_EXPORTER_OTLP_HEADERS: its value is not a list of headers",
            "OTEL_TRACES_SAMPLER_ARG: \"2\" is not a share",
        ] {
            assert!(ended.stderr.contains(name), "{name}: {}", ended.stderr);
        }
        assert!(!ended.stderr.contains("hunter2"));
    }
}
