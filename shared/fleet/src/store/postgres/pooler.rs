use tokio_postgres::Client;

use super::connect::{self, answer, ask};
use crate::store::StoreError;

/// How often two connections look whether they share a server's process. With a pooler that
/// takes the process that became free last once is enough; others have hidden thrice.
const POOLER_LOOKS: usize = 3;

/// A process of a server, and which server.
const BACKEND: &str = "select pg_backend_pid() || ' ' || pg_postmaster_start_time()";

/// Tells whether a transaction pooler stands at this address.
///
/// # Errors
///
/// `Misconfigured` for an address that is none, `Unavailable` for a server that cannot be asked.
///
/// # Cancellation
///
/// May be dropped at any time.
pub async fn is_pooled(url: &str) -> Result<bool, StoreError> {
    connect::on_session(url, async |client| is_shared(client, url).await).await
}

/// Two connections that are open at the same time have two processes of the server, each its own
/// for good; unless somebody between lends processes out, a transaction each.
pub(super) async fn is_shared(client: &Client, url: &str) -> Result<bool, StoreError> {
    connect::on_session(url, async |other| {
        for _ in 0..POOLER_LOOKS {
            let before = backend(client).await?;
            answer(other.batch_execute("begin read only")).await?;
            let others = backend(other).await?;
            // Where it lends out but one, the next question would wait for the transaction's end.
            if before == others || before != backend(client).await? {
                return Ok(true);
            }
            answer(other.batch_execute("commit")).await?;
        }
        Ok(false)
    })
    .await
}

async fn backend(client: &Client) -> Result<String, StoreError> {
    let rows = ask(client, BACKEND, &[]).await?;
    Ok(rows.first().map(|row| row.get(0)).unwrap_or_default())
}
