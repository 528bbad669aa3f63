use std::time::Duration;

use super::PostgresStore;
use super::sql::render;
use crate::store::StoreError;

/// The end is reckoned before the row may be waited for: rather too early than too late.
const TAKE: &str = r"
    insert into {schema}.leases as held (name, holder, until)
    values ($1, $2, clock_timestamp() + make_interval(secs => $3))
    on conflict (name) do update set holder = excluded.holder, until = excluded.until
    where held.holder = excluded.holder or held.until <= clock_timestamp()
    returning 1";

const GIVE_BACK: &str = "delete from {schema}.leases where name = $1 and holder = $2";

impl PostgresStore {
    /// Takes a lease that nobody else holds, or makes one's own last longer; tells whether it is held.
    ///
    /// Only the database's clock counts. The holder's own time begins before
    /// the call: the answer may have taken long.
    ///
    /// # Errors
    ///
    /// As the class says; whether the lease is held is unknown then.
    pub async fn take_lease(
        &self,
        name: &str,
        holder: &str,
        length: Duration,
    ) -> Result<bool, StoreError> {
        let sql = render(TAKE, &self.shared.schema);
        let taken = self
            .query(&sql, &[&name, &holder, &length.as_secs_f64()])
            .await?;
        Ok(!taken.is_empty())
    }

    /// Gives a lease back, if it is held; the next one need not wait for its end.
    ///
    /// # Errors
    ///
    /// As the class says.
    pub async fn give_lease_back(&self, name: &str, holder: &str) -> Result<(), StoreError> {
        let sql = render(GIVE_BACK, &self.shared.schema);
        self.query(&sql, &[&name, &holder]).await.map(drop)
    }
}
