//! The domain's tables: numbered migrations, and its SQL in functions named by their effect.

use fleet::Tx;
use fleet::store::{Migration, Migrations, StoreError};

use crate::parcel_scanned::ParcelScanned;

/// The steps of the domain's schema; a released one is never edited.
pub(crate) const MIGRATIONS: Migrations = Migrations {
    owner: "parcels",
    steps: &[Migration {
        number: 1,
        name: "parcels",
        sql: include_str!("../migrations/0001_parcels.sql"),
    }],
};

/// Adds one scan to a parcel.
///
/// It would count twice if it ran twice: that it does not is the business of
/// the transaction, which holds the claim of the event.
pub(crate) async fn count_scan(tx: &Tx<'_>, scan: &ParcelScanned) -> Result<(), StoreError> {
    let sql = "
        insert into parcels.parcels (parcel_id, scans, last_depot) values ($1, 1, $2)
        on conflict (parcel_id) do update
            set scans = parcels.scans + 1, last_depot = excluded.last_depot";
    tx.execute(sql, &[&scan.parcel_id, &scan.depot]).await?;
    Ok(())
}
