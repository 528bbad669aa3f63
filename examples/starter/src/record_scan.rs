use fleet::{Context, Done, Envelope, Handler, HandlerError};

use crate::parcel_scanned::ParcelScanned;
use crate::storage;

/// Counts the scans of a parcel and remembers its last depot.
pub(crate) struct RecordScan;

impl Handler for RecordScan {
    type Event = ParcelScanned;

    async fn handle(
        &self,
        event: Envelope<ParcelScanned>,
        cx: &mut Context<'_>,
    ) -> Result<Done, HandlerError> {
        // What needs no database comes first: a transaction holds a connection.
        check(&event.data)?;
        let tx = cx.begin().await?;
        storage::count_scan(&tx, &event.data).await?;
        Ok(tx.finish())
    }
}

/// Refuses a scan that no retry can mend; the reason is what an operator will read.
fn check(scan: &ParcelScanned) -> Result<(), HandlerError> {
    if scan.parcel_id.trim().is_empty() {
        return Err(HandlerError::permanent("no parcel id"));
    }
    if scan.depot.trim().is_empty() {
        return Err(HandlerError::permanent("no depot"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scan_without_parcel_or_depot_is_refused_for_good() {
        let reason = |parcel_id: &str, depot: &str| {
            let scan = ParcelScanned {
                parcel_id: parcel_id.to_owned(),
                depot: depot.to_owned(),
            };
            check(&scan).err().map(|error| error.to_string())
        };
        assert_eq!(reason("P-1", "Hamburg"), None);
        assert_eq!(reason(" ", "Hamburg").as_deref(), Some("no parcel id"));
        assert_eq!(reason("P-1", "").as_deref(), Some("no depot"));
    }
}
