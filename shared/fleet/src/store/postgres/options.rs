use std::fmt;
use std::time::Duration;

use crate::store::{StoreError, StoreErrorClass};

/// How the runtime uses its database.
#[derive(Clone)]
pub struct PostgresOptions {
    /// The schema of the runtime's tables: `[a-z_][a-z0-9_]*`, at most 63 characters.
    pub schema: String,
    /// An address that reaches the server without a transaction pooler, for LISTEN.
    pub direct_url: Option<String>,
    /// The most connections.
    pub pool_size: usize,
    /// How long to wait for a free one of them.
    pub wait_max: Duration,
    /// How long the server may take to answer a statement of the runtime.
    pub answer_max: Duration,
    /// How long it may take to answer a statement of a domain, whose own timeout comes first.
    pub statement_max: Duration,
}

impl Default for PostgresOptions {
    fn default() -> Self {
        Self {
            schema: "fleet".to_owned(),
            direct_url: None,
            // Two cores commit a hundred thousand rows a second over four.
            pool_size: 16,
            wait_max: Duration::from_secs(5),
            // Long enough for a claim to wait out another worker's handler.
            answer_max: Duration::from_secs(30),
            // Only a server that hangs is this slow.
            statement_max: Duration::from_secs(600),
        }
    }
}

impl fmt::Debug for PostgresOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PostgresOptions")
            .field("schema", &self.schema)
            .field("direct_url", &self.direct_url.as_ref().map(|_| "***"))
            .field("pool_size", &self.pool_size)
            .field("wait_max", &self.wait_max)
            .field("answer_max", &self.answer_max)
            .field("statement_max", &self.statement_max)
            .finish()
    }
}

/// The name goes into the text of statements: it has to be a plain identifier.
pub(super) fn check_schema_name(schema: &str) -> Result<(), StoreError> {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
    let starts_well = !schema.starts_with(|c: char| c.is_ascii_digit());
    // 63: Postgres cuts longer identifiers off silently (NAMEDATALEN).
    if (1..=63).contains(&schema.len()) && schema.chars().all(plain) && starts_well {
        return Ok(());
    }
    let why = "the schema's name has to be 1 to 63 of a-z, 0-9 and _, not starting with a digit";
    Err(StoreError::new(StoreErrorClass::Misconfigured, why))
}
