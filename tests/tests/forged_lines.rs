//! What stands in messages, pauses and variables cannot make a line that looks like the program's.
#![forbid(unsafe_code)]

use fleet_tests::books::placed;
use fleet_tests::plain::hidden_in;
use fleet_tests::process::{Ended, Process, Signal};
use fleet_tests::site::Site;
use regex::Regex;
use serde_json::{Value, json};
use sqs_local::{MessageAttributeValue, MessageAttributes};
use tokio::process::Command;

/// Ends a line in every way there is, begins one of the program, and turns what follows around.
const HOSTILE: &str = "x\"}\r\n{\"timestamp\":\"2026-01-01T00:00:00.000000Z\",\"level\":\"ERROR\",\
    \"target\":\"fleet\",\"forged\":true}\n2026-01-01T00:00:00.000000Z ERROR fleet: forged=true\n\
    \u{85}\u{2028}\u{2029}\u{202e}\u{2066}\u{200b}\u{feff}x";

/// What SQS takes in a body only where JSON has escaped it.
const IN_JSON_ONLY: &str = "\u{0}\u{1b}[2J\u{1b}]0;forged\u{7}\u{8}\u{9b}";

/// How a line of the log begins in text.
const TEXT: &str =
    r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z +(TRACE|DEBUG|INFO|WARN|ERROR) fleet[a-z_:]*: ";

/// Commands that show what stands in dead letters, rows and pauses; each is run for JSON as well.
const SHOWING: [&[&str]; 12] = [
    &["queues"],
    &["dlq", "stats", "billing"],
    &["dlq", "ls", "billing"],
    &["dlq", "ls", "billing", "--wide"],
    &["dlq", "group", "billing"],
    &["dlq", "group", "billing", "--by", "type"],
    &["dlq", "replay", "billing", "--dry-run"],
    &["dlq", "replay", "billing", "--rehearse"],
    &["outbox", "stats"],
    &["outbox", "ls"],
    &["top", "--once"],
    &["doctor"],
];

/// A message, its attributes, and how often a process says how it ended.
type Sent = (String, MessageAttributes);

fn event(members: Value) -> Sent {
    let mut event = json!({
        "specversion": "1.0", "id": "1", "source": "/tests", "type": "slip",
        "data": { "fails": "permanently", "email": "x", "name": "x", "card": "x" },
    });
    let all = event.as_object_mut().expect("it is an object");
    for (name, value) in members.as_object().expect("members have names") {
        all.insert(name.clone(), value.clone());
    }
    (event.to_string(), MessageAttributes::new())
}

/// Messages that are hostile wherever a producer can write something.
fn hostile() -> Vec<Sent> {
    let (worse, worst) = (
        format!("{HOSTILE}\u{1b}[2J"),
        format!("{HOSTILE}{IN_JSON_ONLY}"),
    );
    let data = |fails: &str, text: &str| json!({ "fails": fails, "email": text, "name": text, "card": text });
    let attribute = |name: &str| {
        let value = MessageAttributeValue::string(HOSTILE);
        MessageAttributes::from([(name.to_owned(), value)])
    };
    let s3 = json!({ "Records": [{
        "eventSource": "aws:s3", "eventName": worse,
        "s3": { "bucket": { "name": worse }, "object": { "key": worse, "sequencer": worse } },
    }] });
    let bridge = json!({ "detail-type": worse, "source": worse, "id": worse, "detail": {} });
    let sns = json!({ "TopicArn": worse, "MessageId": worse, "Message": placed(&json!({
        "order_id": worse })) });
    let bare = |name: &str| (json!({ "x": worst }).to_string(), attribute(name));
    let mut traced = event(json!({ "traceparent": worst }));
    traced.1 = attribute("traceparent");
    vec![
        event(json!({ "type": worse })),
        event(json!({ "id": worse })),
        event(json!({ "source": worse })),
        event(json!({ "type": worse, "id": worse, "source": worse, "subject": worse })),
        event(json!({ "id": worst })),
        event(json!({ "specversion": worst })),
        event(json!({ "time": worst, worst.clone(): worst })),
        event(json!({ "data": data("saying", &worst) })),
        event(json!({ "data": data(&worst, &worst) })),
        event(json!({ "data": { worst.clone(): worst } })),
        event(json!({ "dataschema": worst, "partitionkey": worst })),
        traced,
        bare("type"),
        bare("id"),
        (worse.replace('\u{1b}', ""), MessageAttributes::new()),
        (s3.to_string(), MessageAttributes::new()),
        (bridge.to_string(), MessageAttributes::new()),
        (sns.to_string(), MessageAttributes::new()),
    ]
}

/// Checks that each line is plain, and none is one that somebody else has written.
#[track_caller]
fn assert_plain(what: &str, text: &str) {
    for line in text.lines() {
        assert_eq!(hidden_in(line), None, "{what}: {line:?}");
        let begins = ["{\"timestamp\"", "2026-01-01T", "ERROR"];
        let is_forged = begins
            .iter()
            .any(|begin| line.trim_start().starts_with(begin));
        assert!(!is_forged || is_of_the_log(line), "{what}: {line}");
    }
}

/// Tells whether a line is one of the log's own, which has no field that was forged.
fn is_of_the_log(line: &str) -> bool {
    let line: Option<Value> = serde_json::from_str(line).ok();
    line.is_some_and(|line| line.get("target").is_some() && line.get("forged").is_none())
}

/// Checks that a log has nothing but lines of the log, and so many on messages.
#[track_caller]
fn assert_log(format: &str, ended: &Ended, messages: usize) {
    assert_eq!(ended.stdout, "");
    let text = Regex::new(TEXT).expect("it is an expression");
    let is_own = |line: &str| match format {
        "json" => is_of_the_log(line),
        _ => text.is_match(line),
    };
    for line in ended.stderr.lines() {
        assert_eq!(hidden_in(line), None, "{line:?}");
        assert!(is_own(line), "{format}: {line}");
    }
    // What is escaped is still there.
    assert!(
        messages == 0 || ended.stderr.contains("\\u202e"),
        "{}",
        ended.stderr
    );
    let reports = ended.stderr.lines();
    let reports = reports.filter(|line| line.contains("settlement")).count();
    assert_eq!(reports, messages, "{format}: {}", ended.stderr);
}

fn program(site: &Site, arguments: &[&str]) -> Process {
    let mut command = Command::new(env!("CARGO_BIN_EXE_indiscreet"));
    command.args(arguments).env_clear().envs(&site.env);
    Process::start(command)
}

/// Writes a hostile row to the outbox, which the relay sends to billing.
async fn enqueue(site: &Site) {
    let text = HOSTILE.replace('\'', "''");
    let statements = [
        format!(
            "insert into fleet.subscriptions (event_type, consumer) values ('{text}', 'billing')"
        ),
        format!("select fleet.enqueue('{text}', '{{}}', '{text}', '{text}')"),
    ];
    for statement in statements {
        site.books.run(&statement).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_message_forges_a_line() {
    for format in ["json", "text"] {
        let site = Site::new()
            .await
            .with("LOG_FORMAT", format)
            .with("LOG_LEVEL", "trace")
            .with("UNKNOWN_TYPE_GRACE", "0s")
            .with("BILLING_MAX_ATTEMPTS", "1");
        let messages = hostile();
        let count = messages.len() + 1;
        for (body, attributes) in messages {
            site.queue.send(&body, attributes).await;
        }
        enqueue(&site).await;
        let relay = program(&site, &["relay"]);
        site.books
            .until_count("fleet.outbox where sent_at is not null", 1)
            .await;
        relay.signal(Signal::Terminate);
        assert_log(format, &relay.ended().await.with_code(0), 0);
        let worker = program(&site, &["run"]);
        site.dead_letters.until_holds(count as u64).await;
        site.queue.until_holds(0).await;
        worker.signal(Signal::Terminate);
        assert_log(format, &worker.ended().await.with_code(0), count);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_message_and_no_reason_forges_a_line_of_a_command() {
    let site = Site::new()
        .await
        .with("UNKNOWN_TYPE_GRACE", "0s")
        .with("BILLING_MAX_ATTEMPTS", "1");
    for (body, attributes) in hostile() {
        site.queue.send(&body, attributes).await;
    }
    program(&site, &["run", "--drain"])
        .ended()
        .await
        .with_code(0);
    enqueue(&site).await;
    let pause = ["pause", "billing", "--reason", HOSTILE];
    let paused = program(&site, &pause).ended().await.with_code(0);
    assert_plain("pause", &paused.stderr);
    for command in SHOWING {
        for more in [&[][..], &["--json"]] {
            if !more.is_empty() && command.contains(&"--wide") {
                // JSON is as wide as it gets.
                continue;
            }
            let ended = program(&site, &[command, more].concat()).ended().await;
            assert_plain(&command.join(" "), &ended.stdout);
            assert_plain(&command.join(" "), &ended.stderr);
            if !more.is_empty() {
                let json = serde_json::from_str::<Value>(&ended.stdout);
                assert!(json.is_ok(), "{command:?}: {ended:?}");
            }
        }
    }
    // A body is shown as it is; everything around it is the program's.
    let shown: [&[&str]; 3] = [
        &["why", HOSTILE],
        &["why", "1"],
        &["dlq", "show", "billing", "1"],
    ];
    for command in shown {
        let ended = program(&site, command).ended().await;
        assert_plain(&command.join(" "), &ended.stdout);
        assert_plain(&command.join(" "), &ended.stderr);
    }
}

#[tokio::test]
async fn no_variable_forges_a_line() {
    let mut site = Site::new().await;
    let variables = [
        "ADMIN_ADDR",
        "BILLING_CONCURRENCY",
        "BILLING_QUEUE_URL",
        "DATABASE_URL",
        "FLEET_SCHEMA",
        "LOG_LEVEL",
        "LOG_FORMAT",
    ];
    for variable in variables {
        site = site.with(variable, HOSTILE);
    }
    for command in ["config", "run", "relay", "doctor"] {
        let ended = program(&site, &[command]).ended().await;
        for text in [&ended.stdout, &ended.stderr] {
            assert_plain(command, text);
        }
        for variable in variables {
            assert!(
                [&ended.stdout, &ended.stderr]
                    .iter()
                    .any(|text| text.contains(variable)),
                "{command}: no {variable} in {ended:?}"
            );
        }
    }
}
