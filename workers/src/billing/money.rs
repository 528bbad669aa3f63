use iso_currency::Currency;

/// An amount in the minor units of its currency.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Money {
    /// The currency.
    pub currency: Currency,
    /// How many pence, cents or yen; never a fraction of one.
    pub minor: i64,
}
