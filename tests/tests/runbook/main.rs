//! The story of docs/runbook/dead-letters.md is what the program says when it is typed.
//!
//! The page is the script: each block of the language `console` is one command, and the comment
//! before it says what happens meanwhile. `FLEET_WRITE_RUNBOOK=1` writes what was said into the
//! page; without it, a test compares, whatever ids, times and rates the run has brought.
#![forbid(unsafe_code)]

mod page;

use std::time::Duration;

use fleet_tests::books::order;
use fleet_tests::patience::{until, until_within};
use fleet_tests::process::{Process, Signal};
use fleet_tests::site::Site;
use fleet_tests::terminal::Key;
use serde_json::Value;

use self::page::{Block, Page, Scene, usual};

/// How many orders die.
const ORDERS: usize = 500;

/// What a release did to the database: no total may be as small as all of them are.
const BAD_RELEASE: &str =
    "alter table billing.invoices add constraint invoices_minimum check (total_minor >= 500)";

/// What mends it.
const MENDED: &str = "alter table billing.invoices drop constraint invoices_minimum";

/// When the replay is killed.
const HALF_WAY: &str = "fleet.replay_entries
    where replay_id = (select max(id) from fleet.replays) and state = 'deleted'";

/// How many messages that is.
const HALF: u64 = 200;

/// How long a killed replay can hide what it has received, and some time more.
const LEASE_MAX: Duration = Duration::from_secs(150);

/// The size of the reader's terminal: nothing of a command scrolls away.
const TERMINAL: (u16, u16) = (110, 70);

#[tokio::test]
async fn five_hundred_dead_messages_are_understood_mended_and_replayed() {
    let mut page = Page::read();
    let mut story = Story::begin().await;
    let mut said = Vec::new();
    for block in page.blocks() {
        said.push(story.play(block).await);
    }
    story.end().await;
    if std::env::var_os("FLEET_WRITE_RUNBOOK").is_some() {
        page.write(&said);
        return;
    }
    for (block, said) in page.blocks().iter().zip(&said) {
        assert_eq!(
            usual(&block.output),
            usual(said),
            "\n$ {}\nsays something else than the page; FLEET_WRITE_RUNBOOK=1 writes it there",
            block.command
        );
    }
}

/// A fleet with five hundred dead messages.
struct Story {
    site: Site,
    worker: Process,
    relay: Process,
}

impl Story {
    /// Lets a bad release and one bad order kill everything that is placed.
    async fn begin() -> Self {
        let site = Site::new()
            .await
            .with("BILLING_MAX_ATTEMPTS", "1")
            .with("USER", "ann");
        site.books.run(BAD_RELEASE).await;
        let lines: Vec<String> = (1..=ORDERS).map(line).collect();
        site.books.place(&lines).await;
        let (worker, _probe) = site.start_ready(&["run"]).await;
        let (relay, _probe) = site.start_ready(&["relay"]).await;
        let dead = ORDERS as u64;
        site.books.until_count("fleet.dead_letters", dead).await;
        site.dead_letters.until_holds(dead).await;
        site.queue.until_holds(0).await;
        Self {
            site,
            worker,
            relay,
        }
    }

    /// Types the command of a block and returns what the terminal shows at its end.
    async fn play(&mut self, block: &Block) -> String {
        match block.scene {
            Some(Scene::Mended) => self.site.books.run(MENDED).await,
            Some(Scene::KilledHalfWay) | None => {}
        }
        let words = block.words();
        let arguments: Vec<&str> = words.iter().map(String::as_str).collect();
        let command = self.site.command(&arguments);
        let mut terminal = fleet_tests::terminal::Terminal::sized(command, TERMINAL.0, TERMINAL.1);
        for answer in &block.answers {
            terminal.shows(&answer.question).await;
            terminal.types(&answer.text).await;
            terminal.presses(Key::Enter).await;
        }
        if block.scene == Some(Scene::KilledHalfWay) {
            until("half of it is replayed", async || {
                (self.site.books.count(HALF_WAY).await >= HALF).then_some(())
            })
            .await;
            terminal.signal(Signal::Kill);
        }
        let screen = terminal.ended().await.screen;
        // Killed within a batch, it hides that for the rest of the lease.
        until_within(LEASE_MAX, "nothing is hidden any more", async || {
            (self.site.dead_letters.counts().await.in_flight == 0).then_some(())
        })
        .await;
        page::trimmed(&screen)
    }

    /// Checks that everything was done once, whatever the page says.
    async fn end(self) {
        let orders = ORDERS as u64;
        self.site
            .books
            .until_count("billing.invoices", orders)
            .await;
        self.site.dead_letters.until_holds(0).await;
        self.site.queue.until_holds(0).await;
        for process in [self.worker, self.relay] {
            process.signal(Signal::Terminate);
            process.ended().await.with_code(0);
        }
    }
}

/// An order as it comes in at the door; one of them has a currency that there is not.
fn line(number: usize) -> String {
    let mut order = order(&format!("order-{number:03}"), 1);
    if number == 137 {
        order["currency"] = Value::from("EURO");
    }
    order.to_string()
}
