use std::time::Duration;

use jiff::Timestamp;

use super::sql::render;
use super::{PostgresStore, Row};
use crate::store::StoreError;

/// Operators who pause at the same moment come one after the other; readers do not wait.
const LOCK: &str = "lock table {schema}.pauses in share row exclusive mode";

/// A pause that is over by itself makes room for the next one.
const CLOSE_EXPIRED: &str = r"
    update {schema}.pauses set resumed_at = until
    where consumer = $1 and resumed_at is null and until <= clock_timestamp()";

const PAUSE: &str = r"
    insert into {schema}.pauses (consumer, reason, paused_by, until)
    values ($1, $2, $3, clock_timestamp() + make_interval(secs => $4))
    on conflict do nothing";

const RESUME: &str = r"
    update {schema}.pauses set resumed_at = clock_timestamp(), resumed_by = $2
    where consumer = $1 and resumed_at is null
        and (until is null or until > clock_timestamp())
    returning {columns}";

pub(super) const PAUSES: &str = r"
    select {columns} from {schema}.pauses
    where id = any ($2)
        or (consumer = any ($1) and resumed_at is null
            and (until is null or until > clock_timestamp()))
    order by id";

/// Whether it is on and for how long is said by one clock, that of the database.
const COLUMNS: &str = r"
    id, consumer, reason, paused_by, paused_at, until, resumed_by,
    resumed_at is null and (until is null or until > clock_timestamp()) as is_on,
    extract(epoch from until - clock_timestamp())::float8 as secs_left";

/// A pause of one consumer: nothing is received while it is on.
#[derive(Clone, Debug, PartialEq)]
pub struct Pause {
    /// Its number, by which the same pause is known again.
    pub id: i64,
    /// The consumer.
    pub consumer: String,
    /// Why, in the words of who did it.
    pub reason: String,
    /// Who did it.
    pub paused_by: String,
    /// When.
    pub paused_at: Timestamp,
    /// When it is over by itself, if ever.
    pub until: Option<Timestamp>,
    /// Who ended it before.
    pub resumed_by: Option<String>,
    /// Whether it was on when it was read.
    pub is_on: bool,
    /// How long it would have gone on then, if it is over by itself.
    pub left: Option<Duration>,
}

/// What came of the wish to pause a consumer.
#[derive(Clone, Debug, PartialEq)]
pub enum Pausing {
    /// It is paused now.
    Paused(Pause),
    /// It was paused before, and that pause stays as it is.
    AlreadyPaused(Pause),
}

impl PostgresStore {
    /// Pauses a consumer, for good or for a time.
    ///
    /// # Errors
    ///
    /// As the class says.
    pub async fn pause(
        &self,
        consumer: &str,
        reason: &str,
        who: &str,
        length: Option<Duration>,
    ) -> Result<Pausing, StoreError> {
        let secs = length.map(|length| length.as_secs_f64());
        let transaction = self.begin().await?;
        transaction.execute(&self.of_pauses(LOCK), &[]).await?;
        let close_expired = self.of_pauses(CLOSE_EXPIRED);
        transaction.execute(&close_expired, &[&consumer]).await?;
        let pause = self.of_pauses(PAUSE);
        let is_new = transaction
            .execute(&pause, &[&consumer, &reason, &who, &secs])
            .await?;
        let on = transaction
            .query_one(&self.of_pauses(PAUSES), &[&[consumer].as_slice(), &NONE])
            .await?;
        transaction.commit().await?;
        Ok(match is_new {
            0 => Pausing::AlreadyPaused(pause_of(&on)),
            _ => Pausing::Paused(pause_of(&on)),
        })
    }

    /// Ends the pause of a consumer, and returns it if there was one.
    ///
    /// # Errors
    ///
    /// As the class says.
    pub async fn resume(&self, consumer: &str, who: &str) -> Result<Option<Pause>, StoreError> {
        let rows = self
            .query(&self.of_pauses(RESUME), &[&consumer, &who])
            .await?;
        Ok(rows.first().map(pause_of))
    }

    /// Reads the pauses of these consumers that are on, and those that are known by their number.
    ///
    /// # Errors
    ///
    /// As the class says.
    pub async fn pauses(
        &self,
        consumers: &[&str],
        known: &[i64],
    ) -> Result<Vec<Pause>, StoreError> {
        let rows = self
            .query(&self.of_pauses(PAUSES), &[&consumers, &known])
            .await?;
        Ok(rows.iter().map(pause_of).collect())
    }

    fn of_pauses(&self, template: &str) -> String {
        statement(template, &self.shared.schema)
    }
}

const NONE: &[i64] = &[];

/// Renders a statement of this file for a schema.
pub(super) fn statement(template: &str, schema: &str) -> String {
    render(&template.replace("{columns}", COLUMNS), schema)
}

pub(super) fn pause_of(row: &Row) -> Pause {
    let secs_left: Option<f64> = row.get("secs_left");
    Pause {
        id: row.get("id"),
        consumer: row.get("consumer"),
        reason: row.get("reason"),
        paused_by: row.get("paused_by"),
        paused_at: row.get("paused_at"),
        until: row.get("until"),
        resumed_by: row.get("resumed_by"),
        is_on: row.get("is_on"),
        left: secs_left.map(|secs| Duration::try_from_secs_f64(secs).unwrap_or_default()),
    }
}
