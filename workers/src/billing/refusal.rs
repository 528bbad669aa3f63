use fleet::HandlerError;

/// The first thing that is wrong with an order that cannot be billed.
///
/// Its words are stable: operators group dead letters by them. What is
/// particular to one order is its line, never anything that stands in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The customer is absent, null or blank.
    #[error("no customer")]
    NoCustomer,
    /// There is nothing to bill.
    #[error("no lines")]
    NoLines,
    /// The currency is no code of ISO 4217, which are upper case.
    #[error("unknown currency")]
    UnknownCurrency,
    /// A line of nothing.
    #[error("zero quantity")]
    ZeroQuantity {
        /// The line, from 1.
        line: usize,
    },
    /// A line of less than nothing; a cancellation has positive quantities, too.
    #[error("negative quantity")]
    NegativeQuantity {
        /// The line, from 1.
        line: usize,
    },
    /// A line that costs nothing.
    #[error("zero price")]
    ZeroPrice {
        /// The line, from 1.
        line: usize,
    },
    /// A line that costs less than nothing.
    #[error("negative price")]
    NegativePrice {
        /// The line, from 1.
        line: usize,
    },
    /// The lines add up to more than 64 bits hold.
    #[error("total overflows")]
    TotalOverflows,
}

impl Refusal {
    /// Returns the line that is wrong, from 1, unless it is the whole order.
    pub fn line(self) -> Option<usize> {
        match self {
            Self::ZeroQuantity { line }
            | Self::NegativeQuantity { line }
            | Self::ZeroPrice { line }
            | Self::NegativePrice { line } => Some(line),
            Self::NoCustomer | Self::NoLines | Self::UnknownCurrency | Self::TotalOverflows => None,
        }
    }
}

impl From<Refusal> for HandlerError {
    /// No retry mends an order.
    fn from(refusal: Refusal) -> Self {
        let error = Self::permanent(refusal.to_string());
        match refusal.line() {
            Some(line) => error.with_detail(format!("line {line}")),
            None => error,
        }
    }
}
