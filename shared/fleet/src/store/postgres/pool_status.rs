use super::PostgresStore;

/// How the pool is doing at this moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PoolStatus {
    /// The most connections there may be.
    pub max: usize,
    /// How many there are.
    pub open: usize,
    /// How many of them are free.
    pub idle: usize,
    /// How many callers wait for one.
    pub waiting: usize,
}

impl PostgresStore {
    /// Tells how the pool is doing.
    pub fn pool_status(&self) -> PoolStatus {
        let status = self.shared.pool.status();
        PoolStatus {
            max: status.max_size,
            open: status.size,
            idle: status.available,
            waiting: status.waiting,
        }
    }
}
