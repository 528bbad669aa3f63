//! Orders that do not fit the schema: each reason has the path of the misfit, and not its value.

use serde_json::{Value, json};

use super::case::{BILLED, CANARY, Case, End, Row, changes, undecodable};
use super::orders::line;

const NO_TIME: End = undecodable(
    "data does not fit the schema at `placed_at`: invalid value: string, expected an RFC 3339 time",
);

const MISFITS: &[Row] = &[
    (
        "placed on February 30",
        |e| e["data"]["placed_at"] = json!("2010-02-30T00:00:00Z"),
        NO_TIME,
    ),
    (
        "placed at 25:00",
        |e| e["data"]["placed_at"] = json!("2010-02-03T25:00:00Z"),
        NO_TIME,
    ),
    (
        "placed before the year 0",
        |e| e["data"]["placed_at"] = json!("-000001-01-01T00:00:00Z"),
        NO_TIME,
    ),
    (
        "placed after the year 9999",
        |e| e["data"]["placed_at"] = json!("+010000-01-01T00:00:00Z"),
        NO_TIME,
    ),
    (
        "placed at a canary",
        |e| e["data"]["placed_at"] = json!(CANARY),
        NO_TIME,
    ),
    (
        "placed in the year 0",
        |e| e["data"]["placed_at"] = json!("0000-01-01T00:00:00Z"),
        BILLED,
    ),
    (
        "placed in the year 9999",
        |e| e["data"]["placed_at"] = json!("9999-12-30T00:00:00Z"),
        BILLED,
    ),
    (
        "a customer who is a number",
        |e| e["data"]["customer_id"] = json!(17850),
        undecodable(
            "data does not fit the schema at `customer_id`: invalid type: integer, expected a string",
        ),
    ),
    (
        "a quantity that is text",
        |e| line(e)["quantity"] = json!("1"),
        undecodable(
            "data does not fit the schema at `lines[0].quantity`: invalid type: string, expected i64",
        ),
    ),
    (
        "a price that is a fraction",
        |e| line(e)["unit_price_minor"] = json!(99.5),
        undecodable(
            "data does not fit the schema at `lines[0].unit_price_minor`: invalid type: floating point, expected i64",
        ),
    ),
    (
        "a line that is null",
        |e| *line(e) = Value::Null,
        undecodable(
            "data does not fit the schema at `lines[0]`: invalid type: null, expected an object",
        ),
    ),
    (
        "a line that is a list",
        |e| *line(e) = json!(["85123A", "HOLDER", 1, 100]),
        undecodable(
            "data does not fit the schema at `lines[0]`: invalid type: sequence, expected an object",
        ),
    ),
    (
        "lines that are an object",
        |e| e["data"]["lines"] = json!({ "0": {} }),
        undecodable(
            "data does not fit the schema at `lines`: invalid type: map, expected a sequence",
        ),
    ),
    (
        "cancelled as a word",
        |e| e["data"]["cancelled"] = json!("false"),
        undecodable(
            "data does not fit the schema at `cancelled`: invalid type: string, expected a boolean",
        ),
    ),
    (
        "cancelled and placed",
        |e| e["data"]["cancelled"] = json!(true),
        undecodable(
            "data does not fit the schema at `.`: cancelled is true in an event of type order.placed",
        ),
    ),
    (
        "placed and cancelled",
        |e| e["type"] = json!("order.cancelled"),
        undecodable(
            "data does not fit the schema at `.`: cancelled is false in an event of type order.cancelled",
        ),
    ),
    (
        "an order without an id",
        |e| e["data"]["order_id"] = json!(""),
        undecodable(
            "data does not fit the schema at `order_id`: invalid value: empty string, expected 1 to 128 characters",
        ),
    ),
];

pub(crate) fn cases() -> Vec<Case> {
    changes(MISFITS)
}
