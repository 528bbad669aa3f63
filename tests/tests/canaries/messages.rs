use fleet_tests::patience::until;
use fleet_tests::probe::Probe;

use super::marks::{BODY, EMAIL};
use super::parlour::{Parlour, endings};
use super::slips;

#[tokio::test(flavor = "multi_thread")]
async fn no_message_that_ends_badly_is_told_of() {
    let mut parlour = Parlour::open().await;
    let slips = slips::all();
    let mut expected = Vec::new();
    for slip in &slips {
        expected.push((parlour.send(slip).await, slip.path, slip.outcome));
    }
    let mut process = parlour.start(&["run"]);
    let probe = Probe::of(&mut process).await;
    parlour.site.queue.until_holds(0).await;
    // What opens the breaker comes last, since it stops the receiving.
    let down = slips::failing("a dependency that is down", "unavailably", "unavailable");
    let down = (parlour.send(&down).await, down.path, down.outcome);
    process.says("breaker opened").await;
    parlour.stop("messages", process, probe).await;

    let ended = endings(&parlour.evidence.of("stderr"));
    for (message, path, outcome) in expected {
        let line = ended.get(&message);
        let seen = line.map(|line| line["outcome"].clone());
        assert_eq!(seen, Some(outcome.into()), "{path}: {line:?}");
    }
    assert!(ended.contains_key(&down.0), "{down:?}");
    parlour.evidence.assert_clean();
    let traces = parlour.evidence.of("traces");
    assert!(traces.contains("process billing"), "each has a span");
    // What is searched for was there.
    let dead = parlour.site.dead_letters.peek().await;
    for mark in [EMAIL, BODY] {
        assert!(dead.iter().any(|message| message.body.contains(mark)));
    }
    assert_eq!(dead.len(), slips.len() - 1, "all but one are dead");
}

#[tokio::test(flavor = "multi_thread")]
async fn no_process_tells_of_what_it_publishes() {
    let mut parlour = Parlour::open().await;
    let slip = slips::failing("published", "publishing", "processed");
    parlour.send(&slip).await;
    let mut worker = parlour.start(&["run"]);
    let mut relay = parlour.start(&["relay"]);
    let probes = (Probe::of(&mut worker).await, Probe::of(&mut relay).await);
    parlour.site.dead_letters.until_holds(1).await;
    until("the row is marked", || async {
        let unsent = "fleet.outbox where sent_at is null";
        (parlour.site.books.count(unsent).await == 0).then_some(())
    })
    .await;
    parlour.stop("publishing: run", worker, probes.0).await;
    parlour.stop("publishing: relay", relay, probes.1).await;
    parlour.evidence.assert_clean();
}
