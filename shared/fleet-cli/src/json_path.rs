//! A place in JSON, and the one value that stands there.

use std::borrow::Cow;
use std::fmt;
use std::ops::Range;
use std::str::FromStr;

use serde::Deserializer as _;
use serde::de::{MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

/// A place in JSON, written as `lines[0].quantity` or as the JSON pointer `/lines/0/quantity`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct JsonPath {
    text: String,
    steps: Vec<Step>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Step {
    Name(String),
    Index(usize),
    /// Of a pointer: what it is depends on what it meets.
    Token(String),
}

/// A text that names no place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("is no place in JSON; write it as lines[0].quantity or /lines/0/quantity")]
pub(crate) struct NoPath;

/// Why a place cannot be found.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{path}: {problem}")]
pub(crate) struct NoPlace {
    path: String,
    problem: String,
}

/// Where a value stands, or where a new member goes.
enum Place {
    There(Range<usize>),
    /// Behind this byte, with the comma that it needs.
    New {
        at: usize,
        comma: &'static str,
    },
}

/// What a value is made of, each part with its place.
enum Parts<'a> {
    Object(Vec<(Cow<'a, str>, &'a RawValue)>),
    Array(Vec<&'a RawValue>),
}

/// Puts a value at a place; every byte outside of it stays as it is.
///
/// A member that an object lacks is added behind the others. Both texts have to be JSON.
///
/// # Errors
///
/// There is no such place, or two members have its name.
pub(crate) fn set(json: &str, path: &JsonPath, value: &str) -> Result<String, NoPlace> {
    let (before, added, after) = match find(json, path)? {
        Place::There(range) => (&json[..range.start], String::new(), &json[range.end..]),
        Place::New { at, comma } => {
            let name = path.steps.last().and_then(Step::name).unwrap_or_default();
            let member = format!("{comma}{}:", serde_json::Value::from(name));
            (&json[..at], member, &json[at..])
        }
    };
    Ok([before, &added, value.trim_ascii(), after].concat())
}

/// Returns the value at a place, as it is written.
pub(crate) fn get<'a>(json: &'a str, path: &JsonPath) -> Option<&'a str> {
    match find(json, path).ok()? {
        Place::There(range) => Some(&json[range]),
        Place::New { .. } => None,
    }
}

/// Reads a value as somebody types it: JSON, or else a text.
pub(crate) fn typed(text: &str) -> String {
    match serde_json::from_str::<&RawValue>(text) {
        Ok(json) => json.get().to_owned(),
        Err(_) => serde_json::Value::from(text).to_string(),
    }
}

fn find(json: &str, path: &JsonPath) -> Result<Place, NoPlace> {
    let mut range = trimmed(json, 0..json.len());
    for (depth, step) in path.steps.iter().enumerate() {
        let problem = |problem: String| NoPlace {
            path: path.text.clone(),
            problem,
        };
        let holder = || match depth {
            0 => "the data".to_owned(),
            depth => path.named(depth),
        };
        let value = &json[range.clone()];
        let start = range.start;
        let found = match (parts(value), step) {
            (Some(Parts::Object(members)), Step::Name(name) | Step::Token(name)) => {
                let mut same = members.iter().filter(|(known, _)| known == name);
                match (same.next(), same.next()) {
                    (Some((_, found)), None) => *found,
                    (Some(_), Some(_)) => {
                        return Err(problem(format!("{} has it twice", holder())));
                    }
                    (None, _) if depth + 1 == path.steps.len() => {
                        let last = members.last();
                        return Ok(match last.and_then(|(_, last)| within(value, last)) {
                            Some(last) => Place::New {
                                at: start + last.end,
                                comma: ",",
                            },
                            // Behind the bracket.
                            None => Place::New {
                                at: start + 1,
                                comma: "",
                            },
                        });
                    }
                    (None, _) => {
                        return Err(problem(format!("there is no {}", path.named(depth + 1))));
                    }
                }
            }
            (Some(Parts::Array(items)), Step::Index(_) | Step::Token(_)) => {
                let index = step.index();
                let found = index.and_then(|index| items.get(index).copied());
                found
                    .ok_or_else(|| problem(format!("{} has {} elements", holder(), items.len())))?
            }
            (_, Step::Index(_)) => return Err(problem(format!("{} is no array", holder()))),
            _ => return Err(problem(format!("{} is no object", holder()))),
        };
        let inside = within(value, found).expect("it was read from there");
        range = start + inside.start..start + inside.end;
    }
    Ok(Place::There(range))
}

/// Tells where in a text a part of it stands.
fn within(text: &str, part: &RawValue) -> Option<Range<usize>> {
    let part = part.get();
    let start = (part.as_ptr() as usize).checked_sub(text.as_ptr() as usize)?;
    let end = start + part.len();
    (end <= text.len()).then_some(start..end)
}

fn trimmed(json: &str, range: Range<usize>) -> Range<usize> {
    let text = &json[range.clone()];
    let start = range.start + (text.len() - text.trim_ascii_start().len());
    start..start + text.trim_ascii().len()
}

fn parts(json: &str) -> Option<Parts<'_>> {
    struct Reading;
    impl<'de> Visitor<'de> for Reading {
        type Value = Parts<'de>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("an object or an array")
        }

        fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
            let mut members = Vec::new();
            while let Some((name, value)) = map.next_entry::<Name<'de>, _>()? {
                members.push((name.0, value));
            }
            Ok(Parts::Object(members))
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Self::Value, A::Error> {
            let mut all = Vec::new();
            while let Some(item) = items.next_element()? {
                all.push(item);
            }
            Ok(Parts::Array(all))
        }
    }
    let mut reader = serde_json::Deserializer::from_str(json);
    reader.deserialize_any(Reading).ok()
}

#[derive(serde::Deserialize)]
struct Name<'a>(#[serde(borrow)] Cow<'a, str>);

impl Step {
    fn name(&self) -> Option<&str> {
        match self {
            Self::Name(name) | Self::Token(name) => Some(name),
            Self::Index(_) => None,
        }
    }

    fn index(&self) -> Option<usize> {
        match self {
            Self::Index(index) => Some(*index),
            Self::Token(token) => token.parse().ok(),
            Self::Name(_) => None,
        }
    }
}

impl JsonPath {
    /// Names a member of the outermost object.
    pub(crate) fn member(name: &str) -> Self {
        Self {
            text: name.to_owned(),
            steps: vec![Step::Name(name.to_owned())],
        }
    }

    /// Writes the first steps of it.
    fn named(&self, depth: usize) -> String {
        let is_pointer = matches!(self.steps.first(), Some(Step::Token(_)));
        let mut text = String::new();
        for step in &self.steps[..depth] {
            match step {
                Step::Token(token) => text += &format!("/{}", escaped(token)),
                Step::Index(index) => text += &format!("[{index}]"),
                Step::Name(name) if text.is_empty() && !is_pointer => text += name,
                Step::Name(name) => text += &format!(".{name}"),
            }
        }
        text
    }
}

impl FromStr for JsonPath {
    type Err = NoPath;

    fn from_str(text: &str) -> Result<Self, NoPath> {
        let steps = match text.strip_prefix('/') {
            Some(pointer) => pointer.split('/').map(unescaped).collect::<Option<_>>(),
            None => dotted(text),
        };
        Ok(Self {
            text: text.to_owned(),
            steps: steps.ok_or(NoPath)?,
        })
    }
}

/// Reads `lines[0].quantity`.
fn dotted(text: &str) -> Option<Vec<Step>> {
    let mut steps = Vec::new();
    let mut rest = text;
    loop {
        let end = rest.find(['.', '[']).unwrap_or(rest.len());
        let (name, after) = rest.split_at(end);
        match (name, steps.is_empty() && after.starts_with('[')) {
            ("", false) => return None,
            ("", true) => {}
            (name, _) => steps.push(Step::Name(name.to_owned())),
        }
        rest = after;
        while let Some(bracket) = rest.strip_prefix('[') {
            let (index, after) = bracket.split_once(']')?;
            let is_number = index.bytes().all(|byte| byte.is_ascii_digit());
            steps.push(Step::Index(index.parse().ok().filter(|_| is_number)?));
            rest = after;
        }
        match rest.strip_prefix('.') {
            Some(after) => rest = after,
            None if rest.is_empty() => return Some(steps),
            None => return None,
        }
    }
}

/// Reads a token of a JSON pointer (RFC 6901).
fn unescaped(token: &str) -> Option<Step> {
    let is_escaped = |rest: &str| rest.starts_with(['0', '1']);
    let is_legal = token.split('~').skip(1).all(is_escaped);
    is_legal.then(|| Step::Token(token.replace("~1", "/").replace("~0", "~")))
}

fn escaped(token: &str) -> String {
    token.replace('~', "~0").replace('/', "~1")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn put(json: &str, path: &str, value: &str) -> Result<String, String> {
        let path: JsonPath = path.parse().map_err(|error: NoPath| error.to_string())?;
        set(json, &path, value).map_err(|error| error.to_string())
    }

    const ORDER: &str = "{ \"id\":7.10, \"lines\" : [ {\"quantity\":1e2 , \"a.b\":\"é\"} ,{}], \"c/d\": {\"~\":[]} }";

    #[test]
    fn one_value_changes_and_everything_else_stays() {
        for (path, value, from, to) in [
            ("lines[0].quantity", "3", "1e2", "3"),
            ("/lines/0/quantity", " 3 ", "1e2", "3"),
            ("id", "\"x\"", "7.10", "\"x\""),
            ("/lines/0/a.b", "null", "\"é\"", "null"),
            ("/c~1d/~0", "0", "[]", "0"),
            ("lines[1]", "[1, 2]", "{}", "[1, 2]"),
            ("lines[1].new", "true", "{}", "{\"new\":true}"),
            ("note", "\"é\"", "[]}", "[]},\"note\":\"é\""),
            ("/lines/0/x~1y", "1", "\"é\"", "\"é\",\"x/y\":1"),
        ] {
            let expected = ORDER.replacen(from, to, 1);
            assert_eq!(put(ORDER, path, value), Ok(expected), "{path}");
        }
        assert_eq!(
            put(" [1,[2,3]]", "[1][0]", "9").as_deref(),
            Ok(" [1,[9,3]]")
        );
        assert_eq!(put(" {} ", "a", "9").as_deref(), Ok(" {\"a\":9} "));
    }

    #[test]
    fn a_place_that_is_not_there_is_named() {
        for (path, problem) in [
            (
                "lines[2].quantity",
                "lines[2].quantity: lines has 2 elements",
            ),
            ("lines.quantity", "lines.quantity: lines is no object"),
            ("[0]", "[0]: the data is no array"),
            ("id[0]", "id[0]: id is no array"),
            ("customer.name", "customer.name: there is no customer"),
            ("lines[1].a.b", "lines[1].a.b: there is no lines[1].a"),
            ("/lines/-/a", "/lines/-/a: /lines has 2 elements"),
            ("/c~1d/x/y", "/c~1d/x/y: there is no /c~1d/x"),
        ] {
            assert_eq!(put(ORDER, path, "1"), Err(problem.to_owned()), "{path}");
        }
        let twice = put(r#"{"a":1,"\u0061":2}"#, "a", "3");
        assert_eq!(twice, Err("a: the data has it twice".to_owned()));
    }

    #[test]
    fn what_names_no_place_is_refused() {
        for path in [
            "", ".", "a.", ".a", "a..b", "a[", "a[x]", "a[-1]", "a[0]b", "a[+1]", "/a~2", "/~",
        ] {
            assert_eq!(path.parse::<JsonPath>(), Err(NoPath), "{path}");
        }
    }

    #[test]
    fn what_is_typed_is_json_or_text() {
        for (text, json) in [
            ("3", "3"),
            (" 1.10 ", "1.10"),
            ("007", "\"007\""),
            ("null", "null"),
            ("\"null\"", "\"null\""),
            ("Ann \"B\"", "\"Ann \\\"B\\\"\""),
            ("", "\"\""),
            ("[1,", "\"[1,\""),
        ] {
            assert_eq!(typed(text), json);
        }
    }

    /// JSON with a hole, the way to the hole, and what stands in it.
    fn holed() -> impl Strategy<Value = (String, String, String)> {
        let space = "[ \n]{0,2}";
        let value = prop_oneof![
            "-?[1-9][0-9]{0,25}(\\.[0-9]{1,20})?(e[0-9]{1,3})?",
            "[ -~é]{0,6}".prop_map(|text| serde_json::Value::from(text).to_string()),
        ];
        let member =
            (space, space).prop_map(|(a, b)| (format!("{{\"v\":{a}\0{b}}}"), "/v".to_owned()));
        let holed = member.prop_recursive(5, 5, 1, move |inner| {
            let sibling = "(1\\.50|\"\\\\u00e9\"|\\[ ?\\]|\\{\"k\":0\\})";
            prop_oneof![
                (inner.clone(), "[a-d]{1,3}", sibling, space).prop_map(
                    |((json, path), name, other, space)| (
                        format!("{{\"z\":{other},{space}\"{name}\":{json},\"y\":{other}{space}}}"),
                        format!("/{name}{path}"),
                    )
                ),
                (inner, sibling, 0usize..3).prop_map(|((json, path), other, index)| (
                    format!("[{}{json},{other}]", format!("{other} ,").repeat(index)),
                    format!("/{index}{path}"),
                )),
            ]
        });
        (holed, value).prop_map(|((json, path), value)| (json, path, value))
    }

    proptest! {
        #[test]
        fn only_the_bytes_of_the_value_change(
            (holed, path, value) in holed(),
            new in "[1-9][0-9]{0,5}",
        ) {
            let path: JsonPath = path.parse().expect("it is a pointer");
            let json = holed.replace('\0', &value);
            prop_assert_eq!(get(&json, &path), Some(value.as_str()));
            let changed = set(&json, &path, &new).expect("it is there");
            prop_assert_eq!(&changed, &holed.replace('\0', &new));
            prop_assert_eq!(set(&changed, &path, &value).expect("it is there"), json);
        }

        #[test]
        fn no_text_makes_it_panic(json in "[\\[\\]{}:,\"a0 ]{0,12}", path in "[a0./~\\[\\]]{0,8}") {
            if let Ok(path) = path.parse::<JsonPath>() {
                let _ = set(&json, &path, "1");
            }
        }
    }
}
