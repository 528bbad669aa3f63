use fleet::store::PostgresStore;

use super::tally::{Deed, change, select};
use crate::cli::outbox::Retry;
use crate::exit::Exit;

/// Lets relays send parked rows again.
pub(super) async fn retry(store: &PostgresStore, args: &Retry, who: &str) -> Result<(), Exit> {
    let ids = select(store, &args.rows).await?;
    let retry = async |ids: &[i64]| store.retry_parked(ids, who).await;
    change(Deed::Retry, &ids, retry).await
}
