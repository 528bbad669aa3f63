//! `dlq export`: what is written is what was there, byte by byte.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use fleet_tests::terminal::Key;
use insta::assert_snapshot;
use serde_json::Value;
use tempfile::tempdir;

use crate::morgue::{Morgue, refused, zoo};
use crate::normal::normal;

fn lines(text: &str) -> Vec<Value> {
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

#[tokio::test]
async fn a_line_has_all_of_a_message() {
    let morgue = Morgue::with(&zoo()).await;
    let export = ["dlq", "export", "billing", "--id", "6"];
    let ended = morgue.site.run(&export).await.with_code(0);
    let exported = lines(&ended.stdout);
    let pretty = serde_json::to_string_pretty(&exported[0]).unwrap();
    assert_snapshot!(normal(&pretty), @r#"
    {
      "attributes": {
        "a0": {
          "text": "v0",
          "type": "String"
        },
        "a1": {
          "text": "v1",
          "type": "String"
        },
        "a2": {
          "text": "v2",
          "type": "String"
        },
        "a3": {
          "text": "v3",
          "type": "String"
        },
        "a4": {
          "text": "v4",
          "type": "String"
        },
        "a5": {
          "text": "v5",
          "type": "String"
        },
        "a6": {
          "text": "v6",
          "type": "String"
        },
        "a7": {
          "text": "v7",
          "type": "String"
        },
        "a8": {
          "text": "v8",
          "type": "String"
        },
        "fleet_failure": {
          "text": "{\"class\":\"permanent\",\"reason\":\"no customer\",\"consumer\":\"billing\",\"queue\":\"billing\",\"version\":\"1.2.0 (abc)\",\"event_type\":\"order.placed\",\"key\":{\"source\":\"/fleet/orders\",\"id\":\"6\"},\"message_id\":\"11111111-2222-4333-8444-555555555555\",\"attempts\":1,\"receives\":1,\"first_sent_at\":\"2020-05-01T07:00:00Z\",\"failed_at\":\"2020-05-01T08:00:00Z\",\"displaced\":[{\"name\":\"bytes\",\"data_type\":\"Binary.png\",\"base64\":\"AJ+Slg==\"}]}",
          "type": "String"
        }
      },
      "body": "{\"data\":{\"cancelled\":false,\"country\":\"United Kingdom\",\"currency\":\"GBP\",\"customer_id\":\"17850\",\"lines\":[{\"description\":\"HOLDER\",\"quantity\":1,\"sku\":\"85123A\",\"unit_price_minor\":100}],\"order_id\":\"6\",\"placed_at\":\"0000-00-00T00:00:00Z\"},\"id\":\"6\",\"source\":\"/fleet/orders\",\"specversion\":\"1.0\",\"time\":\"0000-00-00T00:00:00Z\",\"type\":\"order.placed\"}",
      "event": {
        "id": "6",
        "source": "/fleet/orders"
      },
      "event_type": "order.placed",
      "fleet_export": 1,
      "message_id": "00000000-0000-0000-0000-000000000000",
      "queue": "billing-dlq",
      "receive_count": 1,
      "sent_at": "0000-00-00T00:00:00Z",
      "trace_header": "Root=1-5e1b4151-5ac6c58f5b5d3d4f1a2b3c4d"
    }
    "#);
}

#[tokio::test]
async fn attributes_and_bodies_are_those_that_the_queue_holds() {
    let morgue = Morgue::with(&zoo()).await;
    let ended = morgue
        .site
        .run(&["dlq", "export", "billing"])
        .await
        .with_code(0);
    let exported = lines(&ended.stdout);
    let held = morgue.dead.peek().await;
    assert_eq!(exported.len(), held.len());
    for line in exported {
        let is_it =
            |held: &&sqs_local::ReceivedMessage| line["message_id"] == *held.message_id.to_string();
        let held = held.iter().find(is_it).unwrap();
        assert_eq!(line["body"], *held.body);
        let attributes = line["attributes"].as_object().unwrap();
        assert_eq!(attributes.len(), held.message_attributes.len());
        for (name, value) in held.message_attributes.iter() {
            assert_eq!(attributes[name]["type"], *value.data_type);
            let text = attributes[name]["text"].as_str();
            assert_eq!(text, value.string_value.as_deref(), "{name}");
            assert_eq!(
                attributes[name]["base64"].is_string(),
                value.binary_value.is_some()
            );
        }
    }
}

#[tokio::test]
async fn a_file_is_for_its_owner_alone_and_is_not_overwritten() {
    let morgue = Morgue::with(&[refused("1"), refused("2")]).await;
    let folder = tempdir().unwrap();
    let file = folder.path().join("dead.jsonl");
    let name = file.to_str().unwrap();
    let export = ["dlq", "export", "billing", "--out", name];
    let ended = morgue.site.run(&export).await.with_code(0);
    assert_eq!(ended.stdout, "");
    assert!(
        ended.stderr.starts_with("2 exported to "),
        "{}",
        ended.stderr
    );
    let written = fs::read_to_string(&file).unwrap();
    assert_eq!(lines(&written).len(), 2);
    assert_eq!(
        fs::metadata(&file).unwrap().permissions().mode() & 0o777,
        0o600
    );

    let ended = morgue.site.run(&export).await.with_code(2);
    assert!(
        ended.stderr.contains("is there already"),
        "{}",
        ended.stderr
    );
    assert_eq!(fs::read_to_string(&file).unwrap(), written);
    let again = [&export[..], &["--id", "2", "--force"]].concat();
    morgue.site.run(&again).await.with_code(0);
    assert_eq!(lines(&fs::read_to_string(&file).unwrap()).len(), 1);
    assert_eq!(
        fs::read_dir(folder.path()).unwrap().count(),
        1,
        "nothing partial is left"
    );
}

#[tokio::test]
async fn a_file_that_is_not_complete_says_so_in_its_name() {
    let dead: Vec<_> = (0..30).map(|id| refused(&id.to_string())).collect();
    let morgue = Morgue::with(&dead).await;
    morgue
        .site
        .sqs()
        .set_faults("hang ops=ReceiveMessage count=1".parse().unwrap());
    let folder = tempdir().unwrap();
    let file = folder.path().join("dead.jsonl");
    let export = ["dlq", "export", "billing", "--out", file.to_str().unwrap()];
    let mut terminal = morgue.site.start_in_terminal(&export);
    terminal.shows("30 looked at").await;
    terminal.presses(Key::CtrlC).await;
    let left = terminal.ended().await.with_code(130);
    assert!(left.raw.contains("is not complete"), "{}", left.screen);
    assert!(!file.exists());
    assert!(folder.path().join("dead.jsonl.partial").exists());
    assert_eq!(morgue.dead.counts().await.visible, 30);
}

#[tokio::test]
async fn a_place_that_cannot_be_written_is_a_failure() {
    let morgue = Morgue::with(&[refused("1")]).await;
    let export = ["dlq", "export", "billing", "--out", "/nowhere/dead.jsonl"];
    let ended = morgue.site.run(&export).await.with_code(1);
    assert!(
        ended
            .stderr
            .contains("/nowhere/dead.jsonl.partial cannot be written"),
        "{}",
        ended.stderr
    );
}
