//! Relays that are killed and frozen while they send: every row goes out, and no effect is there twice.
//!
//! The moments are drawn from a seed; `SEED=7` draws those of a run again.
#![forbid(unsafe_code)]
#![allow(
    clippy::print_stdout,
    reason = "the figures are what a long form is for"
)]

use std::cell::Cell;
use std::time::Duration;

use fleet_tests::books::Books;
use fleet_tests::dice::Dice;
use fleet_tests::form::short_or_long;
use fleet_tests::mailbox::{Counts, Mailbox};
use fleet_tests::patience::{PATIENCE, until, until_within};
use fleet_tests::probe::Probe;
use fleet_tests::process::{Process, Signal};
use fleet_tests::site::Site;
use sqs_local::Sqs;
use tokio::process::Command;
use tokio::time::{Instant, timeout};

/// Rows of the outbox in the short form and in the long one.
const ROWS: (u64, u64) = (5_000, 50_000);

/// Relays that are killed in each.
const KILLS: (u64, u64) = (8, 50);

/// How long a relay is frozen at most: in the long form requests of its run out of time meanwhile.
const FREEZE_MAX: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(8));

/// After so many kills one relay is frozen.
const KILLS_A_FREEZE: u64 = 4;

/// Relays that run side by side.
const RELAYS: u64 = 3;

/// Each event goes to two consumers.
const ROWS_AN_EVENT: u64 = 2;

/// One of so many events has an ordering key, which is one of so many.
const ORDERED_EACH: u64 = 5;
const KEYS: u64 = 40;

/// No constraint keeps an effect from being there twice; `at` is the order in which they came.
const TABLE: &str = "create table effects (
    at bigint generated always as identity, consumer text not null, event text not null)";

const UNSENT: &str = "fleet.outbox where sent_at is null";
const PARKED: &str = "fleet.outbox where parked_at is not null";

/// What SQS has taken, each message as often as it was sent.
struct Sends {
    sqs: Sqs,
    seen: Cell<u64>,
    count: Cell<u64>,
}

impl Sends {
    fn to(sqs: &Sqs) -> Self {
        sqs.keep_history();
        Self {
            sqs: sqs.clone(),
            seen: Cell::new(0),
            count: Cell::new(0),
        }
    }

    fn count(&self) -> u64 {
        let history = self.sqs.history().expect("it is kept");
        for call in history.after(self.seen.get(), usize::MAX) {
            let sent = call.entries.iter().filter(|entry| entry.outcome == "sent");
            self.count.update(|count| count + sent.count() as u64);
            self.seen.set(call.seq);
        }
        self.count.get()
    }

    async fn until(&self, count: u64) {
        until(&format!("{count} are sent"), || async {
            (self.count() >= count).then_some(())
        })
        .await;
    }
}

/// Queues, a database, and the program that works there.
struct Depot {
    site: Site,
    queues: [Mailbox; 3],
    dead: [Mailbox; 3],
}

impl Depot {
    async fn open() -> Self {
        let site = Site::at(Books::migrated().await).await;
        let (ledger, dead_ledger) = Mailbox::pair(site.sqs(), "ledger.fifo").await;
        let (archive, dead_archive) = Mailbox::pair(site.sqs(), "archive").await;
        site.books.run(TABLE).await;
        let url = |name| format!("{}/000000000000/{name}", site.endpoint());
        let (ledger_url, archive_url) = (url("ledger.fifo"), url("archive"));
        let site = site
            .with("LEDGER_QUEUE_URL", &ledger_url)
            .with("ARCHIVE_QUEUE_URL", &archive_url)
            .with("LEDGER_RECEIVE_WAIT", "1s")
            .with("ARCHIVE_RECEIVE_WAIT", "1s")
            .with("LOG_SUCCESS", "none");
        let depot = Self {
            queues: [site.queue.clone(), ledger, archive],
            dead: [site.dead_letters.clone(), dead_ledger, dead_archive],
            site,
        };
        let migrated = depot.launch("migrate").ended().await;
        migrated.with_code(0);
        depot
    }

    fn launch(&self, command: &str) -> Process {
        let mut program = Command::new(env!("CARGO_BIN_EXE_posted"));
        program.arg(command).env_clear().envs(&self.site.env);
        Process::start(program)
    }

    async fn start(&self, command: &str) -> Process {
        let mut process = self.launch(command);
        Probe::of(&mut process).await.until_ready().await;
        process
    }

    /// Writes the rows of these events, as a producer in another language does.
    async fn enqueue(&self, first: u64, end: u64) {
        let enqueue = format!(
            "select fleet.enqueue(
                case when n % {ORDERED_EACH} = 0 then 'moved' else 'noted' end, '{{}}', 'e' || n,
                case when n % {ORDERED_EACH} = 0 then 'k' || n / {ORDERED_EACH} % {KEYS} end)
             from generate_series({first}, {end} - 1) n"
        );
        self.site.books.run(&enqueue).await;
    }

    async fn until_done(&self, rows: u64) {
        until_within(3 * PATIENCE, "everything is done", || async {
            let effects = self.site.books.count("effects").await;
            let unsent = self.site.books.count(UNSENT).await;
            let mut waiting = 0;
            for queue in &self.queues {
                waiting += queue.counts().await.total();
            }
            (effects >= rows && unsent == 0 && waiting == 0).then_some(())
        })
        .await;
    }

    /// Checks that every event is there once for each of its consumers, and nothing else happened.
    async fn assert_exact(&self, events: u64) {
        let books = &self.site.books;
        assert_eq!(books.count("fleet.outbox").await, events * ROWS_AN_EVENT);
        assert_eq!(books.count(UNSENT).await, 0);
        assert_eq!(books.count(PARKED).await, 0);
        let doubled = "select consumer, event, count(*) from effects
                       group by consumer, event having count(*) > 1 limit 3";
        let doubled = books.rows(doubled).await;
        assert!(doubled.is_empty(), "effects are there twice: {doubled:?}");
        let moved = events.div_ceil(ORDERED_EACH);
        for (consumer, count) in [
            ("billing", events - moved),
            ("ledger", moved),
            ("archive", events),
        ] {
            let of = format!("effects where consumer = '{consumer}'");
            assert_eq!(books.count(&of).await, count, "{consumer}");
        }
        self.assert_in_order().await;
        assert_eq!(books.count("fleet.attempts where charged").await, 0);
        for queue in &self.dead {
            assert_eq!(queue.counts().await, Counts::NONE);
        }
    }

    /// Checks that the queue with an order brought the events of each key one after the other.
    async fn assert_in_order(&self) {
        let early = format!(
            "select * from (
                select event, n, at, max(n) over (
                    partition by n / {ORDERED_EACH} % {KEYS} order by at
                    rows between unbounded preceding and 1 preceding) as before
                from (select *, substr(event, 2)::bigint as n from effects) e
                where consumer = 'ledger') o
             where n < before limit 3"
        );
        let early = self.site.books.rows(&early).await;
        assert!(early.is_empty(), "came after a later one: {early:?}");
    }
}

async fn end(process: Process) {
    process.signal(Signal::Terminate);
    process.ended().await.with_code(0);
}

/// Lets a relay stand still for a while; the others go on.
async fn freeze(relay: &Process, span: Duration) {
    relay.signal(Signal::Stop);
    let standing = timeout(span, std::future::pending::<()>()).await;
    standing.expect_err("nothing ends it before");
    relay.signal(Signal::Continue);
}

#[tokio::test(flavor = "multi_thread")]
async fn relays_that_are_killed_and_frozen_send_every_row_and_double_no_effect() {
    let mut dice = Dice::from_env();
    let seed = dice.seed();
    println!("relay_kills: the moments are those of SEED={seed}");
    let (rows, kills) = (short_or_long(ROWS), short_or_long(KILLS));
    let events = rows / ROWS_AN_EVENT;
    let depot = Depot::open().await;
    let sends = Sends::to(depot.site.sqs());
    let consumers = [depot.start("run").await, depot.start("run").await];
    let mut relays = Vec::new();
    for _ in 0..RELAYS {
        relays.push(depot.start("relay").await);
    }
    let begun = Instant::now();

    // A portion of the rows a kill, so that each falls while something is sent.
    for kill in 0..kills {
        let (first, next) = (events * kill / kills, events * (kill + 1) / kills);
        let before = sends.count();
        depot.enqueue(first, next).await;
        let portion = (next - first) * ROWS_AN_EVENT;
        sends.until(before + 1 + dice.below(portion / 2)).await;
        let victim = usize::try_from(dice.below(RELAYS)).expect("there are few relays");
        let killed = relays.remove(victim);
        killed.signal(Signal::Kill);
        assert_eq!(killed.ended().await.killed_by(), Some(9));
        if kill % KILLS_A_FREEZE == 0 {
            let longest =
                u64::try_from(short_or_long(FREEZE_MAX).as_millis()).expect("it is short");
            let span = Duration::from_millis(dice.below(longest));
            freeze(&relays[0], span).await;
        }
        relays.push(depot.start("relay").await);
    }

    depot.until_done(rows).await;
    depot.assert_exact(events).await;
    for process in relays.into_iter().chain(consumers) {
        end(process).await;
    }
    depot.assert_exact(events).await;
    let twice = sends.count() - rows;
    assert!(
        twice > 0,
        "no kill fell between a message and the mark of its row"
    );
    println!(
        "relay_kills: {rows} rows, {kills} kills and {} freezes of {RELAYS} relays: lost 0, doubled 0, \
         {twice} sent twice and absorbed, {} s (SEED={seed})",
        kills.div_ceil(KILLS_A_FREEZE),
        begun.elapsed().as_secs()
    );
}
