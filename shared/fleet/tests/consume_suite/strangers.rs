use std::time::Duration;

use fleet::message::{AttributeValue, FailureClass};
use jiff::Timestamp;

use crate::stage::{Act, Stage, message};

#[tokio::test(start_paused = true)]
async fn what_is_no_event_is_dead_lettered_with_a_reason_and_not_a_byte_changed() {
    let deep = "[".repeat(20_000);
    let typed: &[(&str, &str)] = &[("type", "job")];
    type Case<'a> = (&'a str, &'a [(&'a str, &'a str)], &'a str);
    let table: &[Case<'_>] = &[
        (" ", &[], "body is not JSON (line 1, column 1)"),
        ("hello", &[], "body is not JSON (line 1, column 1)"),
        ("{\"a\":", typed, "body is not JSON (line 1, column 5)"),
        ("{}", &[], "bare JSON without a message attribute `type`"),
        ("[1]", &[], "bare JSON without a message attribute `type`"),
        (
            "{}",
            typed,
            "data does not fit the schema at `.`: missing field `act`",
        ),
        (
            r#"{"act":{"work":"long"}}"#,
            typed,
            "data does not fit the schema at `act.work`: invalid type: string, expected u64",
        ),
        (
            r#"{"specversion":"1.0","id":"a\u0000","source":"/s","type":"job","data":{"act":"succeed"}}"#,
            &[],
            "event envelope: `id` contains U+0000",
        ),
        (&deep, typed, ""),
    ];
    for (body, attributes, reason) in table {
        let stage = Stage::new().await;
        let play = stage.start();
        stage.send_message(message(body, attributes)).await;
        let (dead, failure) = stage.dead_letter().await;
        assert_eq!(failure.class, FailureClass::Undecodable, "{body:.40}");
        assert!(
            failure.reason.contains(reason),
            "{body:.40}: {}",
            failure.reason
        );
        assert_eq!((failure.attempts, failure.receives), (0, 1));
        assert_eq!(dead.body, *body);
        assert_eq!(dead.attributes.len(), attributes.len());
        stage.is_empty().await;
        assert_eq!((stage.journal.runs(), stage.charged()), (0, 0));
        play.end(&stage).await;
    }
}

#[tokio::test(start_paused = true)]
async fn all_ten_attributes_survive_a_death() {
    let stage = Stage::new().await;
    let play = stage.start();
    let mut sent = message("no JSON", &[]);
    for n in 0..10 {
        let value = match n % 2 {
            0 => AttributeValue::string(format!("v{n}")),
            _ => AttributeValue::binary("Binary.png", vec![n, 0, 255]),
        };
        sent.attributes.set(format!("a{n}"), value);
    }
    stage.send_message(sent.clone()).await;
    let (dead, _) = stage.dead_letter().await;
    assert_eq!(dead.attributes, sent.attributes);
    assert_eq!(dead.body, sent.body);
    stage.is_empty().await;
    play.end(&stage).await;
}

#[tokio::test(start_paused = true)]
async fn a_message_without_room_for_its_failure_is_buried_when_the_failure_is_written_down() {
    let stage = Stage::new().await;
    stage.store.set_down(false);
    let play = stage.start();
    let body = "x".repeat(fleet::message::BODY_BYTES_MAX);
    stage.send_message(message(&body, &[])).await;
    let dead = stage.dead_letters(1).await;
    assert_eq!(dead[0].body.len(), body.len());
    assert!(dead[0].failure.is_none() && dead[0].attributes.is_empty());
    stage.is_empty().await;
    let recorded = stage.store.dead_letters();
    assert_eq!(recorded[0].copy_id, dead[0].id);
    assert!(recorded[0].failure.reason.starts_with("body is not JSON"));
    play.end(&stage).await;
}

#[tokio::test(start_paused = true)]
async fn bare_json_keeps_its_key_through_a_death_and_a_replay() {
    let stage = Stage::new().await;
    let play = stage.start();
    let sent = message(r#"{"act":"reject"}"#, &[("type", "job")]);
    stage.send_message(sent).await;
    let (dead, failure) = stage.dead_letter().await;
    let first = stage.receiving.received()[0].clone();
    assert_eq!(failure.key.id, first.id.0);
    assert_ne!(dead.id, first.id);

    // As a replay does: the copy with its reserved attribute goes back.
    let again = fleet::message::Outgoing {
        attributes: failure.clone().fold(dead.attributes.clone()),
        ..fleet::message::Outgoing::new(dead.body.clone())
    };
    stage.send_message(again).await;
    let (_, second) = stage.dead_letter().await;
    assert_eq!(second.key, failure.key);
    assert_eq!(second.first_sent_at, failure.first_sent_at);
    play.end(&stage).await;
}

#[tokio::test(start_paused = true)]
async fn an_unknown_type_waits_uncharged_and_dies_after_its_grace() {
    let stage = Stage::new().await;
    let play = stage.start();
    let body = r#"{"specversion":"1.0","id":"1","source":"/s","type":"job.v2","data":{}}"#;
    stage.send_message(message(body, &[])).await;
    let (dead, failure) = stage.dead_letter().await;
    assert_eq!(failure.class, FailureClass::UnknownType);
    assert_eq!(failure.reason, "no handler for the type");
    assert_eq!(failure.event_type.as_deref(), Some("job.v2"));
    assert_eq!(failure.attempts, 0);
    assert_eq!(dead.body, body);
    stage.is_empty().await;
    assert_eq!(stage.charged(), 0);

    let waited = waited(failure.failed_at, failure.first_sent_at);
    assert!((3600..3720).contains(&waited), "{waited}");
    let receives = stage.receiving.received().len();
    assert!((45..=61).contains(&receives), "once a minute: {receives}");
    play.end(&stage).await;
}

fn waited(until: Timestamp, since: Timestamp) -> u64 {
    let waited = Duration::try_from(until.duration_since(since)).unwrap();
    waited.as_secs()
}

#[tokio::test(start_paused = true)]
async fn an_unknown_type_is_worked_on_once_a_deploy_knows_it() {
    let stage = Stage::new().await;
    let old = stage.start_with(|consumer| consumer);
    stage.send([Act::Succeed]).await;
    stage.receiving.has_received(2).await;
    old.end(&stage).await;

    let new = Stage {
        shutdown: fleet::service::shutdown::Shutdown::new(crate::stage::GRACE),
        ..stage
    };
    let play = new.start();
    new.is_empty().await;
    assert_eq!((new.processed().len(), new.dead_count().await), (1, 0));
    play.end(&new).await;
}
