//! Looking changes nothing but receive counts.

use fleet::message::Outgoing;
use fleet_tests::mailbox::{Counts, Mailbox};
use fleet_tests::site::Site;
use serde_json::json;
use sqs_local::{MessageAttributes, ReceiveMessage};

use crate::morgue::{Morgue, refused, zoo};

#[tokio::test]
async fn what_was_looked_at_is_as_it_was_and_visible_again_at_once() {
    // What the zoo looks like to whoever receives it.
    let untouched = Morgue::with(&zoo()).await.everything().await;
    let morgue = Morgue::with(&zoo()).await;
    let id = "11111111-2222-4333-8444-555555555555";
    for command in [
        &["stats", "billing"][..],
        &["ls", "billing", "--wide"],
        &["group", "billing", "--by", "hour"],
        &["show", "billing", id],
        &["export", "billing"],
    ] {
        let look = [&["dlq"], command].concat();
        morgue.site.run(&look).await.with_code(0);
        let counts = morgue.dead.counts().await;
        assert_eq!(
            counts,
            Counts {
                visible: 11,
                ..Counts::NONE
            },
            "{command:?}"
        );
    }
    assert_eq!(morgue.everything().await, untouched);
}

#[tokio::test]
async fn an_error_half_way_gives_everything_back() {
    let dead: Vec<_> = (0..200).map(|id| refused(&id.to_string())).collect();
    let morgue = Morgue::with(&dead).await;
    let faults =
        "error ops=ReceiveMessage from=0s count=9999 rate=0.5; expired ops=ReceiveMessage rate=0.2";
    morgue.site.sqs().set_faults(faults.parse().unwrap());
    let ended = morgue
        .site
        .run(&["dlq", "ls", "billing"])
        .await
        .with_code(1);
    assert_eq!(ended.stdout, "");
    assert!(
        ended.stderr.starts_with("fleet: queue billing-dlq: "),
        "{}",
        ended.stderr
    );
    assert_eq!(ended.stderr.lines().count(), 1, "{}", ended.stderr);
    let all = Counts {
        visible: 200,
        ..Counts::NONE
    };
    assert_eq!(morgue.dead.counts().await, all);
}

#[tokio::test]
async fn sqs_that_hands_messages_out_twice_and_fails_now_and_then_shows_each_once() {
    let dead: Vec<_> = (0..100).map(|id| refused(&id.to_string())).collect();
    let morgue = Morgue::with(&dead).await;
    let faults = "seed=3; duplicate rate=0.3; error rate=0.1 ops=ReceiveMessage; partial rate=0.3 ops=ChangeMessageVisibilityBatch";
    morgue.site.sqs().set_faults(faults.parse().unwrap());
    let ended = morgue
        .site
        .run(&["dlq", "ls", "billing", "--json"])
        .await
        .with_code(0);
    assert_eq!(ended.json().as_array().unwrap().len(), 100);
    assert_eq!(morgue.dead.counts().await.visible, 100);
}

#[tokio::test]
async fn a_look_ends_where_it_is_told_to() {
    let dead: Vec<_> = (0..30).map(|id| refused(&id.to_string())).collect();
    let morgue = Morgue::with(&dead).await;
    let list = ["dlq", "ls", "billing", "--json", "--scan", "12"];
    let ended = morgue.site.run(&list).await.with_code(0);
    assert_eq!(ended.json().as_array().unwrap().len(), 12);
    let said = "looked at 12 of about 30 in billing-dlq\nthere may be more; --scan looks further";
    assert_eq!(ended.stderr, said);
}

#[tokio::test]
async fn a_message_that_a_redrive_policy_moved_is_dead_because_receives_are_exhausted() {
    let site = Site::new().await;
    let legacy = Mailbox::create(site.sqs(), "legacy-dlq", &[]).await;
    let redrive = json!({
        "deadLetterTargetArn": "arn:aws:sqs:us-east-1:000000000000:legacy-dlq",
        "maxReceiveCount": 1,
    });
    let redrive = redrive.to_string();
    let queue = Mailbox::create(site.sqs(), "legacy", &[("RedrivePolicy", &redrive)]).await;
    queue
        .send(r#"{"id":7,"job":"mail"}"#, MessageAttributes::new())
        .await;
    for _ in 0..2 {
        let receive = ReceiveMessage {
            queue_url: queue.url().to_owned(),
            visibility_timeout: Some(0),
            ..ReceiveMessage::default()
        };
        site.sqs().call(receive).await.unwrap();
    }
    legacy.until_holds(1).await;
    let ended = site
        .run(&["dlq", "group", "legacy-dlq", "--json"])
        .await
        .with_code(0);
    let group = &ended.json()[0];
    assert_eq!(group["failure"]["reason"], "receives exhausted");
    assert_eq!(group["failure"]["class"], "receives_exhausted");
    let ended = site
        .run(&["dlq", "ls", "legacy-dlq", "--json"])
        .await
        .with_code(0);
    let row = &ended.json()[0];
    assert_eq!(row["queue"], "legacy");
    assert_eq!(row["failed_at"], json!(null));
    assert_eq!(legacy.counts().await.visible, 1);
}

#[tokio::test]
async fn a_fifo_queue_is_warned_of_and_its_groups_are_free_again() {
    let morgue = Morgue::fifo().await;
    let dead: Vec<_> = (0..40)
        .map(|id: u32| Outgoing {
            group_id: Some(format!("g{}", id % 2)),
            deduplication_id: Some(format!("dl:{id}")),
            ..refused(&id.to_string())
        })
        .collect();
    morgue.bury(&dead).await;
    let ended = morgue
        .site
        .run(&["dlq", "stats", "billing"])
        .await
        .with_code(0);
    assert!(
        ended
            .stderr
            .contains("a FIFO queue holds the rest of a group back"),
        "{}",
        ended.stderr
    );
    assert!(
        ended
            .stderr
            .contains("wait behind messages of their groups"),
        "{}",
        ended.stderr
    );
    assert_eq!(morgue.dead.counts().await.visible, 40);
}
