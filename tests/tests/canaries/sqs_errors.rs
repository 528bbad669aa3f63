use fleet_tests::probe::Probe;
use fleet_tests::process::Process;

use super::marks::{CARD, EMAIL, NAME};
use super::parlour::Parlour;
use super::parrot::{Parrot, Refusal};
use super::slips;

/// What AWS answers when it repeats what it was sent, an answer that is none, and what a log line
/// says of them.
const REFUSALS: [(&str, Refusal, &str); 4] = [
    (
        "signature",
        Refusal::Quoting(403, "SignatureDoesNotMatch"),
        "(SignatureDoesNotMatch): HTTP 403, request 7",
    ),
    (
        "contents",
        Refusal::Quoting(400, "InvalidMessageContents"),
        "(InvalidMessageContents): HTTP 400",
    ),
    (
        "failure",
        Refusal::Quoting(500, "InternalFailure"),
        "(InternalFailure): HTTP 500",
    ),
    ("echo", Refusal::Echo, "SQS cannot be reached: HTTP 200"),
];

/// The operations by which a consumer settles; each is sent what belongs to a message.
const SETTLING: [&str; 4] = [
    "DeleteMessageBatch",
    "ChangeMessageVisibilityBatch",
    "SendMessage",
    "SendMessageBatch",
];

async fn parlour() -> (Parlour, Parrot) {
    let mut parlour = Parlour::open().await;
    let endpoint = parlour.site.endpoint();
    let (_, addr) = endpoint.rsplit_once('/').expect("it has a scheme");
    let parrot = Parrot::before(addr.parse().expect("it is an IP address")).await;
    parlour.set("AWS_ENDPOINT_URL_SQS", &parrot.url());
    (parlour, parrot)
}

/// Waits until a program says of an operation what SQS answered.
async fn until_said(process: &mut Process, operation: &str, said: &str) {
    let failed = format!("{operation} failed: ");
    let find = |line: &str| (line.contains(&failed) && line.contains(said)).then_some(());
    process.find_in_stderr(find).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_sqs_that_repeats_requests_is_not_repeated() {
    let (mut parlour, parrot) = parlour().await;
    parrot.refuse(&[("GetQueueAttributes", REFUSALS[0].1)]);
    let mut worker = parlour.start(&["run"]);
    let probe = Probe::of(&mut worker).await;
    parrot.until_refused("GetQueueAttributes").await;
    probe.until_not_ready("queue billing").await;
    parlour.evidence.add_answers("a start", probe).await;

    parrot.refuse(&[]);
    probe.until_ready().await;
    let mut relay = parlour.start(&["relay"]);
    let relaying = Probe::of(&mut relay).await;
    relaying.until_ready().await;
    for (path, refusal, said) in REFUSALS {
        let mut refused = SETTLING.map(|operation| (operation, refusal)).to_vec();
        parrot.refuse(&refused);
        for slip in [
            slips::failing(path, "publishing", "processed"),
            slips::failing(path, "permanently", "rejected"),
        ] {
            parlour.send(&slip).await;
        }
        for operation in ["DeleteMessageBatch", "SendMessageBatch"] {
            until_said(&mut worker, operation, said).await;
        }
        // A relay says once why rows wait, and goes on trying.
        if path == REFUSALS[0].0 {
            relay.says("SignatureDoesNotMatch").await;
        }
        refused.push(("ReceiveMessage", refusal));
        parrot.refuse(&refused);
        until_said(&mut worker, "ReceiveMessage", said).await;
        parlour.evidence.add_answers(path, probe).await;
    }
    parrot.refuse(&[]);
    parlour.stop("refusals: run", worker, probe).await;
    parlour.stop("refusals: relay", relay, relaying).await;
    parlour.evidence.assert_clean();
}

#[tokio::test(flavor = "multi_thread")]
async fn no_command_repeats_what_sqs_says() {
    let (mut parlour, parrot) = parlour().await;
    let folder = tempfile::TempDir::new().expect("it can be made");
    let lines = folder.path().join("slips.jsonl");
    let slip = serde_json::json!({ "fails": "not", "email": EMAIL, "name": NAME, "card": CARD });
    std::fs::write(&lines, slip.to_string()).expect("it is ours");
    let lines = lines.display().to_string();
    let commands: [&[&str]; 5] = [
        &["queues"],
        &["doctor"],
        &["dlq", "ls", "billing"],
        &["dlq", "replay", "billing", "--yes"],
        &["enqueue", "billing", "--type", "slip", &lines],
    ];
    let all = SETTLING
        .into_iter()
        .chain(["GetQueueAttributes", "GetQueueUrl", "ReceiveMessage"]);
    let all: Vec<_> = all.map(|operation| (operation, REFUSALS[0].1)).collect();
    parrot.refuse(&all);
    for command in commands {
        let ended = parlour.run(&command.join(" "), command).await;
        assert!(
            ended.stderr.contains("SignatureDoesNotMatch")
                || ended.stdout.contains("SignatureDoesNotMatch"),
            "{command:?}: {ended:?}"
        );
    }
    parlour.evidence.assert_clean();
}
