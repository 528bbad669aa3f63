//! The exceptions, each with its reason.

use super::finding::Allowed;

pub(crate) const ALLOWED: &[Allowed] = &[
    Allowed {
        rule: "hosts",
        path: "tests/tests/tidy/places.rs",
        what: "",
        reason: "the samples that show that a foreign host is found",
    },
    Allowed {
        rule: "short functions",
        path: "shared/fleet/src/message/envelope.rs",
        what: "every_known_envelope_opens",
        reason: "one table of all envelopes, which the formatter lays out a cell a line",
    },
    Allowed {
        rule: "short functions",
        path: "shared/sqs-local/tests/http.rs",
        what: "requests_that_are_none",
        reason: "one table of malformed requests",
    },
    Allowed {
        rule: "short functions",
        path: "tests/tests/sqs_local_sdk.rs",
        what: "queues_are_made_once",
        reason: "one story of a queue from its making to its end, read from above",
    },
    Allowed {
        rule: "sleeping tests",
        path: "shared/sqs-local/tests/http.rs",
        what: "",
        reason: "`until` looks again every millisecond for what nothing announces, within a limit",
    },
    Allowed {
        rule: "sleeping tests",
        path: "tests/src/bin/bench/noop.rs",
        what: "",
        reason: "a benchmark that watches another process from outside",
    },
    Allowed {
        rule: "sleeping tests",
        path: "tests/src/bin/bench/replay.rs",
        what: "",
        reason: "a benchmark that watches another process from outside",
    },
    Allowed {
        rule: "sleeping tests",
        path: "tests/src/bin/bench/server.rs",
        what: "",
        reason: "a benchmark that watches another process from outside",
    },
    Allowed {
        rule: "sleeping tests",
        path: "tests/chaos/src/detour.rs",
        what: "",
        reason: "to take time is the work of its handler",
    },
    Allowed {
        rule: "sleeping tests",
        path: "tests/src/bin/sturdy.rs",
        what: "",
        reason: "to take time is the work of its handler",
    },
    Allowed {
        rule: "sleeping tests",
        path: "tests/fuzz/src/sqs_request.rs",
        what: "",
        reason: "time passes between requests, on a clock that stands still unless everybody waits",
    },
];
