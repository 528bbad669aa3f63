use std::path::Path;

use fleet_tests::process::Ended;
use serde_json::json;
use tempfile::TempDir;

use super::marks::{BODY, CARD, EMAIL, NAME};
use super::parlour::Parlour;
use super::slips;

/// Commands that look at the dead and say nothing of what stands in them.
const LOOKING: [&[&str]; 16] = [
    &["queues"],
    &["dlq", "stats", "billing"],
    &["dlq", "ls", "billing"],
    &["dlq", "ls", "billing", "--wide"],
    &["dlq", "group", "billing"],
    &["dlq", "group", "billing", "--by", "type"],
    &["dlq", "replays"],
    &["dlq", "replay", "billing", "--dry-run"],
    &["dlq", "replay", "billing", "--rehearse"],
    &["outbox", "stats"],
    &["outbox", "ls"],
    &["why", "a failed check"],
    &["why", "a value that is no number"],
    &["top", "--once"],
    &["doctor"],
    &["config"],
];

/// Makes dead letters of every kind; the MessageId of one that is no event comes along.
async fn with_dead_letters() -> (Parlour, String) {
    let mut parlour = Parlour::open().await;
    let slips = slips::all();
    let mut unreadable = String::new();
    for slip in &slips {
        let message = parlour.send(slip).await;
        if slip.path == "body is not JSON" {
            unreadable = message;
        }
    }
    parlour.run("drain", &["run", "--drain"]).await.with_code(0);
    let dead = slips.len() as u64 - 1;
    parlour.site.dead_letters.until_holds(dead).await;
    (parlour, unreadable)
}

fn write(folder: &TempDir, name: &str, lines: &[String]) -> String {
    let path = folder.path().join(name);
    std::fs::write(&path, lines.join("\n")).expect("it is ours");
    path.display().to_string()
}

#[tokio::test(flavor = "multi_thread")]
async fn no_command_that_looks_at_the_dead_tells_of_them() {
    let (mut parlour, _) = with_dead_letters().await;
    for command in LOOKING {
        parlour.run(&command.join(" "), command).await;
        if command != ["config"] {
            let json = [command, &["--json"]].concat();
            parlour.run(&json.join(" "), &json).await;
        }
    }
    // What died of a moment ago is replayed, and dies once more.
    let replay = ["dlq", "replay", "billing", "--yes"];
    parlour.run("replay", &replay).await;
    parlour.run("replayed", &["run", "--drain"]).await;
    parlour.run("replays", &["dlq", "replays", "--json"]).await;
    let books = &parlour.site.books;
    parlour.evidence.add_tables("replay", books).await;
    parlour.evidence.assert_clean();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_command_is_asked_to_show_it_shows_on_stdout_only() {
    let (mut parlour, unreadable) = with_dead_letters().await;
    let folder = TempDir::new().expect("it can be made");
    let file = folder.path().join("dead.jsonl").display().to_string();
    let check = |ended: &Ended, mark: &str| {
        assert!(ended.stdout.contains(mark), "{ended:?}");
    };
    let edit = ["dlq", "edit", "billing", "a failed check"];
    let new = format!("name={NAME}");
    let shown: [(&[&str], &str); 5] = [
        (&["dlq", "show", "billing", "a failed check"], EMAIL),
        (
            &["dlq", "show", "billing", "a failed check", "--json"],
            EMAIL,
        ),
        (&["dlq", "show", "billing", &unreadable], BODY),
        (&["dlq", "export", "billing"], CARD),
        (
            &[
                &edit[..],
                &["--set", &new, "--set", "card=cnryNew", "--dry-run"],
            ]
            .concat(),
            "cnryNew",
        ),
    ];
    for (command, mark) in shown {
        let ended = parlour.start(command).ended().await;
        check(&ended, mark);
        let path = command.join(" ");
        parlour.evidence.add(&path, "stderr", ended.stderr);
    }
    let fails = format!("fails={CARD}");
    let path = format!("{EMAIL}={CARD}");
    for quiet in [
        &[&edit[..], &["--set", &fails]].concat(),
        &[&edit[..], &["--set", &path]].concat(),
        &[&edit[..], &["--body", "-"]].concat(),
        &vec!["dlq", "export", "billing", "--out", &file],
        &vec!["dlq", "import", "billing", &file, "--yes"],
        &vec![
            "dlq",
            "purge",
            "billing",
            "--all",
            "--yes",
            "--export",
            "/dev/full",
        ],
    ] {
        // What somebody has typed may be repeated to them.
        if !quiet.contains(&path.as_str()) {
            parlour.run(&quiet.join(" "), quiet).await;
        }
    }
    let exported = std::fs::read_to_string(Path::new(&file)).expect("it was written");
    assert!(exported.contains(EMAIL), "{exported}");
    parlour.evidence.assert_clean();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_line_that_is_refused_is_named_and_not_repeated() {
    let mut parlour = Parlour::open().await;
    let folder = TempDir::new().expect("it can be made");
    let slip = |member: &str, value: serde_json::Value| {
        let mut slip = json!({ "fails": "not", "email": EMAIL, "name": NAME, "card": CARD });
        slip[member] = value;
        slip.to_string()
    };
    let broken = [
        BODY.to_owned(),
        format!("{{\"email\":\"{EMAIL}"),
        json!([BODY]).to_string(),
        slip("name", json!({ EMAIL: NAME })),
        slip("fails", json!(CARD)),
        slip("prices", json!({ EMAIL: NAME })),
        slip("card", json!(super::marks::LONG_CARD)),
        slip("id", json!({ EMAIL: 1 })),
        json!({ EMAIL: 1 }).to_string(),
    ];
    let lines = write(&folder, "lines.jsonl", &broken);
    let enqueue = [
        "enqueue",
        "billing",
        "--type",
        "slip",
        "--id-field",
        "id",
        &lines,
    ];
    let ended = parlour.run("enqueue", &enqueue).await.with_code(1);
    assert_eq!(ended.stderr.matches("lines.jsonl:").count(), broken.len());
    let import = ["dlq", "import", "billing", &lines, "--yes"];
    let ended = parlour.run("import", &import).await;
    assert_eq!(ended.stderr.matches("lines.jsonl:").count(), broken.len());

    let order = fleet_tests::books::order("1", 1);
    let with = |member: &str, value: serde_json::Value| {
        let mut order = order.clone();
        order[member] = value;
        order.to_string()
    };
    let mut orders = broken[..3].to_vec();
    for member in [
        "order_id",
        "customer_id",
        "currency",
        "placed_at",
        "country",
        "cancelled",
    ] {
        orders.push(with(member, json!({ EMAIL: NAME })));
        orders.push(with(member, json!(format!("{NAME}{}", "x".repeat(2_000)))));
    }
    orders.push(with("lines", json!([{ "sku": NAME, "quantity": CARD }])));
    orders.push(with("order_id", json!(NAME.replace(' ', "\0"))));
    let lines = write(&folder, "orders.jsonl", &orders);
    let mut dev = parlour
        .site
        .command(&["dev", "--orders", &lines, "--drain"]);
    dev.env_remove("AWS_ENDPOINT_URL_SQS");
    let ended = fleet_tests::process::Process::start(dev).ended().await;
    parlour.evidence.add_ended("dev --orders", &ended);
    assert!(ended.stderr.contains("orders.jsonl:1"), "{ended:?}");
    parlour.evidence.assert_clean();
}
