use std::error::Error;
use std::io;

use tokio_postgres::error::DbError;

/// The classes of SQLSTATE whose messages name what the schema and the installation name, and no
/// value: those of others quote what could not be read (22) or are a function's own words (P0).
///
/// Source: PostgreSQL manual, appendix A, "PostgreSQL Error Codes", and "Error Message Style
/// Guide": what may be long or secret belongs into the detail.
const NAMING: [&str; 14] = [
    "08", "0A", "23", "25", "28", "3D", "3F", "40", "42", "53", "54", "55", "57", "58",
];

/// The place in Postgres from which a function's RAISE comes, whatever SQLSTATE it chose.
const RAISE: &str = "exec_stmt_raise";

/// What the driver says of itself in its own words; of an address or of a conversion, it quotes.
const OWN_WORDS: [&str; 3] = [
    "authentication error",
    "error performing TLS handshake",
    "invalid configuration",
];

/// Returns what the server or the driver said, without what they quote of the data.
///
/// The detail of a violated constraint is the row itself. It stays out, and so do hints and
/// contexts; the constraint is named, and the row can be looked for in the database.
pub(super) fn without_values(error: &tokio_postgres::Error) -> String {
    match (error.as_db_error(), error.source()) {
        (Some(refusal), _) => of_server(refusal).to_owned(),
        (None, Some(cause)) if is_free_of_values(error, cause) => chain(error),
        (None, _) => error.to_string(),
    }
}

fn of_server(refusal: &DbError) -> &str {
    let is_naming = refusal
        .code()
        .code()
        .get(..2)
        .is_some_and(|class| NAMING.contains(&class));
    match is_naming && refusal.routine() != Some(RAISE) {
        true => refusal.message(),
        false => "what the server said may quote the data, and is in its own log only",
    }
}

fn is_free_of_values(error: &tokio_postgres::Error, cause: &(dyn Error + 'static)) -> bool {
    cause.is::<io::Error>() || OWN_WORDS.contains(&error.to_string().as_str())
}

fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}
