use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use deadpool_postgres::Pool;
use tokio::sync::watch;
use tokio_util::task::TaskTracker;

use super::address::Address;
use super::notify::{self, Notifier};
use super::sql::Sql;
use super::tls::Tls;

/// What the store, its sessions and its transactions have in common.
pub(super) struct Shared {
    pub(super) pool: Pool,
    pub(super) sql: Sql,
    pub(super) schema: String,
    /// For asking the server to cancel, which takes a connection of its own.
    pub(super) tls: Tls,
    pub(super) direct: Option<Address>,
    pub(super) answer_max: Duration,
    pub(super) statement_max: Duration,
    pub(super) tasks: TaskTracker,
    pub(super) writes: watch::Sender<u64>,
    pub(super) notifier: Notifier,
    /// Where the walk over the ordering keys of a destination ended.
    pub(super) walks: Mutex<HashMap<String, String>>,
}

impl Shared {
    /// Tells this process, and then the others, that outbox rows were committed.
    pub(super) fn tell_of_writes(self: &Arc<Self>) {
        self.writes
            .send_modify(|count| *count = count.wrapping_add(1));
        notify::flag(self);
    }
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PostgresStore({})", self.schema)
    }
}
