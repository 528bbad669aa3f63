//! Promise 5, dead letters: what dies is kept byte by byte, and can be brought back as it was.

use std::time::Duration;

use fleet::Consumer;
use fleet::dead_letter::{Death, Destination, Origin, restore};
use fleet::message::{
    AttributeValue, Attributes, BODY_BYTES_MAX, FAILURE_ATTRIBUTE, Message, Outgoing,
};
use fleet_tests::patience::until;
use serde_json::json;

use crate::job::{Job, KeepAll, jobs, numbered};
use crate::scene::{Play, Scene};

const VISIBILITY: Duration = Duration::from_secs(30);

/// What is sent: a message of every kind that is hard to keep.
fn hard_cases() -> Vec<Outgoing> {
    let foreign = || [(FAILURE_ATTRIBUTE, AttributeValue::string("not the fleet's"))];
    let other = || {
        [(
            "other",
            AttributeValue::binary("Binary.raw", [0, 159, 146, 150]),
        )]
    };
    vec![
        job("ten", ten_attributes()),
        filled(job("large", Attributes::new())),
        filled(job("both", ten_attributes())),
        job("foreign", attributes(foreign())),
        job(
            "foreign-and-other",
            attributes(foreign().into_iter().chain(other())),
        ),
    ]
}

fn death(copy: &Message) -> Death {
    let origin = Origin {
        consumer: None,
        queue: "nobody's".to_owned(),
    };
    Death::of(copy, &origin)
}

fn job(id: &str, attributes: Attributes) -> Outgoing {
    let event = json!({
        "specversion": "1.0", "id": id, "source": "/test", "type": "job", "data": "refuse",
        // No writer of JSON that rewrites this leaves it as it is.
        "remark": " é\u{1F69A}\t\u{7f} 1e2 1.00 ",
    });
    Outgoing {
        attributes,
        ..Outgoing::new(format!(" {event}\n"))
    }
}

/// Makes a message as large as SQS allows, to the byte.
fn filled(mut message: Outgoing) -> Outgoing {
    let room = BODY_BYTES_MAX - message.size_bytes();
    message.body.push_str(&" ".repeat(room));
    message
}

fn ten_attributes() -> Attributes {
    attributes([
        ("text", AttributeValue::string("é\u{1F69A}\t")),
        ("text.label", AttributeValue::text("String.label", "x")),
        ("number", AttributeValue::text("Number", "0012.50")),
        ("number-int", AttributeValue::text("Number.int", "-1")),
        (
            "bytes",
            AttributeValue::binary("Binary", (0..=255).collect::<Vec<u8>>()),
        ),
        ("bytes_png", AttributeValue::binary("Binary.png", [0])),
        ("a", AttributeValue::string("first")),
        ("z", AttributeValue::string("last")),
        ("traceparent", AttributeValue::string("not one")),
        ("long", AttributeValue::string("l".repeat(500))),
    ])
}

fn attributes<'a>(all: impl IntoIterator<Item = (&'a str, AttributeValue)>) -> Attributes {
    let all = all.into_iter();
    all.map(|(name, value)| (name.to_owned(), value)).collect()
}

impl Scene {
    async fn send_one(&self, message: Outgoing) {
        let sent = self.queue.send(&[message]).await.unwrap();
        assert!(sent.iter().all(Result::is_ok), "{sent:?}");
    }

    /// Checks that the reason of a death is known, by the copy or by its id; the row comes after
    /// the copy.
    async fn assert_explained(&self, copy: &Message, has_room: bool) {
        let query = format!(
            "select count(*) from fleet.dead_letters where copy_id = '{}' \
             and reason = 'refused' and failure ->> 'reason' = 'refused'",
            copy.id
        );
        until("the copy has its row", || async {
            (self.count(&query).await == 1).then_some(())
        })
        .await;
        let carried = copy
            .failure
            .as_deref()
            .map(|failure| failure.reason.as_str());
        assert_eq!(carried, has_room.then_some("refused"), "{}", copy.id);
    }
}

/// Checks that bringing it back for somebody else gives what was sent, and returns which it is.
fn original<'s>(copy: &Message, sent: &'s [Outgoing], fifo: bool) -> &'s Outgoing {
    let restored = restore(copy, &death(copy), "look", Destination::Foreign, fifo).message;
    let original = sent
        .iter()
        .find(|sent| sent.body == restored.body && sent.attributes == restored.attributes);
    let original = original.expect("what is restored is what was sent, byte by byte");
    assert_eq!(restored.group_id, original.group_id);
    assert_eq!(restored.trace_header, original.trace_header);
    original
}

/// Makes a scene where few messages are worked on at once: many calls of a mebibyte at a time
/// would not end within their five seconds on a machine that is busy.
async fn unhurried(queue: &str) -> Scene {
    let mut scene = Scene::on(queue, VISIBILITY).await;
    scene.limits.concurrency = 2;
    scene
}

/// Lets every case die twice and then be done.
async fn round_trip(scene: Scene, sent: Vec<Outgoing>) {
    let fifo = scene.queue.is_fifo();
    let play = scene.start(jobs(), None);
    for message in &sent {
        scene.send_one(message.clone()).await;
    }
    for deaths in 1..=2 {
        let copies = scene.dig_out(sent.len()).await;
        let mut found: Vec<&str> = Vec::new();
        for copy in &copies {
            let original = original(copy, &sent, fifo);
            found.push(&original.body);
            let has_room = original.size_bytes() < BODY_BYTES_MAX;
            scene.assert_explained(copy, has_room).await;
            if let Some(failure) = &copy.failure {
                assert_eq!(
                    failure.history.len(),
                    deaths - 1,
                    "each death is remembered"
                );
                assert_eq!(failure.replay_no as usize, deaths - 1);
            }
        }
        found.sort_unstable();
        found.dedup();
        assert_eq!(found.len(), sent.len(), "each died once");
        scene.until_empty().await;
        if deaths == 2 {
            return be_done(scene, play, &copies).await;
        }
        for copy in &copies {
            scene
                .send_one(restore(copy, &death(copy), "first", Destination::Fleet, fifo).message)
                .await;
        }
    }
}

/// Lets a worker do what another one refused.
async fn be_done(mut scene: Scene, play: Play, copies: &[Message]) {
    scene.stop(play).await;
    scene.renew_shutdown();
    let play = scene.start(Consumer::new("jobs").batch_handler(KeepAll), None);
    for copy in copies {
        let fifo = scene.queue.is_fifo();
        scene
            .send_one(restore(copy, &death(copy), "second", Destination::Fleet, fifo).message)
            .await;
    }
    scene.until_empty().await;
    let count = i64::try_from(copies.len()).unwrap();
    assert_eq!(scene.effects().await, (count, count));
    scene.end(play).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_dies_is_kept_whole_dies_again_and_is_done_in_the_end() {
    let scene = unhurried("mourned").await;
    let with_tenant = hard_cases()
        .into_iter()
        .enumerate()
        .map(|(n, case)| Outgoing {
            group_id: (n % 2 == 0).then(|| "tenant".to_owned()),
            trace_header: (n % 3 == 0)
                .then(|| "Root=1-5759e988-bd862e3fe1be46a994272793".to_owned()),
            ..case
        });
    let sent = with_tenant.collect();
    round_trip(scene, sent).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_dies_again_within_five_minutes_is_not_swallowed_by_a_fifo_queue() {
    let scene = unhurried("mourned.fifo").await;
    let in_groups = hard_cases()
        .into_iter()
        .enumerate()
        .map(|(n, case)| Outgoing {
            group_id: Some(format!("group-{}", n % 3)),
            deduplication_id: Some(format!("event-{n}")),
            ..case
        });
    let sent = in_groups.collect();
    round_trip(scene, sent).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_carries_the_history_of_its_attempts() {
    let scene = Scene::on("remembered", VISIBILITY).await;
    let play = scene.start(jobs(), None);
    scene.send(numbered(&Job::Violate, 1)).await;
    let copies = scene.dig_out(1).await;
    let failure = copies[0].failure.as_deref().unwrap();
    let refused = "the database refused the statement (SQLSTATE 23505)";
    assert_eq!((failure.reason.as_str(), failure.attempts), (refused, 3));
    let past: Vec<_> = failure
        .history
        .iter()
        .map(|past| (past.receive, past.outcome.as_str(), past.reason.as_str()))
        .collect();
    assert_eq!(past, [(1, "failed", refused), (2, "failed", refused)]);
    scene.until_empty().await;
    scene.end(play).await;
}
