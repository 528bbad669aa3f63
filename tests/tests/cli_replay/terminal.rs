use fleet_tests::site::Site;
use fleet_tests::terminal::Key;

use crate::graveyard::{assert_done_once, bury_orders, end};

#[tokio::test]
async fn a_person_is_asked_and_sees_how_far_it_is() {
    let site = Site::new().await;
    bury_orders(&site, 0..80).await;
    let (process, _probe) = site.start_ready(&["run"]).await;
    let replay = ["dlq", "replay", "billing", "--rate", "30/s"];
    let mut terminal = site.start_in_terminal(&replay);
    terminal
        .shows("Replay 80 messages from billing-dlq to billing? [y/N]")
        .await;
    terminal.types("n").await;
    terminal.presses(Key::Enter).await;
    let left = terminal.ended().await.with_code(2);
    assert!(left.screen.contains("nothing was done"), "{}", left.screen);
    assert_eq!(site.dead_letters.counts().await.visible, 80);

    let mut terminal = site.start_in_terminal(&replay);
    terminal.shows("[y/N]").await;
    terminal.types("y").await;
    terminal.presses(Key::Enter).await;
    terminal.shows("of about 80 replayed").await;
    terminal.shows("left").await;
    let left = terminal.ended().await.with_code(0);
    assert!(left.screen.contains("done"), "{}", left.screen);
    assert_done_once(&site, 80).await;
    end(process).await;
}

#[tokio::test]
async fn ctrl_c_at_the_question_does_nothing_and_later_stops_in_order() {
    let site = Site::new().await;
    bury_orders(&site, 0..80).await;
    let replay = ["dlq", "replay", "billing", "--rate", "10/s"];
    let mut terminal = site.start_in_terminal(&replay);
    terminal.shows("[y/N]").await;
    terminal.presses(Key::CtrlC).await;
    terminal.ended().await.with_code(130);
    assert_eq!(site.books.count("fleet.replays").await, 0);

    let mut terminal = site.start_in_terminal(&replay);
    terminal.shows("[y/N]").await;
    terminal.types("y").await;
    terminal.presses(Key::Enter).await;
    terminal.shows("of about 80 replayed").await;
    terminal.presses(Key::CtrlC).await;
    let left = terminal.ended().await.with_code(130);
    assert!(
        left.screen.contains("to go on: fleet dlq replay"),
        "{}",
        left.screen
    );
    let counts = site.dead_letters.counts().await;
    assert_eq!(counts.in_flight, 0);
    assert_eq!(counts.visible + site.queue.counts().await.visible, 80);
}
