use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::fields;

/// The most characters of an order's id, which goes into keys and indexes.
pub const ORDER_ID_CHARS_MAX: usize = 128;

/// An order, as it is placed and as its events carry it.
///
/// The schema says what an order is, not whether it is a good one: an order
/// without a customer or with a negative price is an order, and billing refuses
/// it. Fields that it does not know are passed over, so that producers may add
/// some first. All text is free of U+0000, which Postgres cannot hold.
///
/// # Examples
///
/// ```
/// # use fleet_workers::orders::Order;
/// let order: Order = serde_json::from_str(
///     r#"{"order_id":"536365","currency":"GBP","placed_at":"2010-12-01T08:26:00Z",
///         "country":"United Kingdom","cancelled":false,"lines":[]}"#,
/// )?;
/// assert_eq!(order.customer_id, None);
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Order {
    /// What identifies it; 1 to [`ORDER_ID_CHARS_MAX`] characters.
    #[serde(deserialize_with = "fields::order_id")]
    pub order_id: String,
    /// Who ordered; absent, null and empty are the same.
    #[serde(
        default,
        deserialize_with = "fields::optional_text",
        skip_serializing_if = "Option::is_none"
    )]
    pub customer_id: Option<String>,
    /// ISO 4217 code, as the producer wrote it.
    #[serde(deserialize_with = "fields::text")]
    pub currency: String,
    /// When it was placed.
    #[serde(deserialize_with = "fields::time")]
    pub placed_at: Timestamp,
    /// Where it goes.
    #[serde(deserialize_with = "fields::text")]
    pub country: String,
    /// Where the customer reads mail; absent, null and empty are the same.
    #[serde(
        default,
        deserialize_with = "fields::optional_text",
        skip_serializing_if = "Option::is_none"
    )]
    pub email: Option<String>,
    /// Whether it takes back an earlier order, with quantities that are positive here.
    ///
    /// It has no default: a cancellation that lost this field would become an invoice.
    pub cancelled: bool,
    /// What was ordered.
    #[serde(deserialize_with = "fields::objects")]
    pub lines: Vec<OrderLine>,
}

/// A line of an order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OrderLine {
    /// The stock code.
    #[serde(deserialize_with = "fields::text")]
    pub sku: String,
    /// The article, for people.
    #[serde(deserialize_with = "fields::text")]
    pub description: String,
    /// How many.
    pub quantity: i64,
    /// The price of one, in minor units of the order's currency.
    pub unit_price_minor: i64,
}
