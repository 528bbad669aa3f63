//! Orders that are events without a fault, and cannot be billed; or that look so and can.

use serde_json::{Value, json};

use super::case::{BILLED, CALM, CANARY, Case, End, billed, changes, event, refused};

pub(crate) fn cases() -> Vec<Case> {
    let mut cases = sums();
    cases.extend(currencies());
    cases.extend(customers());
    cases.extend(lines());
    cases.push(twice());
    cases
}

/// Returns the only line of an order.
pub(crate) fn line(event: &mut Value) -> &mut Value {
    &mut event["data"]["lines"][0]
}

fn sums() -> Vec<Case> {
    let priced = |name: &str, lines: &[(i64, i64)], end| {
        let change = |event: &mut Value| {
            let template = line(event).take();
            let lines = lines.iter().map(|(quantity, price)| {
                let mut line = template.clone();
                line["quantity"] = json!(quantity);
                line["unit_price_minor"] = json!(price);
                line
            });
            event["data"]["lines"] = lines.collect();
        };
        Case::changed(name, change, end)
    };
    let overflows = || refused("total overflows");
    vec![
        priced("nothing", &[(0, 100)], refused("zero quantity")),
        priced(
            "less than nothing",
            &[(-1, 100)],
            refused("negative quantity"),
        ),
        priced(
            "far less than nothing",
            &[(i64::MIN, 100)],
            refused("negative quantity"),
        ),
        priced("a gift", &[(1, 0)], refused("zero price")),
        priced("money back", &[(1, -100)], refused("negative price")),
        priced(
            "money back for less than nothing",
            &[(-1, -100)],
            refused("negative quantity"),
        ),
        priced(
            "a discount as a line",
            &[(1, 100), (1, -50)],
            refused("negative price"),
        ),
        priced("a product beyond 64 bits", &[(i64::MAX, 2)], overflows()),
        priced(
            "a product that wraps to zero",
            &[(1 << 32, 1 << 32)],
            overflows(),
        ),
        priced(
            "a product that wraps to one",
            &[(i64::MAX, i64::MAX)],
            overflows(),
        ),
        priced(
            "a sum beyond 64 bits",
            &[(i64::MAX, 1), (1, 1)],
            overflows(),
        ),
        priced(
            "the largest sum",
            &[(i64::MAX - 1, 1), (1, 1)],
            billed(i64::MAX),
        ),
        priced(
            "more than a double holds",
            &[(9_007_199_254_740_993, 1)],
            billed(9_007_199_254_740_993),
        ),
    ]
}

fn currencies() -> Vec<Case> {
    let unknown = || refused("unknown currency");
    let of = |currency, total_minor| End::Billed {
        currency,
        total_minor,
    };
    changes(&[
        (
            "pounds in lower case",
            |e| e["data"]["currency"] = json!("gbp"),
            unknown(),
        ),
        (
            "pounds by their sign",
            |e| e["data"]["currency"] = json!("£"),
            unknown(),
        ),
        (
            "pounds in blanks",
            |e| e["data"]["currency"] = json!(" GBP"),
            unknown(),
        ),
        (
            "pounds that look alike",
            |e| e["data"]["currency"] = json!("GВP"),
            unknown(),
        ),
        (
            "a currency of nobody",
            |e| e["data"]["currency"] = json!("ZZZ"),
            unknown(),
        ),
        (
            "a currency by its number",
            |e| e["data"]["currency"] = json!("826"),
            unknown(),
        ),
        (
            "no currency",
            |e| e["data"]["currency"] = json!(""),
            unknown(),
        ),
        (
            "a currency that is data",
            |e| e["data"]["currency"] = json!(CANARY.repeat(99)),
            unknown(),
        ),
        (
            "yen, which have no minor unit",
            |e| e["data"]["currency"] = json!("JPY"),
            of("JPY", 100),
        ),
        (
            "dinars of a thousand fils",
            |e| e["data"]["currency"] = json!("KWD"),
            of("KWD", 100),
        ),
        (
            "a unit of four digits",
            |e| e["data"]["currency"] = json!("CLF"),
            of("CLF", 100),
        ),
    ])
}

fn customers() -> Vec<Case> {
    let nobody = || refused("no customer");
    let mut cases = changes(&[
        (
            "customer null",
            |e| e["data"]["customer_id"] = Value::Null,
            nobody(),
        ),
        (
            "customer empty",
            |e| e["data"]["customer_id"] = json!(""),
            nobody(),
        ),
        (
            "customer blank",
            |e| e["data"]["customer_id"] = json!(" \t\u{a0}\u{2003}"),
            nobody(),
        ),
        // Nothing that can be seen is not nothing.
        (
            "customer invisible",
            |e| e["data"]["customer_id"] = json!("\u{200b}"),
            BILLED,
        ),
        (
            "customer of 10,000",
            |e| e["data"]["customer_id"] = json!(CANARY.repeat(770)),
            BILLED,
        ),
    ]);
    let absent = |event: &mut Value| {
        event["data"]
            .as_object_mut()
            .map(|order| order.remove("customer_id"));
    };
    cases.push(Case::changed("customer absent", absent, nobody()));
    cases
}

fn lines() -> Vec<Case> {
    let many = |name: &str, last: i64, end| {
        let change = |event: &mut Value| {
            let mut lines = vec![line(event).take(); 10_000];
            lines[9_999]["quantity"] = json!(last);
            event["data"]["lines"] = json!(lines);
        };
        Case::changed(name, change, end)
    };
    let mut cases = changes(&[
        (
            "no lines",
            |e| e["data"]["lines"] = json!([]),
            refused("no lines"),
        ),
        ("an empty sku", |e| line(e)["sku"] = json!(""), BILLED),
        (
            "a sku of a format",
            |e| line(e)["sku"] = json!("%n%s{}"),
            BILLED,
        ),
    ]);
    cases.push(many(
        "10,000 lines of which the last is nothing",
        0,
        refused("zero quantity"),
    ));
    cases.push(many("10,000 lines", 1, billed(1_000_000)));
    cases
}

/// An order that was invoiced before comes as another event.
fn twice() -> Case {
    let mut again = event(CALM);
    again["id"] = json!("invoiced before");
    Case::new(
        "invoiced before",
        again.to_string(),
        refused("already invoiced"),
    )
}
