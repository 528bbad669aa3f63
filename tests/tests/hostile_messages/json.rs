//! JSON that is broken, strange, or more than anybody needs.

use std::borrow::Cow;

use super::case::{BILLED, CANARY, Case, End, NO_JSON, UNTYPED, event, undecodable};

/// Far deeper than a parser that calls itself can go.
const DEPTH: usize = 10_000;

/// A long string that leaves room for an envelope in the 1 MiB of a message.
const LONG_BYTES: usize = 1_000_000;

pub(crate) fn cases() -> Vec<Case> {
    let mut cases = truncated();
    cases.extend(syntax());
    cases.extend(numbers());
    cases.extend(repeated());
    cases.extend(strings());
    cases.extend(sizes());
    cases
}

/// An event that ends after each character that gives JSON its structure.
fn truncated() -> Vec<Case> {
    let whole = event("truncated").to_string();
    let mut in_string = false;
    let mut cases = Vec::new();
    for (at, byte) in whole.bytes().enumerate() {
        in_string ^= byte == b'"';
        let is_structural = !in_string && b"{}[]:,\"".contains(&byte);
        if is_structural && at + 1 < whole.len() {
            let (name, cut) = (format!("truncated after byte {at}"), &whole[..=at]);
            let reason = format!("body is not JSON (line 1, column {})", cut.len());
            let end = End::Dead {
                class: "undecodable",
                reason: Cow::Owned(reason),
            };
            cases.push(Case::new(name, cut, end));
        }
    }
    cases
}

fn syntax() -> Vec<Case> {
    let around = |name: &str, before: &str, after: &str| {
        let body = format!("{before}{}{after}", event(name));
        Case::new(name, body, NO_JSON)
    };
    let alone = |name: &str, body: &str, end| Case::new(name, format!("{body}{CANARY}"), end);
    let quantity = |name, written| Case::rewritten(name, "\"quantity\":1", written, NO_JSON);
    let single_quotes = event("single quotes").to_string().replace('"', "'");
    let utf16 = event("utf-16").to_string();
    let utf16 = utf16.as_bytes().chunks_exact(2);
    let utf16 = utf16.map(|pair| u16::from_le_bytes([pair[0], pair[1]]));
    vec![
        around("a byte order mark", "\u{feff}", ""),
        around("a word before", "order ", ""),
        around("a word after", "", " order"),
        around("a brace after", "", "}"),
        around("a comma after", "", ","),
        around("two events", "{}", ""),
        around("an event a line", "", "\n{}"),
        around("a guard against scripts", ")]}',\n", ""),
        around("a comment before", "/* order */ ", ""),
        around("a comment after", "", " // order"),
        around("a no-break space before", "\u{a0}", ""),
        around("a line separator after", "", "\u{2028}"),
        around("a form", "order=", ""),
        Case::new("single quotes", single_quotes, NO_JSON),
        Case::new(
            "utf-16",
            String::from_utf16_lossy(&utf16.collect::<Vec<_>>()),
            NO_JSON,
        ),
        alone("a word", "", NO_JSON),
        alone(
            "xml",
            "<!DOCTYPE o [<!ENTITY e SYSTEM 'file:///etc/passwd'>]><o>&e;</o>",
            NO_JSON,
        ),
        alone(
            "yaml",
            "--- !!python/object/apply:os.system [id] # ",
            NO_JSON,
        ),
        Case::new("blanks", " \t\r\n", NO_JSON),
        Case::new("null", "null", UNTYPED),
        Case::new("a number", "42", UNTYPED),
        Case::new("a string", format!("{CANARY:?}"), UNTYPED),
        Case::new("an empty object", "{}", UNTYPED),
        Case::new("an empty list", "[]", UNTYPED),
        Case::new(
            "a list of an event",
            format!("[{}]", event("a list of an event")),
            UNTYPED,
        ),
        quantity("a comma too many", "\"quantity\":1,"),
        quantity("a colon too many", "\"quantity\"::1"),
        quantity("a name without quotes", "quantity:1"),
        quantity("a comment inside", "\"quantity\":/* one */1"),
        quantity("undefined", "\"quantity\":undefined"),
        quantity("True", "\"quantity\":True"),
    ]
}

fn numbers() -> Vec<Case> {
    let no_integer = undecodable(
        "data does not fit the schema at `lines[0].quantity`: invalid type: floating point, expected i64",
    );
    let too_large = undecodable(
        "data does not fit the schema at `lines[0].quantity`: invalid value: integer, expected i64",
    );
    let out_of_range =
        undecodable("data does not fit the schema at `lines[0].quantity`: number out of range");
    let digits = "9".repeat(400);
    let table: [(&str, &str, &End); 24] = [
        ("NaN", "NaN", &NO_JSON),
        ("Infinity", "Infinity", &NO_JSON),
        ("minus Infinity", "-Infinity", &NO_JSON),
        ("a leading zero", "01", &NO_JSON),
        ("a leading plus", "+1", &NO_JSON),
        ("a leading point", ".5", &NO_JSON),
        ("a trailing point", "1.", &NO_JSON),
        ("a lonely minus", "-", &NO_JSON),
        ("an empty exponent", "1e", &NO_JSON),
        ("hexadecimal", "0x10", &NO_JSON),
        ("thousands", "1_000", &NO_JSON),
        ("a minus before a zero", "-0", &no_integer),
        ("one as a fraction", "1.0", &no_integer),
        ("one as an exponent", "1e0", &no_integer),
        ("1e300", "1e300", &no_integer),
        ("1e-400", "1e-400", &no_integer),
        ("1e400", "1e400", &out_of_range),
        ("minus 1e400", "-1e400", &out_of_range),
        (
            "an exponent of an exponent",
            "1e99999999999999999999",
            &out_of_range,
        ),
        ("400 digits", &digits, &out_of_range),
        ("i64 and one", "9223372036854775808", &too_large),
        ("u64", "18446744073709551615", &too_large),
        ("u64 and one", "18446744073709551616", &no_integer),
        ("less than i64", "-9223372036854775809", &no_integer),
    ];
    let case = |(name, written, end): (&str, &str, &End)| {
        let to = format!("\"quantity\":{written}");
        Case::rewritten(name, "\"quantity\":1", &to, end.clone())
    };
    let mut cases: Vec<_> = table.into_iter().map(case).collect();
    // Nobody reads the member, and nobody has to know the number.
    let unread = "\"quantity\":1,\"weight\":1e400";
    cases.push(Case::rewritten(
        "1e400 unread",
        "\"quantity\":1",
        unread,
        BILLED,
    ));
    cases
}

/// Members that stand there twice: where it matters which of them counts, none does.
fn repeated() -> Vec<Case> {
    let twice = |name: &str, member: &str, other: &str, end| {
        let to = format!("\"{member}\":{other},\"{member}\":");
        Case::rewritten(name, &format!("\"{member}\":"), &to, end)
    };
    vec![
        twice("specversion twice", "specversion", "\"1.0\"", UNTYPED),
        twice("id twice", "id", "\"another\"", UNTYPED),
        twice("source twice", "source", "\"/another\"", UNTYPED),
        twice("type twice", "type", "\"order.cancelled\"", UNTYPED),
        twice("data twice", "data", "{}", UNTYPED),
        twice("subject twice", "subject", "\"another\"", BILLED),
        twice(
            "customer twice",
            "customer_id",
            "\"another\"",
            undecodable("data does not fit the schema at `.`: duplicate field `customer_id`"),
        ),
        twice(
            "lines twice",
            "lines",
            "[]",
            undecodable("data does not fit the schema at `.`: duplicate field `lines`"),
        ),
        twice(
            "quantity twice",
            "quantity",
            "7",
            undecodable("data does not fit the schema at `lines[0]`: duplicate field `quantity`"),
        ),
    ]
}

fn strings() -> Vec<Case> {
    let customer = |name: &str, written: &str, end| {
        let to = format!("\"customer_id\":\"{written}\"");
        Case::rewritten(name, "\"customer_id\":\"17850\"", &to, end)
    };
    let member = |name: &str, member: &str, end| {
        let (from, to) = (
            format!("\"{member}\":\""),
            format!("\"{member}\":\"\\ud800"),
        );
        Case::rewritten(name, &from, &to, end)
    };
    let surrogate = || undecodable("data does not fit the schema at `customer_id`: …");
    let nul = undecodable(
        "data does not fit the schema at `customer_id`: invalid value: string, expected a string without U+0000",
    );
    vec![
        customer("a high surrogate", "\\ud800", surrogate()),
        customer("a low surrogate", "\\udc00", surrogate()),
        customer(
            "surrogates in the wrong order",
            "\\udc00\\ud800",
            surrogate(),
        ),
        customer("a surrogate and a letter", "\\ud83dx", surrogate()),
        customer("a pair of surrogates", "\\ud83d\\ude00", BILLED),
        customer("an escaped NUL", "1\\u00002", nul),
        customer(
            "every other escape",
            "\\u0001\\u001b[2J\\u009b\\u202e\\ufeff\\uffff",
            BILLED,
        ),
        customer("an escape that is none", "\\x41", NO_JSON),
        customer("an escape cut short", "\\u00", NO_JSON),
        customer("a raw line feed", "1\n2", NO_JSON),
        customer("a raw tab", "1\t2", NO_JSON),
        customer("a raw override", "1\u{202e}2", BILLED),
        member(
            "a surrogate in the id",
            "id",
            undecodable("CloudEvents envelope: `id` is no string"),
        ),
        member(
            "a surrogate in the type",
            "type",
            undecodable("CloudEvents envelope: `type` is no string"),
        ),
        // Nobody reads it.
        member("a surrogate in the subject", "subject", BILLED),
    ]
}

fn sizes() -> Vec<Case> {
    let deep = |open: &str, close: &str| {
        let (open, close) = (open.repeat(DEPTH), close.repeat(DEPTH));
        format!("{open}\"{CANARY}\"{close}")
    };
    let (lists, objects) = (deep("[", "]"), deep("{\"a\":", "}"));
    let data = |name: &str, data: &str, end| {
        let mut event = event(name);
        event["data"] = 0.into();
        Case::new(
            name,
            event
                .to_string()
                .replace("\"data\":0", &format!("\"data\":{data}")),
            end,
        )
    };
    let unread = |name: &str, value: &str| {
        let to = format!("\"quantity\":1,\"unread\":{value}");
        Case::rewritten(name, "\"quantity\":1", &to, BILLED)
    };
    let no_object =
        "data does not fit the schema at `.`: invalid type: sequence, expected an object";
    let long = format!("\"{}\"", CANARY.repeat(LONG_BYTES / CANARY.len()));
    let many = format!("[{}0]", "0,".repeat(LONG_BYTES / 2));
    vec![
        Case::new("10,000 lists", lists.clone(), UNTYPED),
        Case::new("10,000 objects", objects.clone(), UNTYPED),
        Case::new("10,000 lists that never end", "[".repeat(DEPTH), NO_JSON),
        Case::new(
            "10,000 objects that never end",
            "{\"a\":".repeat(DEPTH),
            NO_JSON,
        ),
        Case::new("10,000 ends", "]".repeat(DEPTH), NO_JSON),
        data("10,000 lists as data", &lists, undecodable(no_object)),
        data(
            "10,000 objects as data",
            &objects,
            undecodable("data does not fit the schema at `.`: missing field `order_id`"),
        ),
        unread("10,000 lists unread", &lists),
        unread("10,000 objects unread", &objects),
        unread("a string of a megabyte", &long),
        unread("half a million numbers", &many),
        Case::new("a megabyte of no JSON", "x".repeat(LONG_BYTES), NO_JSON),
        Case::new("a megabyte of blanks", " ".repeat(LONG_BYTES), NO_JSON),
    ]
}
