//! YAML, read as JSON.

use std::fs;
use std::path::Path;

use fleet_tests::programs::repository;
use serde::Deserialize as _;
use serde_json::{Map, Value};

/// Reads the documents of a file of the repository, its merges made.
pub(crate) fn documents(path: impl AsRef<Path>) -> Vec<Value> {
    let path = repository().join(path);
    let text =
        fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    yaml_serde::Deserializer::from_str(&text)
        .map(|document| {
            let mut value = yaml_serde::Value::deserialize(document).unwrap();
            value.apply_merge().unwrap();
            serde_json::to_value(value).unwrap()
        })
        .collect()
}

/// Returns the strings of a list; none where there is no list.
pub(crate) fn strings(list: &Value) -> Vec<&str> {
    let entries = list.as_array().into_iter().flatten();
    entries.map(|entry| entry.as_str().unwrap()).collect()
}

/// Returns the fields of an object; none where there is no object.
pub(crate) fn fields(object: &Value) -> impl Iterator<Item = (&String, &Value)> {
    object.as_object().into_iter().flat_map(Map::iter)
}
