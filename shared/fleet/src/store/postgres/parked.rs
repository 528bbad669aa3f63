use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::sql::render;
use super::{Params, PostgresStore, Row};
use crate::store::StoreError;

/// The ids are read from the partial indexes of unsent rows alone; the table may hold a week of
/// rows that were sent.
const UNSENT: &str = r"
    with unsent as materialized (
        select id from {schema}.outbox
        where sent_at is null and parked_at is null and ordering_key is null
            and $2 and ($1::text is null or destination = $1)
        union all
        select id from {schema}.outbox
        where sent_at is null and ordering_key is not null
            and (parked_at is null and $2 or parked_at is not null and $3)
            and ($1::text is null or destination = $1)
        union all
        select id from {schema}.outbox
        where sent_at is null and parked_at is not null and ordering_key is null
            and $3 and ($1::text is null or destination = $1)
    )
    select o.id, o.destination, o.source, o.event_id, o.event_type, o.ordering_key, o.created_at,
        o.parked_at, case when o.parked_at is not null then o.parked_reason end as parked_reason
    from unsent join {schema}.outbox o using (id)
    where ($4::text is null or o.event_type = $4) and ($5::text is null or o.parked_reason = $5)
        and ($6::bigint[] is null or o.id = any ($6))
    order by o.id
    limit $7";

/// Rows that somebody else holds are not waited for. What is answered of the others is how they
/// stood before.
const CHANGE: &str = r"
    with held as materialized (
        select id, parked_at from {schema}.outbox
        where id = any ($1) and sent_at is null
        order by id
        for update skip locked
    ), changed as (
        update {schema}.outbox o set {change}
        from held
        where o.id = held.id and held.parked_at is not null
        returning o.id
    )
    select asked.id, o.id is not null as is_there,
        changed.id is not null as is_changed,
        o.sent_at is null and held.id is null as is_held_elsewhere,
        o.sent_at, o.retried_at, o.retried_by, o.discarded_at, o.discarded_by
    from unnest($1::bigint[]) with ordinality as asked (id, n)
        left join {schema}.outbox o using (id)
        left join held using (id)
        left join changed using (id)
    order by asked.n";

const RETRY: &str = "parked_at = null, retried_at = clock_timestamp(), retried_by = $2";

const DISCARD: &str = "sent_at = clock_timestamp(), discarded_at = clock_timestamp(),
    discarded_by = $2, discard_reason = $3";

/// How an unsent row stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UnsentState {
    /// A relay will send it.
    Waiting,
    /// SQS can never take it; it waits for an operator.
    Parked,
}

/// Which of the unsent rows are meant; what is `None` sorts nothing out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UnsentFilter {
    /// The numbers of rows.
    pub ids: Option<Vec<i64>>,
    /// The destination.
    pub destination: Option<String>,
    /// Those that wait, or those that are parked.
    pub state: Option<UnsentState>,
    /// The type of the event.
    pub event_type: Option<String>,
    /// The phrase that says why a row is parked.
    pub parked_reason: Option<String>,
}

/// An unsent row of the outbox, without the event's data.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Unsent {
    /// The row's number.
    pub id: i64,
    /// The consumer whose queue it is to go to.
    pub destination: String,
    /// The event's source.
    pub source: String,
    /// The event's id.
    pub event_id: String,
    /// The event's type.
    pub event_type: String,
    /// What it keeps its order with.
    pub ordering_key: Option<String>,
    /// When it was enqueued.
    pub created_at: Timestamp,
    /// How it stands.
    pub state: UnsentState,
    /// Since when it is parked.
    pub parked_at: Option<Timestamp>,
    /// Why it is parked.
    pub parked_reason: Option<String>,
}

/// What came of the wish to change a parked row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unparking {
    /// It is changed.
    Changed,
    /// There is no such row.
    Unknown,
    /// Somebody else holds it at this moment.
    Held,
    /// It waits to be sent and was never parked.
    Waiting,
    /// It was sent, and was never parked.
    Sent(Timestamp),
    /// It was made sendable again, and is not parked now.
    Retried(Timestamp, String),
    /// It was given up.
    Discarded(Timestamp, String),
}

impl PostgresStore {
    /// Reads unsent rows of the outbox, the oldest first.
    ///
    /// # Errors
    ///
    /// As the class says.
    pub async fn unsent(
        &self,
        filter: &UnsentFilter,
        limit: usize,
    ) -> Result<Vec<Unsent>, StoreError> {
        let sql = render(UNSENT, &self.shared.schema);
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let waiting = filter.state != Some(UnsentState::Parked);
        let parked = filter.state != Some(UnsentState::Waiting);
        let params: Params<'_> = &[
            &filter.destination,
            &waiting,
            &parked,
            &filter.event_type,
            &filter.parked_reason,
            &filter.ids,
            &limit,
        ];
        let rows = self.query(&sql, params).await?;
        Ok(rows.iter().map(unsent_of).collect())
    }

    /// Lets relays send parked rows again, and says of each what came of it.
    ///
    /// Within an ordering key nothing overtakes: a parked row is the oldest of its key that is
    /// unsent, and is so still.
    ///
    /// # Errors
    ///
    /// As the class says; then nothing is changed, or, when the database gave no answer, it is
    /// unknown, and the same call tells.
    pub async fn retry_parked(
        &self,
        ids: &[i64],
        who: &str,
    ) -> Result<Vec<(i64, Unparking)>, StoreError> {
        let sql = render(&CHANGE.replace("{change}", RETRY), &self.shared.schema);
        let rows = self.query(&sql, &[&ids, &who]).await?;
        Ok(self.unparked(&rows))
    }

    /// Gives parked rows up: they are never sent, and halt their ordering keys no more.
    ///
    /// They stay on record for as long as rows that were sent.
    ///
    /// # Errors
    ///
    /// As [`retry_parked`](Self::retry_parked).
    pub async fn discard_parked(
        &self,
        ids: &[i64],
        who: &str,
        reason: &str,
    ) -> Result<Vec<(i64, Unparking)>, StoreError> {
        let sql = render(&CHANGE.replace("{change}", DISCARD), &self.shared.schema);
        let rows = self.query(&sql, &[&ids, &who, &reason]).await?;
        Ok(self.unparked(&rows))
    }

    fn unparked(&self, rows: &[Row]) -> Vec<(i64, Unparking)> {
        let outcomes: Vec<_> = rows
            .iter()
            .map(|row| (row.get("id"), unparking_of(row)))
            .collect();
        if outcomes.iter().any(|(_, of)| *of == Unparking::Changed) {
            self.shared.tell_of_writes();
        }
        outcomes
    }
}

fn unsent_of(row: &Row) -> Unsent {
    let parked_at: Option<Timestamp> = row.get("parked_at");
    Unsent {
        id: row.get("id"),
        destination: row.get("destination"),
        source: row.get("source"),
        event_id: row.get("event_id"),
        event_type: row.get("event_type"),
        ordering_key: row.get("ordering_key"),
        created_at: row.get("created_at"),
        state: match parked_at {
            Some(_) => UnsentState::Parked,
            None => UnsentState::Waiting,
        },
        parked_at,
        parked_reason: row.get("parked_reason"),
    }
}

fn unparking_of(row: &Row) -> Unparking {
    let deed = |at: &str, by: &str| Option::zip(row.get(at), row.get(by));
    if row.get("is_changed") {
        return Unparking::Changed;
    }
    if !row.get::<_, bool>("is_there") {
        return Unparking::Unknown;
    }
    if row.get("is_held_elsewhere") {
        return Unparking::Held;
    }
    if let Some((at, by)) = deed("discarded_at", "discarded_by") {
        return Unparking::Discarded(at, by);
    }
    if let Some((at, by)) = deed("retried_at", "retried_by") {
        return Unparking::Retried(at, by);
    }
    match row.get("sent_at") {
        Some(at) => Unparking::Sent(at),
        None => Unparking::Waiting,
    }
}
