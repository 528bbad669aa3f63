use async_trait::async_trait;
use fleet::store::{PostgresStore, StoreError};
use fleet_cli::{Intake, Placement, Tally};

use crate::{billing, orders};

/// The front door: orders go in, and what billing made of them is counted.
///
/// Billing counts its own documents; orders never read its tables.
#[derive(Clone, Copy, Debug, Default)]
pub struct OrderIntake;

impl OrderIntake {
    /// Makes the door; it keeps nothing, so that any number may stand side by side.
    pub const fn new() -> Self {
        Self
    }
}

#[async_trait]
impl Intake for OrderIntake {
    fn noun(&self) -> &'static str {
        "orders"
    }

    async fn place(
        &self,
        store: &PostgresStore,
        lines: &[&str],
    ) -> Result<Vec<Placement>, StoreError> {
        orders::place(store, lines).await
    }

    async fn results(&self, store: &PostgresStore) -> Result<Vec<Tally>, StoreError> {
        billing::tallies(store).await
    }
}
