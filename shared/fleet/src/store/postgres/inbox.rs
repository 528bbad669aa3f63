use std::collections::HashMap;

use super::sql::{BEGIN, int};
use super::transaction::PostgresTransaction;
use super::{PostgresStore, Session};
use crate::message::EventKey;
use crate::store::{Claim, History, KeyState, StoreError, Transaction};

impl PostgresStore {
    pub(super) async fn claim_one(
        &self,
        consumer: &str,
        key: &EventKey,
    ) -> Result<Claim, StoreError> {
        let transaction = PostgresTransaction::unopened(&self.shared).await?;
        let (session, client) = (transaction.session(), transaction.session().client());
        let sql = &self.shared.sql.claim;
        let insert = async {
            let statement = transaction.prepare(sql).await?;
            client
                .execute(&statement, &[&consumer, &key.source, &key.id])
                .await
        };
        // Polled in this order, both go out at once: one round trip.
        let (opened, inserted) =
            tokio::join!(biased; transaction.open(BEGIN), session.run_bounded(insert));
        // The first answer first: without a transaction the second says nothing.
        opened?;
        if transaction.noted(inserted)? == 0 {
            transaction.rollback().await;
            return Ok(Claim::Duplicate);
        }
        Ok(Claim::New(Box::new(transaction)))
    }

    pub(super) async fn claim_many(
        &self,
        consumer: &str,
        keys: &[EventKey],
    ) -> Result<(Box<dyn Transaction>, Vec<KeyState>), StoreError> {
        let distinct = Distinct::of(keys);
        let transaction = PostgresTransaction::unopened(&self.shared).await?;
        let (session, client) = (transaction.session(), transaction.session().client());
        let sql = &self.shared.sql.claim_all;
        let insert = async {
            let statement = transaction.prepare(sql).await?;
            client
                .query(&statement, &[&consumer, &distinct.sources, &distinct.ids])
                .await
        };
        let (opened, rows) =
            tokio::join!(biased; transaction.open(BEGIN), session.run_bounded(insert));
        opened?;
        let rows = transaction.noted(rows)?;
        let states = rows
            .iter()
            .map(|row| match (row.get("held"), row.get("fresh")) {
                (true, true) => KeyState::New,
                (true, false) => KeyState::Duplicate,
                (false, _) => KeyState::Contended,
            });
        Ok((
            Box::new(transaction),
            distinct.spread(&states.collect::<Vec<_>>()),
        ))
    }

    pub(super) async fn read_history(
        &self,
        consumer: &str,
        message_id: &str,
        receive: u32,
        key: &EventKey,
    ) -> Result<History, StoreError> {
        let session = Session::open(&self.shared).await?;
        let client = session.client();
        let receive = int(receive);
        let work = async {
            let statement = client.prepare_cached(&self.shared.sql.history).await?;
            let params: [&(dyn tokio_postgres::types::ToSql + Sync); 5] =
                [&consumer, &message_id, &key.source, &key.id, &receive];
            client.query_one(&statement, &params).await
        };
        let row = session.run_bounded(work).await?;
        let count = |name: &str| u32::try_from(row.get::<_, i64>(name)).unwrap_or(u32::MAX);
        let crashes = count("crashes");
        Ok(History {
            processed: row.get("processed"),
            charged: count("charged").saturating_add(crashes),
            crashes,
            explained: count("explained"),
            unknown_since: row.get("unknown_since"),
            unavailable: count("unavailable"),
            unavailable_since: row.get("unavailable_since"),
        })
    }
}

/// The distinct keys of a slice, and where each place of the slice finds its own.
struct Distinct<'a> {
    sources: Vec<&'a str>,
    ids: Vec<&'a str>,
    places: Vec<(usize, bool)>,
}

impl<'a> Distinct<'a> {
    fn of(keys: &'a [EventKey]) -> Self {
        let mut seen: HashMap<&EventKey, usize> = HashMap::with_capacity(keys.len());
        let mut distinct = Self {
            sources: Vec::new(),
            ids: Vec::new(),
            places: Vec::new(),
        };
        for key in keys {
            let next = seen.len();
            let index = *seen.entry(key).or_insert(next);
            if index == next {
                distinct.sources.push(&key.source);
                distinct.ids.push(&key.id);
            }
            distinct.places.push((index, index == next));
        }
        distinct
    }

    /// Gives each place of the slice its state; a second copy duplicates the first.
    fn spread(&self, states: &[KeyState]) -> Vec<KeyState> {
        let state = |&(index, is_first): &(usize, bool)| match states[index] {
            KeyState::New if !is_first => KeyState::Duplicate,
            state => state,
        };
        self.places.iter().map(state).collect()
    }
}

#[cfg(all(test, feature = "testing"))]
mod tests {
    use crate::store::{MigrateOptions, Migrations, PostgresOptions, PostgresStore, migrate};
    use crate::testing::database::TestDatabase;

    #[tokio::test]
    async fn a_claim_whose_transaction_was_not_opened_claims_nothing() {
        let database = TestDatabase::migrated("inbox", |url| async move {
            let options = MigrateOptions::default();
            migrate(&url, &options, &[Migrations::RUNTIME], &[])
                .await
                .map(|_| ())
        });
        let database = database.await.unwrap();
        let store = PostgresStore::connect(database.url(), PostgresOptions::default()).unwrap();
        let sql = &store.shared.sql;
        store
            .query(&sql.claim, &[&"billing", &"/test", &"1"])
            .await
            .unwrap();
        store
            .query(&sql.claim_all, &[&"billing", &vec!["/test"], &vec!["2"]])
            .await
            .unwrap();
        let rows = store
            .query("select count(*) from fleet.inbox", &[])
            .await
            .unwrap();
        assert_eq!(rows[0].get::<_, i64>(0), 0);
    }
}
