use std::collections::BTreeMap;

use super::sql::int;
use super::{PostgresStore, Row, Session};
use crate::message::{EventKey, MessageId};
use crate::store::{Attempt, AttemptOutcome, DeadLetter, StoreError};

impl PostgresStore {
    pub(super) async fn write_attempts(&self, attempts: &[Attempt]) -> Result<(), StoreError> {
        // One statement may not touch a row twice; the later word counts.
        let rows: BTreeMap<_, _> = attempts
            .iter()
            .map(|row| ((&row.consumer, &row.message_id, row.receive), row))
            .collect();
        if rows.is_empty() {
            return Ok(());
        }
        let column = |of: fn(&Attempt) -> String| rows.values().map(|row| of(row)).collect();
        let keys = |of: fn(&Attempt) -> Option<String>| -> Vec<Option<String>> {
            rows.values().map(|row| of(row)).collect()
        };
        let consumers: Vec<String> = column(|row| storable(&row.consumer));
        let messages: Vec<String> = column(|row| storable(&row.message_id.0));
        let receives: Vec<i32> = rows.values().map(|row| int(row.receive)).collect();
        let lasts: Vec<i32> = rows.values().map(|row| int(row.receive_last)).collect();
        let sources = keys(|row| row.key.as_ref().map(|key| storable(&key.source)));
        let ids = keys(|row| row.key.as_ref().map(|key| storable(&key.id)));
        let outcomes: Vec<&str> = rows.values().map(|row| row.outcome.as_str()).collect();
        let charged: Vec<bool> = rows.values().map(|row| row.outcome.is_charged()).collect();
        let reasons: Vec<String> = column(|row| storable(&row.reason));
        let times: Vec<_> = rows.values().map(|row| row.at).collect();

        let session = Session::open(&self.shared).await?;
        let client = session.client();
        let work = async {
            let statement = client
                .prepare_cached(&self.shared.sql.record_attempts)
                .await?;
            let params: [&(dyn tokio_postgres::types::ToSql + Sync); 10] = [
                &consumers, &messages, &receives, &lasts, &sources, &ids, &outcomes, &charged,
                &reasons, &times,
            ];
            client.execute(&statement, &params).await
        };
        session.run_bounded(work).await.map(|_| ())
    }

    pub(super) async fn read_attempts(
        &self,
        consumer: &str,
        message_id: &str,
        limit: usize,
    ) -> Result<Vec<Attempt>, StoreError> {
        let session = Session::open(&self.shared).await?;
        let client = session.client();
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let work = async {
            let statement = client.prepare_cached(&self.shared.sql.attempts).await?;
            client
                .query(&statement, &[&consumer, &message_id, &limit])
                .await
        };
        let rows = session.run_bounded(work).await?;
        let attempt = |row: &Row| {
            let key = Option::zip(row.get("source"), row.get("event_id"));
            Some(Attempt {
                consumer: consumer.to_owned(),
                message_id: MessageId(message_id.to_owned()),
                receive: u32::try_from(row.get::<_, i32>("receive")).ok()?,
                receive_last: u32::try_from(row.get::<_, i32>("receive_last")).ok()?,
                key: key.map(|(source, id): (String, String)| EventKey::new(source, id)),
                // A newer release may have words that this one does not know.
                outcome: AttemptOutcome::named(row.get("outcome"))?,
                reason: row.get("reason"),
                at: row.get("at"),
            })
        };
        Ok(rows.iter().filter_map(attempt).collect())
    }

    pub(super) async fn write_dead_letters(&self, dead: &[DeadLetter]) -> Result<(), StoreError> {
        if dead.is_empty() {
            return Ok(());
        }
        let column =
            |of: fn(&DeadLetter) -> String| -> Vec<String> { dead.iter().map(of).collect() };
        let optional = |of: fn(&DeadLetter) -> Option<String>| -> Vec<Option<String>> {
            dead.iter().map(of).collect()
        };
        let copies = column(|row| storable(&row.copy_id.0));
        let queues = column(|row| storable(&row.queue));
        let consumers = column(|row| storable(&row.failure.consumer));
        let sources = column(|row| storable(&row.failure.key.source));
        let ids = column(|row| storable(&row.failure.key.id));
        let types = optional(|row| row.failure.event_type.as_deref().map(storable));
        let messages = column(|row| storable(&row.failure.message_id));
        let classes: Vec<&str> = dead.iter().map(|row| row.failure.class.as_str()).collect();
        let reasons = column(|row| storable(&row.failure.reason));
        let details = optional(|row| row.failure.detail.as_deref().map(storable));
        let attempts: Vec<i32> = dead.iter().map(|row| int(row.failure.attempts)).collect();
        let receives: Vec<i32> = dead.iter().map(|row| int(row.failure.receives)).collect();
        let first_sent: Vec<_> = dead.iter().map(|row| row.failure.first_sent_at).collect();
        let failed: Vec<_> = dead.iter().map(|row| row.failure.failed_at).collect();
        let failures = column(|row| {
            serde_json::to_string(&row.failure).expect("a failure has string keys only")
        });

        let session = Session::open(&self.shared).await?;
        let client = session.client();
        let work = async {
            let statement = client
                .prepare_cached(&self.shared.sql.record_dead_letters)
                .await?;
            let params: [&(dyn tokio_postgres::types::ToSql + Sync); 15] = [
                &copies,
                &queues,
                &consumers,
                &sources,
                &ids,
                &types,
                &messages,
                &classes,
                &reasons,
                &details,
                &attempts,
                &receives,
                &first_sent,
                &failed,
                &failures,
            ];
            client.execute(&statement, &params).await
        };
        session.run_bounded(work).await.map(|_| ())
    }
}

/// Replaces the one character that Postgres cannot store, so that one foreign
/// message cannot keep the rows of its neighbours from being written.
pub(super) fn storable(text: &str) -> String {
    text.replace('\0', "\u{FFFD}")
}
