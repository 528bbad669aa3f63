use async_trait::async_trait;
use fleet::store::{PostgresStore, StoreError};
use fleet_cli::{Intake, Placement, Tally};

use crate::{billing, orders};

/// The front door of the reference domains: orders go in, and billing's documents are counted.
///
/// It stands beside the domains, so that neither of them knows the other's tables.
#[derive(Clone, Copy, Debug, Default)]
pub struct OrderIntake;

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
