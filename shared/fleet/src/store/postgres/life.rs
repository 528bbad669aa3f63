use super::PostgresStore;
use super::session::Session;
use crate::store::{StoreError, StoreErrorClass};

impl PostgresStore {
    pub(super) async fn read_sign_of_life(&self) -> Result<(), StoreError> {
        let session = Session::open(&self.shared).await?;
        let client = session.client();
        let work = async {
            let sql =
                "select pg_is_in_recovery() or current_setting('transaction_read_only')::bool";
            client
                .query_one(&client.prepare_cached(sql).await?, &[])
                .await
        };
        if session.run_bounded(work).await?.get(0) {
            let why = "the server is read-only: a standby, or after a failover";
            return Err(StoreError::new(StoreErrorClass::Unavailable, why));
        }
        Ok(())
    }
}
