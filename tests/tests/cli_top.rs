//! `top`: the live view in a real terminal, and what it prints without one.
#![forbid(unsafe_code)]

use std::time::{Duration, Instant};

use fleet_tests::books::{order, placed};
use fleet_tests::gate::Way;
use fleet_tests::process::{Process, Signal};
use fleet_tests::site::Site;
use fleet_tests::terminal::{Key, Terminal};
use insta::assert_snapshot;

/// How long one question of the view may take; a key is heeded before.
const ANSWER_MAX: Duration = Duration::from_secs(5);

const KEYS: &str = "q, Esc or Ctrl-C: quit";

/// A site with something in every table.
async fn busy() -> Site {
    let site = Site::new().await.with("USER", "ann");
    for id in 0..3 {
        let body = placed(&order(&id.to_string(), 1));
        site.queue.send(&body, Default::default()).await;
    }
    site.dead_letters.send("{}", Default::default()).await;
    let orders = [order("7", 1).to_string(), order("8", 1).to_string()];
    site.books.place(&orders).await;
    let waited = "update fleet.outbox
        set created_at = now() - interval '2 days 3 hours 30 minutes'";
    site.books.run(waited).await;
    let rows = "insert into fleet.dead_letters
            (copy_id, queue, consumer, source, event_id, event_type, message_id, class, reason,
             attempts, receives, first_sent_at, failed_at, failure)
        values ('copy', 'billing-dlq', 'billing', '/fleet/orders', '9', 'order.placed', 'm',
            'permanent', 'no customer', 1, 1, now(), '2026-01-02T03:04:05Z', '{}')";
    site.books.run(rows).await;
    site
}

async fn watch(site: &Site) -> Terminal {
    let mut terminal = site.start_in_terminal(&["top", "--every", "1s"]);
    terminal.shows(KEYS).await;
    terminal
}

async fn leave(mut terminal: Terminal) -> fleet_tests::terminal::Left {
    terminal.types("q").await;
    terminal.ended().await.with_code(0)
}

#[tokio::test]
async fn it_shows_queues_processes_outbox_and_failures_as_they_change() {
    let site = busy().await;
    let mut terminal = watch(&site).await;
    terminal.shows("nobody serves it").await;
    for said in ["none has shown itself lately", "no customer", "DESTINATION"] {
        terminal.shows(said).await;
    }
    let pause = ["pause", "billing", "--reason", "prices are wrong"];
    site.run(&pause).await.with_code(0);
    terminal.shows("paused by ann@").await;
    site.run(&["resume", "billing"]).await.with_code(0);

    let (worker, _probe) = site.start_ready(&["run"]).await;
    terminal.shows(&worker.id().to_string()).await;
    terminal.hides("nobody serves it").await;
    terminal.shows(" runs").await;
    worker.signal(Signal::Kill);
    worker.ended().await;
    terminal.shows("nobody serves it").await;
    terminal.shows(" ago").await;
    let left = leave(terminal).await;
    assert_eq!(left.screen.trim(), "", "the screen is as it was before");
}

#[tokio::test]
async fn every_way_out_gives_the_terminal_back() {
    let site = Site::new().await;
    let mut terminal = watch(&site).await;
    terminal.presses(Key::Escape).await;
    terminal.ended().await.with_code(0);

    let mut terminal = watch(&site).await;
    terminal.presses(Key::CtrlC).await;
    let left = terminal.ended().await.with_code(130);
    assert_eq!(left.screen.trim(), "fleet: interrupted");

    for signal in [Signal::Terminate, Signal::Interrupt] {
        let terminal = watch(&site).await;
        terminal.signal(signal);
        terminal.ended().await.with_code(130);
    }
}

#[tokio::test]
async fn what_does_not_answer_is_shown_as_stale_until_it_does() {
    let mut site = busy().await;
    let database = site.gate_database().await;
    let queues = site.gate_queues().await;
    database.open();
    queues.open();
    let mut terminal = watch(&site).await;
    terminal.shows("no customer").await;
    terminal.shows("nobody serves it").await;

    database.close();
    terminal.shows("database: stale since 20").await;
    terminal.shows("no customer").await;
    queues.close();
    terminal.shows("billing").await;
    terminal.shows("queue billing: ").await;
    database.open();
    queues.open();
    terminal.hides("stale since").await;
    terminal.hides("queue billing: ").await;
    leave(terminal).await;
}

#[tokio::test]
async fn a_key_is_heeded_at_once_while_nothing_answers() {
    let mut site = busy().await;
    let database = site.gate_database().await;
    let queues = site.gate_queues().await;
    database.turn(Way::Silent);
    queues.turn(Way::Silent);
    let mut terminal = watch(&site).await;
    let begun = Instant::now();
    terminal.presses(Key::Escape).await;
    terminal.ended().await.with_code(0);
    assert!(begun.elapsed() < ANSWER_MAX, "it waited for an answer");

    let mut terminal = watch(&site).await;
    terminal.shows("no answer within 5 s").await;
    terminal.shows("no answer yet").await;
    leave(terminal).await;
}

#[tokio::test]
async fn without_a_database_it_shows_the_queues_and_says_so() {
    let mut site = busy().await;
    site.env.remove("DATABASE_URL");
    let mut terminal = watch(&site).await;
    terminal
        .shows("without DATABASE_URL only the queues are known")
        .await;
    terminal.shows("unknown").await;
    leave(terminal).await;
    let ended = site.run(&["top", "--once"]).await.with_code(0);
    let said = "without DATABASE_URL only the queues are known";
    assert_eq!(ended.stderr, said);
}

#[tokio::test]
async fn a_database_without_tables_names_the_remedy() {
    let site = Site::unmigrated().await;
    let mut terminal = watch(&site).await;
    terminal.shows("run `fleet migrate`").await;
    leave(terminal).await;
    let ended = site.run(&["top", "--once"]).await.with_code(3);
    assert!(
        ended.stderr.contains("run `fleet migrate`"),
        "{}",
        ended.stderr
    );
}

#[tokio::test]
async fn it_follows_the_size_of_the_terminal() {
    let site = busy().await;
    let mut terminal = watch(&site).await;
    terminal.shows("PROCESSES  STATE").await;
    terminal.resize(60, 20);
    terminal.hides("PROCESSES  STATE").await;
    terminal.shows(KEYS).await;
    for width in 120..140 {
        terminal.resize(width, 40);
    }
    terminal.shows("QUEUE").await;
    // Half of an arrow, and a key that means nothing.
    terminal.types("\u{1b}[").await;
    terminal.types("x").await;
    terminal.resize(60, 20);
    terminal.hides("PROCESSES  STATE").await;
    leave(terminal).await;
}

#[tokio::test]
async fn foreign_text_cannot_steer_the_terminal() {
    let site = busy().await;
    let pause = ["pause", "billing", "--reason", "\u{1b}]0;evil\u{7}why"];
    site.run(&pause).await.with_code(0);
    let rows = "update fleet.dead_letters
        set reason = e'\\x1b[31mred', event_type = e'a\\rb\\u202e'";
    site.books.run(rows).await;
    let mut terminal = site.start_in_terminal(&["top"]);
    terminal.resize(160, 40);
    terminal.shows("\\u{1b}]0;evil\\u{7}why").await;
    terminal.shows("\\u{1b}[31mred").await;
    terminal.shows("a\\u{d}b\\u{202e}").await;
    let left = leave(terminal).await;
    for foreign in ["\u{1b}]0;", "\u{1b}[31mred", "\u{202e}"] {
        assert!(!left.raw.contains(foreign), "{:?}", left.raw);
    }
}

#[tokio::test]
async fn no_color_is_respected() {
    let coloured = |raw: &str| raw.contains("\u{1b}[38;");
    let site = busy().await;
    let mut terminal = watch(&site).await;
    terminal.shows("nobody serves it").await;
    let left = leave(terminal).await;
    assert!(coloured(&left.raw), "{:?}", left.raw);
    let site = site.with("NO_COLOR", "1");
    let mut terminal = watch(&site).await;
    terminal.shows("nobody serves it").await;
    let left = leave(terminal).await;
    assert!(!coloured(&left.raw), "{:?}", left.raw);
}

#[tokio::test]
async fn without_a_terminal_it_prints_once() {
    let site = busy().await;
    let ended = site.run(&["top"]).await.with_code(0);
    assert_eq!(ended.stderr, "");
    assert!(!ended.stdout.contains('\u{1b}'));
    assert_snapshot!(ended.stdout, @"
    CONSUMERS
    CONSUMER  QUEUE    BACKLOG  IN FLIGHT  DELAYED  DEAD  LAG   RATE  BUSY  P99  PROCESSES  STATE
    billing   billing        3          0        0     1  -    0.0/s   0/0  -            0  nobody serves it

    PROCESSES
    none has shown itself lately

    OUTBOX
    DESTINATION  PENDING  PARKED   OLDEST
    billing            2       0  2 d 3 h

    RECENT FAILURES
    AT                    CONSUMER  WHAT           TYPE          EVENT  REASON
    2026-01-02T03:04:05Z  billing   dead-lettered  order.placed      9  no customer
    ");
    let once = site.run(&["top", "--once"]).await.with_code(0);
    assert_eq!(once.stdout.lines().count(), ended.stdout.lines().count());
    let mut terminal = site.start_in_terminal(&["top", "--once"]);
    terminal.shows("RECENT FAILURES").await;
    let left = terminal.ended().await.with_code(0);
    assert!(!left.raw.contains('\u{1b}'), "{:?}", left.raw);
}

#[tokio::test]
async fn programs_read_it_as_json() {
    let site = busy().await;
    let (worker, _probe) = site.start_ready(&["run"]).await;
    site.books.until_count("fleet.processes", 1).await;
    let seen = site.run(&["top", "--json"]).await.with_code(0).json();
    assert_eq!(seen["database"], "answers", "{seen}");
    let billing = &seen["consumers"][0];
    assert_eq!(billing["consumer"], "billing", "{seen}");
    assert_eq!(billing["dead_letters"], 1, "{seen}");
    assert_eq!(billing["work"]["processes"], 1, "{seen}");
    assert_eq!(billing["work"]["concurrency"], 16, "{seen}");
    let process = &seen["processes"][0];
    assert_eq!(process["pid"], worker.id(), "{seen}");
    assert_eq!(process["is_present"], true, "{seen}");
    assert_eq!(seen["outbox"][0]["pending"], 2, "{seen}");
    let failure = &seen["failures"][0];
    assert_eq!(failure["what"], "dead-lettered", "{seen}");
    assert_eq!(failure["event_id"], "9", "{seen}");
    worker.signal(Signal::Terminate);
    worker.ended().await.with_code(0);
}

#[tokio::test]
async fn once_says_by_its_exit_code_whether_everything_answered() {
    let mut site = busy().await;
    let database = site.gate_database().await;
    let ended = site.run(&["top", "--once"]).await.with_code(3);
    assert!(ended.stdout.contains("nobody") || ended.stdout.contains("billing"));
    assert!(ended.stderr.contains("database: "), "{}", ended.stderr);
    let _queues = site.gate_queues().await;
    let ended = site.run(&["top", "--once"]).await.with_code(1);
    assert!(
        ended.stderr.contains("nothing could be asked"),
        "{}",
        ended.stderr
    );
    database.open();
    let ended = site.run(&["top", "--once"]).await.with_code(3);
    assert!(ended.stdout.contains("no customer"), "{}", ended.stdout);
    assert!(ended.stderr.contains("queue billing: "), "{}", ended.stderr);
}

#[tokio::test]
async fn a_wrong_command_line_is_refused() {
    let site = Site::unmigrated().await;
    for every in ["0s", "100ms", "2h", "often"] {
        site.run(&["top", "--every", every]).await.with_code(2);
    }
    let mut command = site.command(&["top"]);
    command.env_remove("BILLING_QUEUE_URL");
    let ended = Process::start(command).ended().await.with_code(2);
    assert!(
        ended.stderr.contains("BILLING_QUEUE_URL"),
        "{}",
        ended.stderr
    );
}
