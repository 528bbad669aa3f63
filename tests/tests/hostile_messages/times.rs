//! Times of events: what is a time is taken, for nothing depends on it; what is none says so.

use serde_json::{Value, json};

use super::case::{BILLED, Case, End, Row, changes, undecodable};

const NO_TIME: End = undecodable("CloudEvents envelope: `time` is no RFC 3339 timestamp");

const NO_TEXT: End = undecodable("CloudEvents envelope: `time` is no string");

const TIMES: &[Row] = &[
    ("time null", |e| e["time"] = Value::Null, BILLED),
    (
        "time of the year 0",
        |e| e["time"] = json!("0000-01-01T00:00:00Z"),
        BILLED,
    ),
    (
        "time of the year 9999",
        |e| e["time"] = json!("9999-12-30T00:00:00Z"),
        BILLED,
    ),
    // Its last day exists in no time zone's reckoning of all, and is no timestamp here.
    (
        "time at the end of all",
        |e| e["time"] = json!("9999-12-31T23:59:59Z"),
        NO_TIME,
    ),
    (
        "time of the year 10000",
        |e| e["time"] = json!("10000-01-01T00:00:00Z"),
        NO_TIME,
    ),
    (
        "time of the year +10000",
        |e| e["time"] = json!("+10000-01-01T00:00:00Z"),
        NO_TIME,
    ),
    (
        "time with a leap second",
        |e| e["time"] = json!("2016-12-31T23:59:60Z"),
        BILLED,
    ),
    (
        "time with two leap seconds",
        |e| e["time"] = json!("2016-12-31T23:59:61Z"),
        NO_TIME,
    ),
    (
        "time at 24:00",
        |e| e["time"] = json!("2010-12-01T24:00:00Z"),
        NO_TIME,
    ),
    (
        "time in a month 13",
        |e| e["time"] = json!("2010-13-01T00:00:00Z"),
        NO_TIME,
    ),
    (
        "time on February 30",
        |e| e["time"] = json!("2010-02-30T00:00:00Z"),
        NO_TIME,
    ),
    (
        "time without an offset",
        |e| e["time"] = json!("2010-12-01T08:26:00"),
        NO_TIME,
    ),
    (
        "time with an odd offset",
        |e| e["time"] = json!("2010-12-01T08:26:00+23:59"),
        BILLED,
    ),
    (
        "time in nanoseconds",
        |e| e["time"] = json!("2010-12-01T08:26:00.123456789Z"),
        BILLED,
    ),
    (
        "time that is a date",
        |e| e["time"] = json!("2010-12-01"),
        NO_TIME,
    ),
    (
        "time in Unix seconds",
        |e| e["time"] = json!("1291191960"),
        NO_TIME,
    ),
    (
        "time of RFC 1123",
        |e| e["time"] = json!("Wed, 01 Dec 2010 08:26:00 GMT"),
        NO_TIME,
    ),
    ("time empty", |e| e["time"] = json!(""), NO_TIME),
    (
        "time with a NUL",
        |e| e["time"] = json!("2010-12-01T08:26:00Z\0"),
        NO_TIME,
    ),
    (
        "time of 100,000 digits",
        |e| e["time"] = json!("2".repeat(100_000)),
        NO_TIME,
    ),
    (
        "time a number",
        |e| e["time"] = json!(1_291_191_960),
        NO_TEXT,
    ),
    ("time an object", |e| e["time"] = json!({}), NO_TEXT),
];

pub(crate) fn cases() -> Vec<Case> {
    changes(TIMES)
}
