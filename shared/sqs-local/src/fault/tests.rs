//! Tests of the plan; time and calls are whatever they say.

use proptest::prelude::*;

use super::*;
use crate::error::ErrorKind;
use crate::limits::{Millis, SECOND};

/// A moment to set plans at.
const SET: Millis = 1_000_000;

fn faults(spec: &str) -> Faults {
    Faults::new(spec.parse().unwrap(), SET)
}

fn call(operation: &str) -> Subject<'_> {
    Subject {
        operation,
        queue: Some("orders"),
        entries: if operation.ends_with("Batch") { 10 } else { 0 },
        face: Face::Wire,
    }
}

fn name(verdict: Verdict) -> Option<&'static str> {
    verdict.fault.map(|(name, _)| name)
}

fn decide(faults: &mut Faults, operation: &str) -> Option<&'static str> {
    name(faults.decide(SET, &call(operation)))
}

#[test]
fn a_plan_is_shown_as_it_was_written() {
    for spec in [
        "",
        "seed=7",
        "error",
        "seed=7; error rate=0.02 ops=ReceiveMessage,DeleteMessageBatch; lost rate=0.01;\
         hang from=10s until=20s queue=billing; throttle rate=0.1; skew by=-20m",
        "drip every=10ms;; partial share=0.1 ops=SendMessageBatch;",
        "throttle code=RequestThrottled count=3; skew by=+1h; skew by=5m; hung-poll; expired",
    ] {
        let plan: FaultPlan = spec.parse().unwrap();
        assert_eq!(plan.to_string(), spec);
    }
}

#[test]
fn an_error_of_a_plan_names_the_part_and_what_is_allowed() {
    for (spec, said) in [
        (
            "error; oops rate=1",
            "fault `oops rate=1`: unknown kind oops; allowed are error, unavailable, ",
        ),
        (
            "hang form=10s",
            "fault `hang form=10s`: unknown argument form; allowed are ops, rate, count, queue, from, until",
        ),
        ("lost every=1s", "unknown argument every; allowed are "),
        ("error rate=2", "rate=2: expected a number from 0 to 1"),
        ("error rate=NaN", "rate=NaN: expected a number from 0 to 1"),
        ("error rate", "`rate` is no argument; one reads name=value"),
        (
            "error rate=",
            "`rate=` is no argument; one reads name=value",
        ),
        ("error rate=1 rate=1", "rate is there twice"),
        ("error count=-1", "count=-1: expected a whole number"),
        (
            "error ops=Receive",
            "ops=Receive: Receive is none; allowed are AddPermission, ",
        ),
        (
            "hung-poll ops=SendMessage",
            "SendMessage is none; allowed are ReceiveMessage",
        ),
        (
            "partial ops=DeleteMessage",
            "DeleteMessage is none; allowed are SendMessageBatch, DeleteMessageBatch, ChangeMessageVisibilityBatch",
        ),
        (
            "hang from=10",
            "from=10: expected a time such as 10ms, 1.5s, 20m or 1h",
        ),
        ("hang from=10s until=10s", "until must be later than from"),
        ("skew", "by is missing, such as by=-20m"),
        ("skew by=--1s", "by=--1s: expected a time"),
        (
            "skew by=900000h",
            "by=900000h: expected less than a hundred years",
        ),
        (
            "throttle code=Slow",
            "code=Slow: allowed are ThrottlingException, RequestThrottled",
        ),
        ("seed=x", "fault `seed=x`: expected a whole number"),
        ("seed=1; seed=2", "fault `seed=2`: seed is there twice"),
    ] {
        let error = spec.parse::<FaultPlan>().unwrap_err().to_string();
        assert!(error.contains(said), "{spec}: {error}");
    }
}

#[test]
fn every_kind_has_its_effect() {
    use Breakage as B;
    let every = |secs| B::Drip {
        every: std::time::Duration::from_secs(secs),
    };
    for (spec, fault) in [
        ("error", Fault::Refuse(ErrorKind::Internal)),
        ("unavailable", Fault::Refuse(ErrorKind::ServiceUnavailable)),
        ("throttle", Fault::Refuse(ErrorKind::Throttling)),
        (
            "throttle code=RequestThrottled",
            Fault::Refuse(ErrorKind::RequestThrottled),
        ),
        ("expired", Fault::Refuse(ErrorKind::ExpiredToken)),
        ("lost", Fault::Break(B::Lost)),
        ("truncate", Fault::Break(B::Truncate)),
        ("drip", Fault::Break(every(1))),
        ("drip every=5s", Fault::Break(every(5))),
        ("reset", Fault::Break(B::Reset)),
        ("hang", Fault::Break(B::Hang)),
        ("hung-poll", Fault::Break(B::HungPoll)),
        ("duplicate", Fault::Duplicate),
    ] {
        let verdict = faults(spec).decide(SET, &call("ReceiveMessage"));
        let kind = spec.split(' ').next();
        assert_eq!(verdict.fault.map(|(name, _)| name), kind, "{spec}");
        assert_eq!(verdict.fault.map(|(_, fault)| fault), Some(fault), "{spec}");
    }
}

#[test]
fn a_rule_is_for_its_operations_and_queues_alone() {
    let mut faults = faults("error ops=SendMessage,DeleteMessage queue=orders,billing");
    for (operation, queue, hit) in [
        ("SendMessage", Some("orders"), true),
        ("DeleteMessage", Some("billing"), true),
        ("DeleteMessage", Some("orders-dlq"), false),
        ("ReceiveMessage", Some("orders"), false),
        ("SendMessage", None, false),
    ] {
        let subject = Subject {
            queue,
            ..call(operation)
        };
        let verdict = faults.decide(SET, &subject);
        assert_eq!(name(verdict).is_some(), hit, "{operation} {queue:?}");
    }
}

#[test]
fn receives_and_batches_have_kinds_of_their_own() {
    let mut all = faults("hung-poll; duplicate; partial");
    assert_eq!(decide(&mut all, "ReceiveMessage"), Some("hung-poll"));
    assert_eq!(decide(&mut all, "DeleteMessageBatch"), Some("partial"));
    assert_eq!(decide(&mut all, "DeleteMessage"), None);
}

#[test]
fn a_rule_holds_in_its_window() {
    let mut faults = faults("error from=10s until=20s");
    for (secs, hit) in [
        (0, false),
        (9, false),
        (10, true),
        (19, true),
        (20, false),
        (99, false),
    ] {
        let verdict = faults.decide(SET + secs * SECOND, &call("SendMessage"));
        assert_eq!(name(verdict).is_some(), hit, "after {secs} s");
    }
}

#[test]
fn a_rule_is_applied_so_often_and_no_more() {
    let mut faults = faults("error count=2; lost count=1");
    let names: Vec<_> = (0..5).map(|_| decide(&mut faults, "SendMessage")).collect();
    assert_eq!(
        names,
        [Some("error"), Some("error"), Some("lost"), None, None]
    );
}

#[test]
fn a_skew_comes_beside_another_fault() {
    let mut faults = faults("skew by=-20m count=2; error count=1; skew by=1s");
    let verdicts: Vec<_> = (0..3)
        .map(|_| faults.decide(SET, &call("SendMessage")))
        .collect();
    let seen: Vec<_> = verdicts
        .into_iter()
        .map(|verdict| (name(verdict), verdict.skew))
        .collect();
    let off = -20 * 60 * 1_000;
    assert_eq!(
        seen,
        [
            (Some("error"), Some(off)),
            (None, Some(off)),
            (None, Some(1_000))
        ]
    );
}

#[test]
fn calls_in_process_see_nothing_that_needs_a_connection() {
    let mut faults = faults("lost; truncate; drip; reset; hang; hung-poll; skew by=1h; error");
    let subject = Subject {
        face: Face::Library,
        ..call("ReceiveMessage")
    };
    let verdict = faults.decide(SET, &subject);
    assert_eq!((name(verdict), verdict.skew), (Some("error"), None));
}

#[test]
fn rates_are_kept_in_the_long_run() {
    let mut faults = faults("seed=7; error rate=0.02; lost rate=0.1; hang rate=0");
    let mut counts = std::collections::BTreeMap::new();
    for _ in 0..100_000 {
        *counts
            .entry(decide(&mut faults, "SendMessage"))
            .or_insert(0) += 1;
    }
    // The second rule sees what the first leaves: 98 % of the calls. Five standard deviations.
    assert!(
        (1_780..=2_220).contains(&counts[&Some("error")]),
        "{counts:?}"
    );
    assert!(
        (9_330..=10_270).contains(&counts[&Some("lost")]),
        "{counts:?}"
    );
    assert_eq!(counts.get(&Some("hang")), None);
}

#[test]
fn a_partial_fault_takes_its_share_of_the_entries_and_one_at_least() {
    let mut faults = faults("seed=3; partial share=0.3");
    let mut failed = 0;
    for _ in 0..10_000 {
        let verdict = faults.decide(SET, &call("SendMessageBatch"));
        let Some((_, Fault::Partial(entries))) = verdict.fault else {
            panic!("{verdict:?}");
        };
        let here = (0..10).filter(|index| entries.has(*index)).count();
        assert!(here >= 1);
        assert!(!entries.has(10) && !entries.has(64));
        failed += here;
    }
    // 0.3 of 100,000 entries, and 0.7^10 of the batches one more.
    assert!((29_500..=31_100).contains(&failed), "{failed}");
}

fn specs() -> impl Strategy<Value = String> {
    let kind = prop::sample::select(vec![
        "error",
        "unavailable",
        "throttle",
        "expired",
        "lost",
        "truncate",
        "drip",
        "reset",
        "hang",
        "hung-poll",
        "duplicate",
        "partial",
        "skew by=5s",
    ]);
    let rule = (kind, 0..=100u32, 0..50u64, 0..30u64, 1..30u64).prop_map(
        |(kind, rate, count, from, lasts)| {
            let until = from + lasts;
            format!("{kind} rate=0.{rate:02} count={count} from={from}s until={until}s")
        },
    );
    (any::<u64>(), prop::collection::vec(rule, 0..6))
        .prop_map(|(seed, rules)| format!("seed={seed}; {}", rules.join("; ")))
}

fn calls() -> impl Strategy<Value = Vec<(Millis, &'static str)>> {
    let operation = prop::sample::select(vec![
        "ReceiveMessage",
        "SendMessage",
        "SendMessageBatch",
        "DeleteMessageBatch",
        "ListQueues",
    ]);
    prop::collection::vec((0..2_000u64, operation), 0..200)
}

proptest! {
    #[test]
    fn the_same_plan_and_calls_bring_the_same_faults((spec, calls) in (specs(), calls())) {
        let run = |mut faults: Faults| {
            let mut now = SET;
            let decide = |(passed, operation): &(Millis, &'static str)| {
                now += passed;
                faults.decide(now, &call(operation))
            };
            calls.iter().map(decide).collect::<Vec<Verdict>>()
        };
        let plan: FaultPlan = spec.parse().unwrap();
        let again: FaultPlan = plan.to_string().parse().unwrap();
        prop_assert_eq!(run(Faults::new(plan, SET)), run(Faults::new(again, SET)));
    }

    #[test]
    fn no_text_is_worse_than_an_error(text in ".{0,60}") {
        let _either = text.parse::<FaultPlan>();
    }
}
