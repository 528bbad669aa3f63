use std::error::Error;

/// A failure of the database, classified once.
#[derive(Debug, thiserror::Error)]
#[error("{class}{}", sqlstate.as_deref().map(|state| format!(" (SQLSTATE {state})")).unwrap_or_default())]
pub struct StoreError {
    /// What the fleet does about it.
    pub class: StoreErrorClass,
    /// The five characters by which Postgres names it, if it answered.
    pub sqlstate: Option<String>,
    /// What the driver said.
    #[source]
    pub source: Option<Box<dyn Error + Send + Sync>>,
}

/// The classes of failures, by what the fleet does about them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum StoreErrorClass {
    /// The database is down, full, read-only or restarting: no message is charged.
    #[error("the database is unavailable")]
    Unavailable,
    /// Every connection of the pool is busy: backpressure, not evidence of an outage.
    #[error("no database connection became free in time")]
    Busy,
    /// A deadlock, a serialisation failure or a lock timeout: run it again, uncharged.
    #[error("the transaction lost a conflict")]
    Conflict,
    /// The data can never be stored: numbers out of range, text that is no text.
    #[error("the database refuses the data")]
    Data,
    /// Everything else, from a violated constraint to a missing table: an attempt failed.
    #[error("the database refused the statement")]
    Statement,
    /// The address or the server is set up in a way that the fleet refuses: no message is
    /// charged, and at its start a process ends rather than waits.
    #[error("the configuration of the database is refused")]
    Misconfigured,
}

impl StoreError {
    /// Makes an error of a class from what was found wrong, with no answer of the server behind it.
    pub fn new(class: StoreErrorClass, source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self {
            class,
            sqlstate: None,
            source: Some(source.into()),
        }
    }

    /// Says in one line what readiness shows of it: the class, and why there was no answer.
    ///
    /// What the server itself answered stays out: it may quote data.
    pub fn finding(&self) -> String {
        let mut text = self.to_string();
        let mut cause = match self.sqlstate {
            Some(_) => None,
            None => self.source(),
        };
        while let Some(error) = cause {
            text = format!("{text}: {error}");
            cause = error.source();
        }
        text
    }
}

impl StoreErrorClass {
    /// Classifies a SQLSTATE.
    ///
    /// Source: PostgreSQL manual, appendix A, "PostgreSQL Error Codes".
    pub fn of_sqlstate(state: &str) -> Self {
        match state {
            // read_only_sql_transaction: connected to a standby after a failover.
            "25006" => Self::Unavailable,
            // idle_in_transaction_session_timeout and its kin end the session, not the server.
            "25P03" | "25P04" => Self::Conflict,
            "40001" | "40P01" | "55P03" => Self::Conflict,
            // query_canceled: somebody's timeout, not this data's fault.
            "57014" => Self::Conflict,
            // An idle session was cut off, or the database is gone for good.
            _ if state.starts_with("57P") => Self::Unavailable,
            // Connections, disk, memory, I/O, corrupted pages, wrong password after a rotation.
            _ if ["08", "53", "58", "XX", "28"]
                .iter()
                .any(|class| state.starts_with(class)) =>
            {
                Self::Unavailable
            }
            // Data exceptions, and program limits such as JSON nested too deep.
            _ if state.starts_with("22") || state.starts_with("54") => Self::Data,
            _ => Self::Statement,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_finding_says_why_there_was_no_answer_and_not_what_was_answered() {
        let refused = StoreError::new(StoreErrorClass::Unavailable, "the certificate has expired");
        let finding = "the database is unavailable: the certificate has expired";
        assert_eq!(refused.finding(), finding);
        let answered = StoreError {
            sqlstate: Some("28P01".to_owned()),
            ..StoreError::new(StoreErrorClass::Unavailable, "what the server says")
        };
        assert_eq!(answered.finding(), answered.to_string());
    }

    #[test]
    fn each_sqlstate_falls_into_the_class_that_says_what_to_do() {
        use StoreErrorClass::{Conflict, Data, Statement, Unavailable};
        let table = [
            ("25006", Unavailable),
            ("57P01", Unavailable),
            ("57P03", Unavailable),
            ("53300", Unavailable),
            ("53100", Unavailable),
            ("08006", Unavailable),
            ("3D000", Statement),
            ("40P01", Conflict),
            ("40001", Conflict),
            ("55P03", Conflict),
            ("57014", Conflict),
            ("22P05", Data),
            ("22P02", Data),
            ("22003", Data),
            ("54001", Data),
            ("23505", Statement),
            ("42P01", Statement),
        ];
        for (state, class) in table {
            assert_eq!(StoreErrorClass::of_sqlstate(state), class, "{state}");
        }
    }
}
