use super::PostgresStore;
use crate::store::StoreError;

/// The tables that grow with the work.
pub const GROWING: [&str; 4] = ["inbox", "outbox", "attempts", "dead_letters"];

/// The statistics count along with every commit and are lost in a crash; the catalogue's estimate
/// is as old as the last vacuum, and -1 before the first.
const ESTIMATE: &str = r"
    select s.relname::text,
        case when s.n_live_tup > 0 then s.n_live_tup else greatest(c.reltuples, 0)::bigint end
    from pg_stat_user_tables s join pg_class c on c.oid = s.relid
    where s.schemaname = $1 and s.relname = any ($2)";

impl PostgresStore {
    /// Estimates how many rows each of the [`GROWING`] tables has, without reading any of them.
    ///
    /// # Errors
    ///
    /// As the class says.
    pub async fn estimate_rows(&self) -> Result<Vec<(String, u64)>, StoreError> {
        let rows = self
            .query(ESTIMATE, &[&self.shared.schema, &GROWING.as_slice()])
            .await?;
        let estimate = |count: i64| u64::try_from(count).unwrap_or_default();
        Ok(rows
            .iter()
            .map(|row| (row.get(0), estimate(row.get(1))))
            .collect())
    }
}
