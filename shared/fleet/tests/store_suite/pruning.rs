use std::time::Duration;

use fleet::service::health::{Health, Pulse};
use fleet::store::{PRUNABLE, PostgresStore, Prunable};
use fleet::upkeep::{Leadership, Pruner, Sweep};
use jiff::Timestamp;
use metrics_exporter_prometheus::PrometheusBuilder;
use tokio_util::sync::CancellationToken;

use crate::support::{connect, database};

/// A row of every table for each of `n` and its time of day `at`.
const FILL: [(&str, &str); 8] = [
    (
        "processes",
        "insert into fleet.processes select at || '-' || n, 'host', 1, 'run', '1', 'c', at, at, '[]' from r",
    ),
    (
        "pauses",
        "insert into fleet.pauses (consumer, reason, paused_by, paused_at, until)
         select at || '-' || n, 'why', 'who', at, at from r",
    ),
    (
        "replays",
        "insert into fleet.replays (queue, destination, filter, who, started_at, ended_at, state)
         select 'q', 'd', '{}', 'who', at, at, 'done' from r",
    ),
    (
        "replay_entries",
        "insert into fleet.replay_entries (replay_id, message_id, source, event_id, state, at, queue)
         select p.id, p.id || '-' || n, '/s', 'e', 'deleted', at, 'q' from r join fleet.replays p on p.ended_at = at",
    ),
    (
        "dead_letters",
        "insert into fleet.dead_letters
         select at || '-' || n, 'q', 'c', '/s', 'e', 't', 'm', 'permanent', 'why', null, 1, 1, at, at, '{}'
         from r",
    ),
    (
        "attempts",
        "insert into fleet.attempts (consumer, message_id, receive, outcome, charged, reason, at)
         select 'c', at || '-' || n, 1, 'failed', true, 'why', at from r",
    ),
    (
        "outbox",
        "insert into fleet.outbox (destination, source, event_id, event_type, time, data, sent_at)
         select 'd', '/s', at || '-' || n, 't', at, '{}', at from r",
    ),
    (
        "inbox",
        "insert into fleet.inbox select 'c', '/s', at || '-' || n, at from r",
    ),
];

/// Writes rows whose time is so far in the past.
async fn fill(store: &PostgresStore, table: &str, age: Duration, count: i64) {
    let (_, insert) = FILL.iter().find(|(name, _)| *name == table).unwrap();
    let sql = format!(
        "with r as (
            select n::text, t.at from generate_series(1, $2::bigint) n,
                (select date_trunc('second', now()) - make_interval(secs => $1) as at) t
        ) {insert}"
    );
    store
        .query(&sql, &[&age.as_secs_f64(), &count])
        .await
        .unwrap();
}

async fn count(store: &PostgresStore, table: &str) -> i64 {
    let sql = format!("select count(*) from fleet.{table}");
    store.query(&sql, &[]).await.unwrap()[0].get(0)
}

fn prunable(table: &str) -> &'static Prunable {
    PRUNABLE.iter().find(|one| one.table == table).unwrap()
}

fn pruner(store: &PostgresStore, name: &str) -> Pruner {
    Pruner::new(store.clone(), Leadership::of_pruning(store, name))
}

fn pulse() -> Pulse {
    Health::new().register_loop("pruning", Duration::from_secs(60))
}

#[test]
fn what_is_done_is_known_for_longer_than_any_copy_of_the_message_lives() {
    // The queue, the dead-letter queue and a replay keep a message 14 days each.
    let day = Duration::from_secs(86_400);
    for table in ["inbox", "attempts", "dead_letters"] {
        assert_eq!(prunable(table).kept, 45 * day, "{table}");
    }
    assert_eq!(prunable("outbox").kept, 7 * day);
    assert_eq!(prunable("replay_entries").kept, 90 * day);
    assert_eq!(prunable("processes").kept, day);
}

#[tokio::test]
async fn rows_of_every_table_go_when_their_time_is_over_and_not_before() {
    let database = database().await;
    let store = connect(&database);
    let minute = Duration::from_secs(60);
    for (table, _) in &FILL {
        let kept = prunable(table).kept;
        fill(&store, table, kept + minute, 3).await;
        fill(&store, table, kept - minute, 2).await;
    }
    // What is not over is older than all.
    store
        .query(
            "insert into fleet.outbox (destination, source, event_id, event_type, time, data, created_at)
             values ('d', '/s', 'unsent', 't', now(), '{}', now() - interval '1 year')",
            &[],
        )
        .await
        .unwrap();
    store
        .query(
            "insert into fleet.pauses (consumer, reason, paused_by, paused_at)
             values ('c', 'why', 'who', now() - interval '1 year')",
            &[],
        )
        .await
        .unwrap();
    let stop = CancellationToken::new();
    let sweep = pruner(&store, "one").sweep(&pulse(), &stop).await.unwrap();
    assert_eq!(sweep, Sweep::Whole);
    let expected = |table: &str| match table {
        "outbox" | "pauses" => 3,
        // Each entry was written for each of the replays of its time.
        "replay_entries" => 4,
        _ => 2,
    };
    for (table, _) in &FILL {
        assert_eq!(count(&store, table).await, expected(table), "{table}");
    }
}

#[tokio::test]
async fn many_old_rows_go_in_small_chunks() {
    let database = database().await;
    let store = connect(&database);
    let inbox = prunable("inbox");
    let day = Duration::from_secs(86_400);
    fill(&store, "inbox", inbox.kept + day, 25_000).await;
    fill(&store, "inbox", inbox.kept - day, 500).await;
    let extent = store.measure(inbox).await.unwrap();
    let before = inbox.cutoff(extent.now);
    let all = 0..extent.pages;
    assert_eq!(
        store.prune(inbox, &all, before, 1_000).await.unwrap(),
        1_000
    );
    assert_eq!(count(&store, "inbox").await, 24_500);
    assert_eq!(store.prune(inbox, &(0..0), before, 1_000).await.unwrap(), 0);

    let recorder = PrometheusBuilder::new().build_recorder();
    let metrics = recorder.handle();
    let mut pruner = metrics::with_local_recorder(&recorder, || pruner(&store, "one"));
    let last_success = "fleet_prune_last_success_timestamp_seconds";
    let page = metrics.render();
    assert!(page.contains(&format!("{last_success} 0\n")), "{page}");
    assert!(
        page.contains("fleet_pruned_total{table=\"inbox\"} 0"),
        "{page}"
    );
    let stop = CancellationToken::new();
    let sweep = pruner.sweep(&pulse(), &stop).await.unwrap();
    assert_eq!(sweep, Sweep::Whole);
    assert_eq!(count(&store, "inbox").await, 500);
    let page = metrics.render();
    assert!(
        page.contains("fleet_pruned_total{table=\"inbox\"} 24000"),
        "{page}"
    );
    assert!(!page.contains(&format!("{last_success} 0\n")), "{page}");
}

#[tokio::test]
async fn two_who_prune_at_once_delete_each_row_once_and_wait_for_nobody() {
    let database = database().await;
    let store = connect(&database);
    let inbox = prunable("inbox");
    fill(&store, "inbox", inbox.kept * 2, 10_000).await;
    let extent = store.measure(inbox).await.unwrap();
    let (pages, before) = (0..extent.pages, inbox.cutoff(extent.now));
    let prune_all = async || {
        let mut sum = 0;
        while count(&store, "inbox").await > 0 {
            sum += store.prune(inbox, &pages, before, 700).await.unwrap();
        }
        sum
    };
    let (one, two) = tokio::join!(prune_all(), prune_all());
    assert_eq!(one + two, 10_000, "{one} and {two}");

    fill(&store, "inbox", inbox.kept * 2, 3).await;
    let holder = store.begin().await.unwrap();
    let lock = "select from fleet.inbox where id like '%-2' for update";
    holder.query(lock, &[]).await.unwrap();
    let extent = store.measure(inbox).await.unwrap();
    let pruned = store.prune(inbox, &(0..extent.pages), before, 700).await;
    assert_eq!(
        pruned.unwrap(),
        2,
        "a row that somebody holds is left for the next time"
    );
}

#[tokio::test]
async fn only_the_leader_sweeps() {
    let database = database().await;
    let store = connect(&database);
    fill(&store, "inbox", prunable("inbox").kept * 2, 5).await;
    let mut other = Leadership::of_pruning(&store, "other");
    assert!(other.keep().await.unwrap());
    let stop = CancellationToken::new();
    let mut pruner = pruner(&store, "one");
    assert_eq!(pruner.sweep(&pulse(), &stop).await.unwrap(), Sweep::Broken);
    assert_eq!(count(&store, "inbox").await, 5);
    other.resign().await.unwrap();
    assert_eq!(pruner.sweep(&pulse(), &stop).await.unwrap(), Sweep::Whole);
    assert_eq!(count(&store, "inbox").await, 0);
}

#[tokio::test]
async fn a_sweep_ends_when_the_process_does() {
    let database = database().await;
    let store = connect(&database);
    let inbox = prunable("inbox");
    fill(&store, "inbox", inbox.kept * 2, 20_000).await;
    let stop = CancellationToken::new();
    let mut pruner = pruner(&store, "one");
    let pulse = pulse();
    let stopping = async {
        while count(&store, "inbox").await == 20_000 {
            tokio::task::yield_now().await;
        }
        stop.cancel();
    };
    let (sweep, ()) = tokio::join!(pruner.sweep(&pulse, &stop), stopping);
    assert_eq!(sweep.unwrap(), Sweep::Broken);
    let left = count(&store, "inbox").await;
    assert!(left > 0, "it went on to the end");
}

#[test]
fn a_cutoff_before_the_calendar_begins_is_its_beginning() {
    assert_eq!(prunable("inbox").cutoff(Timestamp::MIN), Timestamp::MIN);
}
