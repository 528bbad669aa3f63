use std::time::Duration;

use fleet::message::NewEvent;
use fleet::store::{
    Outbox, OutboxSettlement, PRUNABLE, PostgresStore, Unparking, Unsent, UnsentFilter, UnsentState,
};

use crate::support::{connect, database, event};

const REASON: &str = "larger than SQS takes";

fn ordered(id: &str, key: &str) -> NewEvent {
    NewEvent {
        ordering_key: Some(key.to_owned()),
        ..event("only.one", id)
    }
}

async fn publish(store: &PostgresStore, events: &[NewEvent]) {
    let transaction = store.begin().await.unwrap();
    transaction.publish_all(events).await.unwrap();
    transaction.commit().await.unwrap();
}

/// Claims what is claimable for one, and parks it.
async fn park(store: &PostgresStore) -> Vec<i64> {
    let claim = store.claim_rows("one", 10).await.unwrap();
    let ids: Vec<i64> = claim.rows().iter().map(|row| row.id).collect();
    let parked = ids.iter().map(|id| (*id, REASON.to_owned())).collect();
    let settlement = OutboxSettlement {
        parked,
        ..OutboxSettlement::default()
    };
    claim.settle(settlement).await.unwrap();
    ids
}

/// The ids of the events that a relay would send next.
async fn claimable(store: &PostgresStore) -> Vec<String> {
    let claim = store.claim_rows("one", 10).await.unwrap();
    let id = |row: &fleet::store::OutboxRow| row.event.key.id.clone();
    let ids = claim.rows().iter().map(id).collect();
    // A claim that is dropped frees its rows a moment later.
    claim.settle(OutboxSettlement::default()).await.unwrap();
    ids
}

async fn send_all(store: &PostgresStore) {
    let claim = store.claim_rows("one", 10).await.unwrap();
    let sent = claim.rows().iter().map(|row| row.id).collect();
    let settlement = OutboxSettlement {
        sent,
        ..OutboxSettlement::default()
    };
    claim.settle(settlement).await.unwrap();
}

async fn unsent(store: &PostgresStore, filter: UnsentFilter) -> Vec<Unsent> {
    store.unsent(&filter, 100).await.unwrap()
}

fn outcomes(of: Vec<(i64, Unparking)>) -> Vec<Unparking> {
    of.into_iter().map(|(_, outcome)| outcome).collect()
}

#[tokio::test]
async fn unsent_rows_are_listed_the_oldest_first_and_without_their_data() {
    let database = database().await;
    let store = connect(&database);
    publish(&store, &[ordered("p", "k")]).await;
    park(&store).await;
    let rest = [ordered("w", "k"), event("only.one", "f"), event("a.b", "g")];
    publish(&store, &rest).await;
    let ids = |rows: &[Unsent]| -> Vec<String> {
        let id = |row: &Unsent| format!("{}>{}", row.event_id, row.destination);
        rows.iter().map(id).collect()
    };
    let all = unsent(&store, UnsentFilter::default()).await;
    assert_eq!(ids(&all), ["p>one", "w>one", "f>one", "g>one", "g>two"]);
    assert_eq!(all[0].state, UnsentState::Parked);
    assert_eq!(all[0].parked_reason.as_deref(), Some(REASON));
    assert_eq!(all[0].ordering_key.as_deref(), Some("k"));
    assert_eq!(
        (all[1].state, all[1].parked_at),
        (UnsentState::Waiting, None)
    );

    let check = async |filter: UnsentFilter, expected: &[&str]| {
        assert_eq!(
            ids(&unsent(&store, filter.clone()).await),
            expected,
            "{filter:?}"
        );
    };
    let none = UnsentFilter::default;
    let text = |text: &str| Some(text.to_owned());
    let [parked, waiting] = [UnsentState::Parked, UnsentState::Waiting].map(|state| UnsentFilter {
        state: Some(state),
        ..none()
    });
    check(parked, &["p>one"]).await;
    check(waiting, &["w>one", "f>one", "g>one", "g>two"]).await;
    let destination = text("two");
    check(
        UnsentFilter {
            destination,
            ..none()
        },
        &["g>two"],
    )
    .await;
    let event_type = text("a.b");
    check(
        UnsentFilter {
            event_type,
            ..none()
        },
        &["g>one", "g>two"],
    )
    .await;
    let parked_reason = text(REASON);
    check(
        UnsentFilter {
            parked_reason,
            ..none()
        },
        &["p>one"],
    )
    .await;
    send_all(&store).await;
    assert_eq!(store.unsent(&none(), 1).await.unwrap().len(), 1);
    check(none(), &["p>one", "w>one", "g>two"]).await;
}

#[tokio::test]
async fn a_retried_row_is_sent_before_the_younger_ones_of_its_key() {
    let database = database().await;
    let store = connect(&database);
    publish(&store, &[ordered("1", "k"), ordered("2", "k")]).await;
    let ids = park(&store).await;
    assert_eq!(claimable(&store).await, Vec::<String>::new());
    let writes = store.writes();
    let retried = store.retry_parked(&ids, "ann@desk").await.unwrap();
    assert_eq!(outcomes(retried), [Unparking::Changed]);
    assert!(writes.has_changed().unwrap(), "relays are told");
    assert_eq!(claimable(&store).await, ["1"]);

    let again = store.retry_parked(&ids, "bob@desk").await.unwrap();
    let [Unparking::Retried(_, who)] = &outcomes(again)[..] else {
        panic!("it was retried before");
    };
    assert_eq!(who, "ann@desk");
    send_all(&store).await;
    let again = store.retry_parked(&ids, "bob@desk").await.unwrap();
    assert!(matches!(again[0].1, Unparking::Retried(..)), "{again:?}");
    assert_eq!(claimable(&store).await, ["2"]);
}

#[tokio::test]
async fn a_discarded_row_is_never_sent_and_halts_nobody_and_stays_on_record() {
    let database = database().await;
    let store = connect(&database);
    publish(&store, &[ordered("1", "k"), ordered("2", "k")]).await;
    let ids = park(&store).await;
    let discard = async || {
        let discarded = store.discard_parked(&ids, "ann@desk", "a test order").await;
        outcomes(discarded.unwrap())
    };
    assert_eq!(discard().await, [Unparking::Changed]);
    assert!(matches!(&discard().await[..], [Unparking::Discarded(_, who)] if who == "ann@desk"));
    let retried = store.retry_parked(&ids, "bob@desk").await.unwrap();
    assert!(matches!(retried[0].1, Unparking::Discarded(..)));
    assert_eq!(claimable(&store).await, ["2"]);
    let stats = store.stats().await.unwrap();
    assert_eq!((stats[0].pending, stats[0].parked), (1, 0));
    let record = "select discarded_by, discard_reason, parked_reason from fleet.outbox
        where discarded_at is not null and sent_at = discarded_at";
    let record = store.query(record, &[]).await.unwrap();
    let texts: Vec<&str> = (0..3).map(|column| record[0].get(column)).collect();
    assert_eq!(texts, ["ann@desk", "a test order", REASON]);

    // Queues that live in memory are filled again, and not with this.
    assert_eq!(store.send_again().await.unwrap(), 0);
    publish(&store, &[ordered("1", "k")]).await;
    assert_eq!(claimable(&store).await, ["2"], "the same event stands once");
}

#[tokio::test]
async fn a_discarded_row_is_pruned_a_week_later() {
    let database = database().await;
    let store = connect(&database);
    publish(&store, &[event("only.one", "1")]).await;
    let ids = park(&store).await;
    let discarded = store.discard_parked(&ids, "ann@desk", "why").await;
    assert_eq!(outcomes(discarded.unwrap()), [Unparking::Changed]);
    let outbox = PRUNABLE.iter().find(|one| one.table == "outbox").unwrap();
    let prune = async |later: Duration| {
        let extent = store.measure(outbox).await.unwrap();
        let before = outbox.cutoff(extent.now + later);
        let pruned = store.prune(outbox, &(0..extent.pages), before, 10).await;
        pruned.unwrap()
    };
    let minute = Duration::from_secs(60);
    assert_eq!(prune(outbox.kept - minute).await, 0);
    assert_eq!(prune(outbox.kept + minute).await, 1);
}

#[tokio::test]
async fn only_parked_rows_are_changed_and_each_of_the_others_is_told_of() {
    let database = database().await;
    let store = connect(&database);
    publish(&store, &[event("only.one", "sent")]).await;
    send_all(&store).await;
    publish(&store, &[event("only.one", "parked")]).await;
    park(&store).await;
    publish(&store, &[event("only.one", "held")]).await;
    let relay = connect(&database);
    let claim = relay.claim_rows("one", 10).await.unwrap();
    publish(&store, &[event("only.one", "waiting")]).await;
    let ids: Vec<i64> = store
        .query("select id from fleet.outbox order by id", &[])
        .await
        .unwrap()
        .iter()
        .map(|row| row.get(0))
        .collect();
    let [sent, parked, held, waiting] = ids[..] else {
        panic!("four events were published: {ids:?}");
    };
    let asked = [waiting, 999, sent, held, parked];
    let told = store
        .discard_parked(&asked, "ann@desk", "why")
        .await
        .unwrap();
    assert_eq!(told.iter().map(|(id, _)| *id).collect::<Vec<_>>(), asked);
    let told = outcomes(told);
    assert_eq!(told[..2], [Unparking::Waiting, Unparking::Unknown]);
    assert!(matches!(told[2], Unparking::Sent(_)), "{told:?}");
    assert_eq!(told[3..], [Unparking::Held, Unparking::Changed]);
    drop(claim);
}
