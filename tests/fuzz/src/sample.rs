//! An event with a field of each kind that serde has something to say about.

use std::collections::BTreeMap;

use fleet::Event;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// The data that the bodies of `envelope` are decoded into.
#[derive(Serialize, Deserialize, Default)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Sample {
    name: String,
    count: u32,
    delta: i8,
    ratio: f64,
    sign: char,
    sure: bool,
    when: Option<Timestamp>,
    pair: (u8, String),
    size: Size,
    shape: Option<Shape>,
    amount: Option<Amount>,
    stock: BTreeMap<String, Line>,
    levels: BTreeMap<u16, Size>,
    lines: Vec<Line>,
}

#[derive(Serialize, Deserialize)]
struct Line {
    sku: String,
    quantity: u16,
}

#[derive(Serialize, Deserialize, Default, PartialEq, Eq, PartialOrd, Ord)]
#[serde(rename_all = "lowercase")]
enum Size {
    #[default]
    Small,
    Large,
    Custom(u8),
}

#[derive(Serialize, Deserialize)]
#[serde(tag = "kind")]
enum Shape {
    Circle { radius: u8 },
    Square { side: u64 },
}

#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum Amount {
    Minor(i64),
    Text(String),
}

impl Event for Sample {
    const TYPE: &'static str = "sample.taken";
}
