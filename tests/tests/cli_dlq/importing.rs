//! `dlq import`: what was exported comes back byte by byte, and once.

use std::fs;
use std::path::PathBuf;

use fleet::message::Outgoing;
use fleet_tests::mailbox::Counts;
use fleet_tests::terminal::Key;
use jiff::{SignedDuration, Timestamp};
use tempfile::{TempDir, tempdir};

use crate::morgue::{Morgue, message, refused_at, zoo};

/// A file that a test exports to and imports from.
struct File {
    path: PathBuf,
    _folder: TempDir,
}

impl File {
    fn new() -> Self {
        let folder = tempdir().unwrap();
        Self {
            path: folder.path().join("dead.jsonl"),
            _folder: folder,
        }
    }

    fn name(&self) -> &str {
        self.path.to_str().unwrap()
    }

    fn text(&self) -> String {
        fs::read_to_string(&self.path).unwrap()
    }
}

fn lately(id: &str) -> Outgoing {
    refused_at(id, Timestamp::now() - SignedDuration::from_hours(1))
}

/// Exports and deletes everything.
async fn purged(morgue: &Morgue) -> File {
    let file = File::new();
    let purge = [
        "dlq",
        "purge",
        "billing",
        "--all",
        "--yes",
        "--export",
        file.name(),
    ];
    morgue.site.run(&purge).await.with_code(0);
    assert_eq!(morgue.dead.counts().await, Counts::NONE);
    file
}

#[tokio::test]
async fn what_was_purged_comes_back_byte_by_byte() {
    let untouched = Morgue::with(&zoo()).await.everything().await;
    let morgue = Morgue::with(&zoo()).await;
    let file = purged(&morgue).await;
    let import = [
        "dlq",
        "import",
        "billing",
        file.name(),
        "--yes",
        "--json",
        "--force",
    ];
    let summary = morgue.site.run(&import).await.with_code(0).json();
    // One of two copies of an event is enough.
    assert_eq!(summary["sent"], 10);
    assert_eq!(summary["repeated"], 1);
    let mut back = morgue.everything().await;
    let mut once = untouched.clone();
    once.dedup();
    back.dedup();
    assert_eq!(back, once);
}

#[tokio::test]
async fn an_import_that_is_repeated_sends_nothing() {
    let mut dead: Vec<_> = (0..25).map(|id| lately(&id.to_string())).collect();
    // Equal, and without an id: two jobs, not one.
    dead.extend(["{\"mail\":1}", "{\"mail\":1}", "{\"mail\":2}"].map(Outgoing::new));
    let morgue = Morgue::with(&dead).await;
    let before = morgue.site.run(&["dlq", "export", "billing"]).await.stdout;
    let file = purged(&morgue).await;
    let import = ["dlq", "import", "billing", file.name(), "--yes", "--json"];
    let summary = morgue.site.run(&import).await.with_code(0).json();
    assert_eq!(summary["sent"], 28);
    let summary = morgue.site.run(&import).await.with_code(0).json();
    assert_eq!(
        (&summary["sent"], &summary["there"]),
        (&0.into(), &28.into())
    );
    assert_eq!(morgue.dead.counts().await.visible, 28);
    let after = morgue.site.run(&["dlq", "export", "billing"]).await.stdout;
    let content = |export: &str| {
        let mut lines: Vec<_> = export
            .lines()
            .map(|line| {
                let mut line: serde_json::Value = serde_json::from_str(line).unwrap();
                for name in ["message_id", "sent_at", "receive_count", "event"] {
                    line.as_object_mut().unwrap().remove(name);
                }
                line.to_string()
            })
            .collect();
        lines.sort();
        lines
    };
    assert_eq!(content(&after), content(&before));
}

#[tokio::test]
async fn broken_lines_are_named_and_the_others_sent() {
    let morgue = Morgue::with(&[lately("1"), lately("2")]).await;
    let file = purged(&morgue).await;
    let text = file.text();
    let good: Vec<&str> = text.lines().collect();
    let broken = [
        "no JSON \u{1b}",
        "{\"fleet_export\":2}",
        "{\"fleet_export\":1}",
        &good[0].replace("\"type\":\"String\"", "\"type\":\"String\",\"base64\":\"\""),
    ];
    let mixed = format!("{}\n{}\n\n{}\n", good[0], broken.join("\n"), good[1]);
    fs::write(&file.path, mixed).unwrap();
    let import = ["dlq", "import", "billing", file.name(), "--yes"];
    let ended = morgue.site.run(&import).await.with_code(3);
    for line in [2, 3, 4, 5] {
        let place = format!("{}:{line}: ", file.name());
        assert!(ended.stderr.contains(&place), "{}", ended.stderr);
    }
    assert!(
        ended.stderr.contains("2 sent, 4 not sent"),
        "{}",
        ended.stderr
    );
    assert!(!ended.stderr.contains('\u{1b}'));
    assert_eq!(morgue.dead.counts().await.visible, 2);

    fs::write(&file.path, "nothing of ours\n").unwrap();
    let ended = morgue.site.run(&import).await.with_code(1);
    assert!(
        ended.stderr.contains("nothing was sent to billing-dlq"),
        "{}",
        ended.stderr
    );
}

#[tokio::test]
async fn what_is_older_than_the_inbox_remembers_is_left_out() {
    let old = Timestamp::now() - SignedDuration::from_hours(46 * 24);
    let morgue = Morgue::with(&[refused_at("old", old), lately("new")]).await;
    let file = purged(&morgue).await;
    let import = ["dlq", "import", "billing", file.name(), "--yes"];
    let ended = morgue.site.run(&import).await.with_code(3);
    assert!(
        ended
            .stderr
            .contains("1 sent, 1 older than is known what is done"),
        "{}",
        ended.stderr
    );
    let force = [&import[..], &["--force"]].concat();
    let ended = morgue.site.run(&force).await.with_code(0);
    assert!(
        ended.stderr.contains("1 sent, 1 in the queue already"),
        "{}",
        ended.stderr
    );
}

#[tokio::test]
async fn what_is_done_is_named_and_left_out() {
    let morgue = Morgue::with(&[lately("done"), lately("open")]).await;
    let file = purged(&morgue).await;
    let books = &morgue.site.books;
    books
        .run("insert into fleet.inbox (consumer, source, id) values ('billing', '/fleet/orders', 'done')")
        .await;
    let import = ["dlq", "import", "billing", file.name(), "--yes"];
    let with_database = async |import: &[&str]| {
        let mut command = morgue.site.command(import);
        command.env("DATABASE_URL", books.url());
        fleet_tests::process::Process::start(command).ended().await
    };
    let ended = with_database(&import).await.with_code(0);
    assert!(
        ended.stderr.contains("/fleet/orders done is done already"),
        "{}",
        ended.stderr
    );
    assert!(
        ended.stderr.contains("1 sent, 1 done already"),
        "{}",
        ended.stderr
    );
    let force = [&import[..], &["--force"]].concat();
    with_database(&force).await.with_code(0);
    assert_eq!(morgue.dead.counts().await.visible, 2);
}

#[tokio::test]
async fn a_person_is_asked_and_a_pipe_is_not() {
    let morgue = Morgue::with(&[lately("1"), lately("2")]).await;
    let file = purged(&morgue).await;
    let import = ["dlq", "import", "billing", file.name()];
    let ended = morgue.site.run(&import).await.with_code(2);
    assert!(
        ended.stderr.contains("there is no terminal"),
        "{}",
        ended.stderr
    );
    let ended = morgue
        .site
        .run(&[&import[..], &["--dry-run"]].concat())
        .await
        .with_code(0);
    assert!(ended.stderr.contains("2 to be sent"), "{}", ended.stderr);
    let mut terminal = morgue.site.start_in_terminal(&import);
    terminal
        .shows("Send 2 messages to billing-dlq? [y/N]")
        .await;
    terminal.types("n\r").await;
    terminal.ended().await.with_code(2);
    let mut terminal = morgue.site.start_in_terminal(&import);
    terminal.shows("[y/N]").await;
    terminal.presses(Key::CtrlC).await;
    terminal.ended().await.with_code(130);
    assert_eq!(morgue.dead.counts().await, Counts::NONE);

    let text = file.text();
    let pipe = ["dlq", "import", "billing", "-"];
    let ended = morgue
        .site
        .run_with_input(&pipe, text.as_bytes())
        .await
        .with_code(2);
    assert!(
        ended.stderr.contains("stdin can be read only once"),
        "{}",
        ended.stderr
    );
    let yes = [&pipe[..], &["--yes"]].concat();
    morgue
        .site
        .run_with_input(&yes, text.as_bytes())
        .await
        .with_code(0);
    assert_eq!(morgue.dead.counts().await.visible, 2);
    let ended = morgue
        .site
        .run(&["dlq", "import", "billing", "/nowhere.jsonl", "--yes"])
        .await
        .with_code(1);
    assert!(
        ended.stderr.contains("/nowhere.jsonl cannot be read"),
        "{}",
        ended.stderr
    );
}

#[tokio::test]
async fn an_import_that_was_interrupted_is_finished_without_doubles() {
    let dead: Vec<_> = (0..300).map(|id| lately(&id.to_string())).collect();
    let morgue = Morgue::with(&dead).await;
    let file = purged(&morgue).await;
    // One of the first batches gets no answer for some seconds.
    morgue
        .site
        .sqs()
        .set_faults("hang ops=SendMessageBatch count=1".parse().unwrap());
    let import = ["dlq", "import", "billing", file.name(), "--yes"];
    let mut terminal = morgue.site.start_in_terminal(&import);
    terminal.shows("lines read").await;
    morgue.dead.until_holds(70).await;
    terminal.presses(Key::CtrlC).await;
    terminal.ended().await.with_code(130);
    let sent = morgue.dead.counts().await.visible;
    assert!((70..300).contains(&sent), "{sent}");
    let ended = morgue.site.run(&import).await.with_code(0);
    assert!(
        ended
            .stderr
            .contains(&format!("{sent} in the queue already")),
        "{}",
        ended.stderr
    );
    assert_eq!(morgue.dead.counts().await.visible, 300);
}

#[tokio::test]
async fn a_fifo_queue_gets_its_groups_back_also_within_five_minutes() {
    let morgue = Morgue::fifo().await;
    let dead: Vec<_> = (0..8)
        .map(|id: u32| Outgoing {
            group_id: Some(format!("g{}", id % 2)),
            deduplication_id: Some(format!("dl:{id}")),
            ..lately(&id.to_string())
        })
        .collect();
    morgue.bury(&dead).await;
    for _ in 0..2 {
        let file = purged(&morgue).await;
        let import = ["dlq", "import", "billing", file.name(), "--yes"];
        morgue.site.run(&import).await.with_code(0);
        assert_eq!(morgue.dead.counts().await.visible, 8);
    }
    let groups = morgue
        .site
        .run(&["dlq", "ls", "billing", "--json"])
        .await
        .json();
    assert!(
        groups
            .as_array()
            .unwrap()
            .iter()
            .all(|row| row["group_id"].is_string())
    );
}

#[tokio::test]
async fn a_message_of_a_mebibyte_fits_into_a_line_whatever_is_in_it() {
    let full = "\u{7f}".repeat(fleet::message::BODY_BYTES_MAX);
    let morgue = Morgue::with(&[Outgoing::new(message(full).body)]).await;
    let before = morgue.everything().await;
    let again = Morgue::with(&[Outgoing::new(
        "\u{7f}".repeat(fleet::message::BODY_BYTES_MAX),
    )])
    .await;
    let file = purged(&again).await;
    let import = ["dlq", "import", "billing", file.name(), "--yes"];
    again.site.run(&import).await.with_code(0);
    assert!(again.everything().await == before);
}
