//! An order and some dead letters, each process with an access key of its own.

use std::collections::BTreeSet;
use std::path::Path;

use aws_sdk_sqs::config::{BehaviorVersion, Credentials, Region};
use aws_sdk_sqs::types::QueueAttributeName;
use fleet_tests::books::order;
use fleet_tests::graves::bury_order;
use fleet_tests::patience::until;
use fleet_tests::probe::Probe;
use fleet_tests::process::{Process, Signal};
use fleet_tests::site::Site;
use serde_json::Value;
use sqs_local::history::Record;

use crate::policies::{ROLES, Right, enforce_all, fleet_as, key, policy, rights};

/// What cancels a move task names it by a handle, in which only SQS finds the queue.
const BY_HANDLE: &str = "CancelMessageMoveTask";

#[tokio::test(flavor = "multi_thread")]
async fn the_policies_suffice_and_none_is_too_much() {
    let site = Site::new().await;
    site.sqs().keep_history();
    enforce_all(&site);
    serve(&site).await;
    operate(&site).await;
    autoscale(&site).await;
    for role in ROLES {
        let calls = calls_of(&site, role);
        let refused: Vec<_> = calls.iter().filter(|call| is_refused(call)).collect();
        assert!(refused.is_empty(), "{role} was refused: {refused:#?}");
        let used: BTreeSet<Right> = calls.iter().map(right).collect();
        assert_eq!(used, rights(&policy(role)), "{role}: used, and allowed");
    }
    let anybody = site
        .sqs()
        .history()
        .expect("it is kept")
        .after(0, usize::MAX);
    let keys: BTreeSet<String> = ROLES.iter().map(|role| key(role)).collect();
    let strangers = anybody.iter().filter(|call| !keys.contains(&*call.key));
    // The test itself, which comes in process.
    assert!(strangers.into_iter().all(|call| &*call.key == "anonymous"));
}

/// Orders come by the outbox and from a producer; one is good, some cannot be billed, and one is
/// of a type that nobody knows yet.
async fn serve(site: &Site) {
    let relay = start(site, "relay", &["relay"]).await;
    site.books.place(&[order("placed", 1).to_string()]).await;
    site.queue.until_holds(1).await;
    until_measured(site, "relay").await;
    end(relay).await;

    let consumer = start(site, "consumer", &["run"]).await;
    site.books.until_count("billing.invoices", 1).await;
    let mut hopeless = order("hopeless", 1);
    hopeless["customer_id"] = Value::Null;
    produce(site, "order.placed", &hopeless).await;
    site.dead_letters.until_holds(1).await;
    produce(site, "order.unheard-of", &hopeless).await;
    until("the unknown is given back for later", || async {
        let calls = calls_of(site, "consumer");
        let gives_back = |call: &Record| call.operation == "ChangeMessageVisibilityBatch";
        calls.iter().any(gives_back).then_some(())
    })
    .await;
    until("what is done is deleted", || async {
        (site.queue.counts().await.total() == 1).then_some(())
    })
    .await;
    until_measured(site, "consumer").await;
    end(consumer).await;
}

async fn start(site: &Site, role: &str, arguments: &[&str]) -> Process {
    let mut process = Process::start(fleet_as(site, role, arguments));
    Probe::of(&mut process).await.until_ready().await;
    process
}

async fn end(process: Process) {
    process.signal(Signal::Terminate);
    process.ended().await.with_code(0);
}

/// Waits until it was the turn of a process to ask both queues how deep they are.
async fn until_measured(site: &Site, role: &str) {
    until(&format!("the {role} measures"), || async {
        let calls = calls_of(site, role);
        let asks = |call: &Record| {
            call.operation == "GetQueueAttributes" && call.queue.as_deref() == Some("billing-dlq")
        };
        calls.iter().any(asks).then_some(())
    })
    .await;
}

/// Sends an event to the queue.
async fn produce(site: &Site, event_type: &str, data: &Value) {
    let arguments = ["enqueue", "billing", "--type", event_type];
    let enqueue = fleet_as(site, "producer", &arguments);
    let process = Process::start_with_input(enqueue, data.to_string().as_bytes()).await;
    process.ended().await.with_code(0);
}

/// Everything that an operator types.
async fn operate(site: &Site) {
    for id in 0..30 {
        bury_order(site, &order(&format!("dead-{id}"), 1), "no prices").await;
    }
    let folder = tempfile::tempdir().expect("a folder can be made");
    let file = |name: &str| path(&folder.path().join(name));
    let (exported, purged) = (file("exported.jsonl"), file("purged.jsonl"));
    for command in [
        &["queues"][..],
        &["top"],
        &["dlq", "stats", "billing"],
        &["dlq", "ls", "billing"],
        &["dlq", "group", "billing"],
        &["dlq", "show", "billing", "dead-1"],
        &["dlq", "export", "billing", "--out", &exported],
        &[
            "dlq",
            "edit",
            "billing",
            "dead-1",
            "--set",
            "country=\"France\"",
            "--yes",
        ],
        &["dlq", "replay", "billing", "--id", "dead-2", "--yes"],
        &[
            "dlq", "purge", "billing", "--id", "dead-3", "--yes", "--export", &purged,
        ],
        &["dlq", "import", "billing", &purged, "--yes"],
    ] {
        operator(site, command).ended().await.with_code(0);
    }
    // What it finds is another test's; here it is enough that it may ask.
    operator(site, &["doctor"]).ended().await;

    let before = site.queue.counts().await.total();
    let native = operator(
        site,
        &[
            "dlq", "replay", "billing", "--native", "--rate", "1", "--yes",
        ],
    );
    until("some are moved", || async {
        (site.queue.counts().await.total() > before).then_some(())
    })
    .await;
    native.signal(Signal::Interrupt);
    native.ended().await.with_code(130);
}

fn path(file: &Path) -> String {
    file.to_str().expect("it is text").to_owned()
}

fn operator(site: &Site, arguments: &[&str]) -> Process {
    Process::start(fleet_as(site, "operator", arguments))
}

/// Counts as KEDA does.
async fn autoscale(site: &Site) {
    let config = aws_sdk_sqs::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("us-east-1"))
        .credentials_provider(Credentials::new(
            key("autoscaler"),
            "secret",
            None,
            None,
            "test",
        ))
        .endpoint_url(site.endpoint())
        .http_client(aws_smithy_http_client::Builder::new().build_http())
        .build();
    let counted = aws_sdk_sqs::Client::from_conf(config)
        .get_queue_attributes()
        .queue_url(&site.env["BILLING_QUEUE_URL"])
        .attribute_names(QueueAttributeName::ApproximateNumberOfMessages)
        .attribute_names(QueueAttributeName::ApproximateNumberOfMessagesNotVisible)
        .send()
        .await;
    counted.expect("it may count");
}

fn calls_of(site: &Site, role: &str) -> Vec<Record> {
    let history = site.sqs().history().expect("it is kept");
    let mut calls = history.after(0, usize::MAX);
    calls.retain(|call| *call.key == key(role));
    calls
}

fn is_refused(call: &Record) -> bool {
    matches!(
        call.result,
        "AccessDeniedException"
            | "UnrecognizedClientException"
            | "MissingAuthenticationTokenException"
    )
}

/// Returns the right that a call needs: a batch that of the single call.
fn right(call: &Record) -> Right {
    let action = call
        .operation
        .strip_suffix("Batch")
        .unwrap_or(call.operation);
    let queue = match action {
        BY_HANDLE => Some("billing-dlq"),
        _ => call.queue.as_deref(),
    };
    (action.to_owned(), queue.unwrap_or_default().to_owned())
}
