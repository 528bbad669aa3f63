//! The exceptions, each with its reason.

use super::finding::Allowed;

pub(crate) const ALLOWED: &[Allowed] = &[Allowed {
    rule: "hosts",
    path: "tests/tests/tidy/places.rs",
    what: "",
    reason: "the samples that show that a foreign host is found",
}];
