//! `dlq purge`: what is deleted is in a file first.

use std::fs;
use std::path::Path;

use fleet::message::Outgoing;
use fleet_tests::mailbox::Counts;
use fleet_tests::process::Process;
use fleet_tests::terminal::{Key, Terminal};
use serde_json::Value;
use tempfile::tempdir;

use crate::morgue::{Morgue, refused, zoo};

fn lines(file: &Path) -> Vec<Value> {
    let text = fs::read_to_string(file).unwrap();
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

#[tokio::test]
async fn what_is_meant_goes_into_a_file_and_is_deleted() {
    let morgue = Morgue::with(&zoo()).await;
    let folder = tempdir().unwrap();
    let purge = ["dlq", "purge", "billing", "--class", "permanent", "--yes"];
    let mut command = morgue.site.command(&purge);
    command.current_dir(folder.path());
    let ended = Process::start(command).ended().await.with_code(0);
    assert_eq!(ended.stdout, "");
    assert!(
        ended.stderr.contains("4 deleted; billing-dlq-"),
        "{}",
        ended.stderr
    );
    let file = fs::read_dir(folder.path())
        .unwrap()
        .next()
        .unwrap()
        .unwrap();
    assert_eq!(lines(&file.path()).len(), 4);
    let name = file.file_name().into_string().unwrap();
    let restore = format!("to have them back: fleet dlq import billing {name}");
    assert!(ended.stderr.contains(&restore), "{}", ended.stderr);
    let rest = morgue.everything().await;
    assert_eq!(rest.len(), 7);
    assert!(
        rest.iter()
            .all(|corpse| !format!("{corpse:?}").contains("no customer"))
    );
}

#[tokio::test]
async fn everything_is_deleted_only_on_demand() {
    let morgue = Morgue::with(&zoo()).await;
    for (purge, why) in [
        (&["billing", "--yes"][..], "say which messages, or --all"),
        (&["billing", "--yes", "--all", "--id", "1"], "say either"),
        (&["billing", "--all"], "there is no terminal"),
    ] {
        let ended = morgue
            .site
            .run(&[&["dlq", "purge"], purge].concat())
            .await
            .with_code(2);
        assert!(ended.stderr.contains(why), "{}", ended.stderr);
    }
    assert_eq!(morgue.dead.counts().await.visible, 11);
    let folder = tempdir().unwrap();
    let file = folder.path().join("all.jsonl");
    let name = file.to_str().unwrap();
    let all = [
        "dlq", "purge", "billing", "--all", "--yes", "--json", "--export", name,
    ];
    let ended = morgue.site.run(&all).await.with_code(0);
    let summary = ended.json();
    assert_eq!(summary["deleted"], 11);
    assert_eq!(summary["not_deleted"], 0);
    assert_eq!(
        summary["restore"],
        format!("fleet dlq import billing {name}")
    );
    assert_eq!(lines(&file).len(), 11);
    assert_eq!(morgue.dead.counts().await, Counts::NONE);
    let ended = morgue.site.run(&all).await.with_code(0);
    assert!(
        ended.stderr.contains("nothing is deleted"),
        "{}",
        ended.stderr
    );
}

#[tokio::test]
async fn a_person_has_to_type_the_name_of_the_queue() {
    let morgue = Morgue::with(&[refused("1"), refused("2")]).await;
    let folder = tempdir().unwrap();
    let start = || {
        let mut command = morgue
            .site
            .command(&["dlq", "purge", "billing", "--id", "1"]);
        command.current_dir(folder.path());
        Terminal::start(command)
    };
    let mut terminal = start();
    terminal.shows("Type billing-dlq to go on:").await;
    terminal.types("yes\r").await;
    let left = terminal.ended().await.with_code(2);
    assert!(left.screen.contains("nothing was done"), "{}", left.screen);
    let mut terminal = start();
    terminal.shows("Type billing-dlq to go on:").await;
    terminal.presses(Key::CtrlC).await;
    terminal.ended().await.with_code(130);
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    assert_eq!(morgue.dead.counts().await.visible, 2);

    let mut terminal = start();
    terminal.shows("Type billing-dlq to go on:").await;
    // What dies meanwhile was not confirmed.
    morgue.bury(&[refused("1")]).await;
    terminal.types("billing-dlq\r").await;
    let left = terminal.ended().await.with_code(0);
    assert!(left.screen.contains("1 deleted"), "{}", left.screen);
    assert_eq!(morgue.dead.counts().await.visible, 2);
}

#[tokio::test]
async fn a_file_that_cannot_be_written_deletes_nothing() {
    let morgue = Morgue::with(&[refused("1")]).await;
    let purge = ["dlq", "purge", "billing", "--all", "--yes", "--export"];
    let no_place = [&purge[..], &["/nowhere/dead.jsonl"]].concat();
    morgue.site.run(&no_place).await.with_code(1);
    let folder = tempdir().unwrap();
    let file = folder.path().join("there.jsonl");
    fs::write(&file, "mine").unwrap();
    let there = [&purge[..], &[file.to_str().unwrap()]].concat();
    let ended = morgue.site.run(&there).await.with_code(2);
    assert!(
        ended.stderr.contains("is there already"),
        "{}",
        ended.stderr
    );
    assert_eq!(fs::read_to_string(&file).unwrap(), "mine");
    assert_eq!(morgue.dead.counts().await.visible, 1);
}

#[tokio::test]
async fn what_sqs_does_not_delete_is_named_and_stays() {
    let dead: Vec<_> = (0..40).map(|id| refused(&id.to_string())).collect();
    let morgue = Morgue::with(&dead).await;
    let folder = tempdir().unwrap();
    let file = folder.path().join("dead.jsonl");
    let faults = "seed=1; partial share=0.7 ops=DeleteMessageBatch";
    morgue.site.sqs().set_faults(faults.parse().unwrap());
    let name = file.to_str().unwrap();
    let purge = [
        "dlq", "purge", "billing", "--all", "--yes", "--json", "--export", name,
    ];
    let ended = morgue.site.run(&purge).await;
    let summary = ended.json();
    let (deleted, left) = (&summary["deleted"], &summary["not_deleted"]);
    assert_eq!(deleted.as_u64().unwrap() + left.as_u64().unwrap(), 40);
    assert_eq!(morgue.dead.counts().await.total(), left.as_u64().unwrap());
    if *left != 0 {
        assert!(ended.stderr.contains("not deleted: "), "{}", ended.stderr);
        ended.with_code(3);
    }
    assert_eq!(lines(&file).len(), 40);
}

#[tokio::test]
async fn ctrl_c_keeps_what_is_not_deleted_yet() {
    let dead: Vec<_> = (0..300).map(|id| refused(&id.to_string())).collect();
    let morgue = Morgue::with(&dead).await;
    // One of the first deletes gets no answer for some seconds.
    morgue
        .site
        .sqs()
        .set_faults("hang ops=DeleteMessageBatch count=1".parse().unwrap());
    let folder = tempdir().unwrap();
    let file = folder.path().join("dead.jsonl");
    let name = file.to_str().unwrap();
    let purge = [
        "dlq", "purge", "billing", "--all", "--yes", "--export", name,
    ];
    let mut terminal = morgue.site.start_in_terminal(&purge);
    terminal.shows("0 deleted").await;
    terminal.presses(Key::CtrlC).await;
    let left = terminal.ended().await.with_code(130);
    assert!(left.raw.contains("deleted; "), "{}", left.screen);
    let counts = morgue.dead.counts().await;
    assert_eq!(counts.in_flight, 0);
    assert!(counts.visible >= 220, "{counts:?}");
    assert_eq!(lines(&file).len(), 300);
}

#[tokio::test]
async fn the_groups_of_a_fifo_queue_are_emptied_to_their_ends() {
    let morgue = Morgue::fifo().await;
    let dead: Vec<_> = (0..50)
        .map(|id: u32| Outgoing {
            group_id: Some(format!("g{}", id % 3)),
            deduplication_id: Some(format!("dl:{id}")),
            ..refused(&id.to_string())
        })
        .collect();
    morgue.bury(&dead).await;
    let folder = tempdir().unwrap();
    let file = folder.path().join("dead.jsonl");
    let name = file.to_str().unwrap();
    let purge = [
        "dlq", "purge", "billing", "--all", "--yes", "--export", name,
    ];
    morgue.site.run(&purge).await.with_code(0);
    assert_eq!(morgue.dead.counts().await, Counts::NONE);
    let exported = lines(&file);
    assert_eq!(exported.len(), 50);
    assert!(exported.iter().all(|line| line["group_id"].is_string()));
}
