//! Texts that mean something to somebody else, wherever a producer may name something.

use serde_json::json;

use super::case::{BILLED, CANARY, Case, End, event, undecodable};

/// What a shell, a database, a template, a log, a terminal or a path would take for its own.
const TEXTS: [&str; 26] = [
    "'; drop table billing.invoices; --",
    "1' or '1'='1",
    "$1; select pg_sleep(60)",
    "../../../../etc/passwd",
    "..\\..\\windows\\system32",
    "file:///etc/passwd",
    "https://user:password@metadata.test/latest/meta-data/",
    "%s%s%s%n%x",
    "{} {0} {name:?} {:>9999999999}",
    "{{7*7}}${7*7}<%= 7*7 %>#{7*7}",
    "${jndi:ldap://127.0.0.1:1389/a}",
    "$(kill -9 1) `kill -9 1` && kill -9 1 | cat",
    "<script>alert(1)</script>",
    "a=b message.id=forged outcome=processed",
    "\"} {\"level\":\"ERROR\",\"forged\":true}",
    "line\nbreak",
    "carriage\rreturn",
    "\u{1b}[2J\u{1b}[31mred\u{1b}]0;title\u{7}",
    "back\u{8}\u{8}\u{8}\u{8}space and \u{7f}delete",
    "c1 \u{85}\u{9b}2J\u{9d}0;x\u{9c}",
    "bidi \u{202e}desrever\u{202c} \u{2066}isolate\u{2069}",
    "separators \u{2028}\u{2029}",
    "invisible \u{200b}\u{200d}\u{2060}\u{feff}",
    "zalgo Z\u{0351}\u{036b}\u{0343}\u{036a}",
    "emoji 👩‍👩‍👧‍👧 and beyond \u{10ffff}",
    " blanks around\t",
];

/// The longest id of an order.
const ORDER_ID_CHARS: usize = 128;

pub(crate) fn cases() -> Vec<Case> {
    let mut cases: Vec<_> = TEXTS.into_iter().flat_map(wherever).collect();
    cases.extend(edges());
    cases
}

/// A text as every name there is: those of the fleet are only names, whatever they say.
fn wherever(text: &str) -> [Case; 3] {
    let source = format!("source {text}");
    let kind = format!("type {text}");
    [
        // The id of the event and of the order.
        Case::good(text),
        Case::changed(&source, |e| e["source"] = json!(text), BILLED),
        Case::changed(&kind, |e| e["type"] = json!(text), End::Waits),
    ]
}

fn edges() -> Vec<Case> {
    let longest = "€".repeat(ORDER_ID_CHARS);
    let too_long = || {
        undecodable(
            "data does not fit the schema at `order_id`: invalid value: longer string, expected 1 to 128 characters",
        )
    };
    let order_id = |name: &str, id: String, end| {
        Case::changed(name, |e| e["data"]["order_id"] = json!(id), end)
    };
    let kind =
        |name: &str, kind: &str| Case::changed(name, |e| e["type"] = json!(kind), End::Waits);
    let mut longest_key = event(&longest);
    for member in ["id", "source"] {
        longest_key[member] = json!("k".repeat(1024));
    }
    vec![
        Case::new(longest.clone(), longest_key.to_string(), BILLED),
        order_id(
            "an order id of 129 characters",
            "i".repeat(ORDER_ID_CHARS + 1),
            too_long(),
        ),
        order_id(
            "an order id of 10,000 characters",
            CANARY.repeat(800),
            too_long(),
        ),
        kind("a type of 1,024 characters", &"t".repeat(1024)),
        kind("a type in capitals", "ORDER.PLACED"),
        kind("a type in another case", "Order.Placed"),
        kind("a type with a blank", "order.placed "),
        kind("a type with a line feed", "order.placed\n"),
        kind("a type of the next version", "order.placed.v2"),
        kind("a type of another consumer", "stock.reserved"),
        kind("a type that looks alike", "оrder.placed"),
        kind(
            "a type that is a label",
            "x\",outcome=\"processed\"} 1\nfleet_forged{a=\"b",
        ),
    ]
}
