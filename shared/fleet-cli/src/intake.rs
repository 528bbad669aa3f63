use async_trait::async_trait;
use fleet::store::{PostgresStore, StoreError};

/// The application's own front door, through which `dev` takes its input.
///
/// An application that has one gets a flag named by its noun: with `orders`,
/// `fleet dev --orders FILE` places one order a line through the real path.
#[async_trait]
pub trait Intake: Send + Sync + 'static {
    /// Returns the plural noun of what it takes, which names the flag.
    fn noun(&self) -> &'static str;

    /// Places lines of input, in their order; what is placed is committed when it returns.
    ///
    /// It answers for each line. A line that is refused changes nothing and
    /// harms no other.
    ///
    /// # Errors
    ///
    /// The database failed, and nothing of this call is committed.
    async fn place(
        &self,
        store: &PostgresStore,
        lines: &[&str],
    ) -> Result<Vec<Placement>, StoreError>;

    /// Reads what the consumers have made of everything that was ever placed.
    ///
    /// # Errors
    ///
    /// The database failed.
    async fn results(&self, store: &PostgresStore) -> Result<Vec<Tally>, StoreError>;
}

/// What became of one line at the door.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Placement {
    /// It was placed, and its events are on their way.
    Placed,
    /// It was placed before, with the same content.
    Duplicate,
    /// It was turned away.
    Refused {
        /// The field that is wrong, such as `lines[0].quantity`; empty for the line as a whole.
        field: String,
        /// What is wrong with it, without its value.
        reason: String,
    },
}

/// One line of the results: how many documents of a kind there are, and their sum.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Tally {
    /// The kind of document, such as `invoices`.
    pub kind: &'static str,
    /// ISO 4217 code.
    pub currency: String,
    /// How many there are.
    pub count: u64,
    /// Their sum in minor units.
    pub total_minor: i128,
}
