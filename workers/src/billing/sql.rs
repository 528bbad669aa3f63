use fleet::Tx;
use fleet::store::{PostgresStore, StoreError};
use fleet_cli::Tally;

use super::bill::Bill;

const INSERT_INVOICE: &str = "
    insert into billing.invoices (order_id, customer_id, currency, total_minor)
    values ($1, $2, $3, $4)
    on conflict do nothing";

const INSERT_CREDIT_NOTE: &str = "
    insert into billing.credit_notes (order_id, customer_id, currency, total_minor)
    values ($1, $2, $3, $4)
    on conflict do nothing";

/// The sum of bigints is a numeric, which travels as text.
const SUM_INVOICES: &str = "
    select currency, count(*) as count, sum(total_minor)::text as total_minor
    from billing.invoices
    group by currency
    order by currency";

const SUM_CREDIT_NOTES: &str = "
    select currency, count(*) as count, sum(total_minor)::text as total_minor
    from billing.credit_notes
    group by currency
    order by currency";

/// Whether a document was written, or stood there before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Written {
    New,
    Before,
}

/// Writes the invoice of an order, once.
pub(super) async fn issue_invoice(tx: &Tx<'_>, bill: &Bill<'_>) -> Result<Written, StoreError> {
    insert(tx, INSERT_INVOICE, bill).await
}

/// Writes the credit note of a cancellation, once.
pub(super) async fn issue_credit_note(tx: &Tx<'_>, bill: &Bill<'_>) -> Result<Written, StoreError> {
    insert(tx, INSERT_CREDIT_NOTE, bill).await
}

/// Counts and adds up invoices, then credit notes, by currency.
///
/// # Errors
///
/// The database failed.
///
/// # Cancellation
///
/// May be dropped at any time.
pub async fn tallies(store: &PostgresStore) -> Result<Vec<Tally>, StoreError> {
    let mut tallies = Vec::new();
    for (kind, sql) in [
        ("invoices", SUM_INVOICES),
        ("credit_notes", SUM_CREDIT_NOTES),
    ] {
        for row in store.query(sql, &[]).await? {
            tallies.push(Tally {
                kind,
                currency: row.get("currency"),
                count: u64::try_from(row.get::<_, i64>("count")).expect("a count is not negative"),
                total_minor: row
                    .get::<_, &str>("total_minor")
                    .parse()
                    .expect("no table holds so many bigints that 128 bits overflow"),
            });
        }
    }
    Ok(tallies)
}

async fn insert(tx: &Tx<'_>, sql: &str, bill: &Bill<'_>) -> Result<Written, StoreError> {
    let Bill {
        order_id,
        customer_id,
        total,
    } = bill;
    let rows = tx
        .execute(
            sql,
            &[order_id, customer_id, &total.currency.code(), &total.minor],
        )
        .await?;
    Ok(if rows == 0 {
        Written::Before
    } else {
        Written::New
    })
}
