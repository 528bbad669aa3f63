use fleet::message::BODY_BYTES_MAX;
use fleet_cli::Placement;
use serde::de::IgnoredAny;

use super::event::event_of;
use super::fields::Object;
use super::order::Order;

/// An order that got in, and the JSON that is stored and published for it.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) order: Order,
    pub(super) content: String,
}

/// Why a line was turned away, in words that repeat nothing of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Refusal {
    /// The path of the field, or empty for the line as a whole.
    pub(super) field: String,
    pub(super) reason: String,
}

impl Refusal {
    /// The order's id was used for other content.
    pub(super) fn reused() -> Self {
        Self {
            field: "order_id".to_owned(),
            reason: "same order_id, other content".to_owned(),
        }
    }

    /// Postgres does not hold it, for a reason that the schema does not foresee.
    pub(super) fn unstorable() -> Self {
        Self {
            field: String::new(),
            reason: "the database refuses the data".to_owned(),
        }
    }
}

impl From<Refusal> for Placement {
    fn from(Refusal { field, reason }: Refusal) -> Self {
        Self::Refused { field, reason }
    }
}

impl Entry {
    /// Reads one line; whatever fits the schema gets in, good or bad.
    pub(super) fn read(line: &str) -> Result<Self, Refusal> {
        let order = read_order(line)?;
        let content = serde_json::to_string(&order).expect("an order has no keys but strings");
        // The envelope takes some hundred bytes; only then is it worth counting them.
        if content.len() > BODY_BYTES_MAX / 2 {
            let size = event_of(&order, content.clone()).to_message().size_bytes();
            if size > BODY_BYTES_MAX {
                let reason =
                    format!("{size} bytes as a message, at most {BODY_BYTES_MAX} are allowed");
                return Err(Refusal {
                    field: String::new(),
                    reason,
                });
            }
        }
        Ok(Self { order, content })
    }

    /// Tells whether this content, written down by whatever release, is the same order.
    pub(super) fn is_same_as(&self, content: &str) -> bool {
        self.content == content
            || serde_json::from_str::<Order>(content).is_ok_and(|order| order == self.order)
    }
}

fn read_order(line: &str) -> Result<Order, Refusal> {
    let mut json = serde_json::Deserializer::from_str(line);
    let read = serde_path_to_error::deserialize::<_, Object<Order>>(&mut json);
    let misfit = match read {
        Ok(Object(order)) => match json.end() {
            Ok(()) => return Ok(order),
            Err(error) => return Err(not_json(&error)),
        },
        Err(misfit) => misfit,
    };
    // A misfit may stand before the place where the JSON breaks.
    match serde_json::from_str::<IgnoredAny>(line) {
        Ok(_) => Err(unfit(&misfit.path().to_string(), misfit.inner())),
        Err(error) => Err(not_json(&error)),
    }
}

fn not_json(error: &serde_json::Error) -> Refusal {
    Refusal {
        field: String::new(),
        reason: format!("not JSON (column {})", error.column()),
    }
}

fn unfit(path: &str, error: &serde_json::Error) -> Refusal {
    let problem = problem(error);
    let named = problem
        .strip_prefix("missing field `")
        .or_else(|| problem.strip_prefix("duplicate field `"))
        .map(|rest| rest.trim_end_matches('`'));
    let path = if path == "." { "" } else { path };
    let (field, problem) = match named {
        // Serde names the object and the field apart.
        Some(name) => {
            let object = path
                .strip_suffix(name)
                .unwrap_or(path)
                .trim_end_matches('.');
            let dot = if object.is_empty() { "" } else { "." };
            let problem = problem.split_once(" field").map_or("", |(what, _)| what);
            (format!("{object}{dot}{name}"), problem.to_owned())
        }
        None => (path.to_owned(), problem),
    };
    Refusal {
        field,
        reason: format!("does not fit the schema: {problem}"),
    }
}

/// Says what was expected and what kind of thing was found.
///
/// Serde quotes the thing itself between the two; the fields' own errors do not.
fn problem(error: &serde_json::Error) -> String {
    let text = error.to_string();
    let place = format!(" at line {} column {}", error.line(), error.column());
    let text = text.strip_suffix(&place).unwrap_or(&text);
    let found = text
        .strip_prefix("invalid type: ")
        .or_else(|| text.strip_prefix("invalid value: "));
    let (Some(found), Some((_, expected))) = (found, text.rsplit_once("expected ")) else {
        return text.to_owned();
    };
    let kind = found
        .split(['`', '"', ','])
        .next()
        .unwrap_or_default()
        .trim_end();
    let expected = if expected == "i64" {
        "a whole number of 64 bits"
    } else {
        expected
    };
    format!("expected {expected}, found {kind}")
}

#[cfg(test)]
mod tests {
    use super::*;

    const ORDER: &str = r#"{"order_id":"1","customer_id":"7","currency":"GBP","placed_at":"2010-12-01T08:26:00Z","country":"France","email":"jane@example.com","cancelled":false,"lines":[{"sku":"A","description":"B","quantity":6,"unit_price_minor":255},{"sku":"C","description":"D","quantity":1,"unit_price_minor":1}]}"#;

    fn with(from: &str, to: &str) -> String {
        assert!(ORDER.contains(from), "{from}");
        ORDER.replacen(from, to, 1)
    }

    fn refusal(line: &str) -> String {
        match Entry::read(line) {
            Ok(_) => "let in".to_owned(),
            Err(Refusal { field, reason }) => format!("{field}: {reason}"),
        }
    }

    #[test]
    fn what_is_not_json_is_refused_by_its_column() {
        let check = |line: &str, column: usize| {
            assert_eq!(
                refusal(line),
                format!(": not JSON (column {column})"),
                "{line}"
            );
        };
        check("", 0);
        check("oh no", 1);
        check(&ORDER[..70], 70);
        check(&format!("{ORDER} x"), ORDER.len() + 2);
        // What breaks the JSON counts before what stands in front of it.
        check(r#"{"order_id":5,"#, 14);
    }

    #[test]
    fn what_is_no_order_is_refused_by_the_field_that_is_missing_or_there_twice() {
        let check = |line: &str, expected: &str| {
            let (field, problem) = expected.split_once(' ').unwrap();
            let expected = format!("{field} does not fit the schema: {problem}");
            assert_eq!(refusal(line), expected, "{line}");
        };
        check("null", ": expected an object, found null");
        check("[]", ": expected an object, found sequence");
        check("{}", "order_id: missing");
        check(&with(r#""order_id":"1","#, ""), "order_id: missing");
        check(&with(r#","cancelled":false"#, ""), "cancelled: missing");
        check(
            &with(r#","unit_price_minor":255"#, ""),
            "lines[0].unit_price_minor: missing",
        );
        check(&with("{", r#"{"order_id":"2","#), "order_id: duplicate");
        check(
            &with(r#"{"sku":"C""#, r#"{"sku":"","sku":"C""#),
            "lines[1].sku: duplicate",
        );
        let list = with(
            r#"{"sku":"A","description":"B","quantity":6,"unit_price_minor":255}"#,
            "[]",
        );
        check(&list, "lines[0]: expected an object, found sequence");
    }

    /// Checks that the first `from`, replaced by `to`, is refused at a field for a problem.
    fn check_misfit(from: &str, to: &str, expected: &str) {
        let (field, problem) = expected.split_once(' ').unwrap();
        let expected = format!("{field} does not fit the schema: {problem}");
        assert_eq!(refusal(&with(from, to)), expected, "{to}");
    }

    #[test]
    fn text_that_does_not_fit_is_refused_without_its_value() {
        let check = check_misfit;
        check(
            r#""7""#,
            "7",
            "customer_id: expected a string, found integer",
        );
        let nul = "expected a string without U+0000, found string";
        check("jane@", r"jane\u0000@", &format!("email: {nul}"));
        check(
            r#""D""#,
            r#""\u0000""#,
            &format!("lines[1].description: {nul}"),
        );
        let id = r#""order_id":"1""#;
        let long = format!(r#""order_id":"{}""#, "x".repeat(129));
        let length = "order_id: expected 1 to 128 characters";
        check(
            id,
            r#""order_id":1"#,
            "order_id: expected a string, found integer",
        );
        check(
            id,
            r#""order_id":"""#,
            &format!("{length}, found empty string"),
        );
        check(id, &long, &format!("{length}, found longer string"));
        let time = "2010-12-01T08:26:00Z";
        let expected = "placed_at: expected an RFC 3339 time, found string";
        check(time, "2010-13-01T08:26:00Z", expected);
        check(time, "2010-12-01T08:26:00", expected);
        check(time, "-009999-01-02T02:00:00Z", expected);
    }

    #[test]
    fn what_is_no_text_and_does_not_fit_is_refused_without_its_value() {
        let check = check_misfit;
        check(
            "false",
            r#""false""#,
            "cancelled: expected a boolean, found string",
        );
        let lines = r#""lines":null,"_":["#;
        check(
            r#""lines":["#,
            lines,
            "lines: expected a sequence, found null",
        );
        for (quantity, found) in [
            (
                r#""x, expected jane@example.com at line 1 column 9""#,
                "string",
            ),
            ("6.0", "floating point"),
            ("9223372036854775808", "integer"),
            ("18446744073709551616", "floating point"),
        ] {
            let expected = "lines[0].quantity: expected a whole number of 64 bits";
            check(
                ":6,",
                &format!(":{quantity},"),
                &format!("{expected}, found {found}"),
            );
        }
        check(":6,", ":1e400,", "lines[0].quantity: number out of range");
    }

    #[test]
    fn whatever_fits_the_schema_is_let_in() {
        let table = [
            ORDER.to_owned(),
            with(r#""7""#, "null"),
            with(r#""7""#, r#""""#),
            with(r#""7""#, r#""   ""#),
            with(r#""customer_id":"7","#, ""),
            with(r#","email":"jane@example.com""#, ""),
            with("GBP", "pounds"),
            with(":6,", ":-9223372036854775808,"),
            with(
                r#""cancelled""#,
                r#""gift":{"note":"\u0000","n":1e999},"cancelled""#,
            ),
            with("2010-12-01T08:26:00Z", "0000-01-01T00:00:00Z"),
            with("2010-12-01T08:26:00Z", "9999-12-30T22:00:00Z"),
            with(
                "2010-12-01T08:26:00Z",
                "2010-12-01T10:26:00.123456789+02:00",
            ),
            with(
                r#""order_id":"1""#,
                &format!(r#""order_id":"{}""#, "é".repeat(128)),
            ),
            format!("  {ORDER}\r"),
            with(
                "{",
                &format!(r#"{{"deep":{}{},"#, "[".repeat(10_000), "]".repeat(10_000)),
            ),
        ];
        for line in table {
            assert_eq!(refusal(&line), "let in", "{line}");
        }
    }

    #[test]
    fn the_same_order_is_recognised_however_it_is_written() {
        let entry = Entry::read(ORDER).unwrap();
        let is_same = |line: &str| entry.is_same_as(&Entry::read(line).unwrap().content);
        assert!(is_same(&with(
            r#""cancelled":false,"#,
            r#"  "cancelled" : false ,"later":1,"#
        )));
        assert!(is_same(&with("France", r"\u0046rance")));
        assert!(is_same(&with("08:26:00Z", "09:26:00+01:00")));
        assert!(!is_same(&with(":6,", ":7,")));
        assert!(!is_same(&with(r#""7""#, "null")));
        // A release that wrote the fields in another order, or more of them.
        assert!(entry.is_same_as(&with(r#"{"order_id""#, r#"{"more":[1],"order_id""#)));

        let nobody = Entry::read(&with(r#""7""#, "null")).unwrap();
        for line in [with(r#""7""#, r#""""#), with(r#""customer_id":"7","#, "")] {
            assert_eq!(nobody.content, Entry::read(&line).unwrap().content);
        }
    }

    #[test]
    fn an_order_that_no_message_can_carry_is_refused() {
        let sized = |bytes: usize| with(r#""B""#, &format!("\"{}\"", "x".repeat(bytes)));
        assert_eq!(refusal(&sized(BODY_BYTES_MAX - 1_000)), "let in");
        let refused = refusal(&sized(BODY_BYTES_MAX));
        assert!(
            refused.ends_with("bytes as a message, at most 1048576 are allowed"),
            "{refused}"
        );
    }
}
