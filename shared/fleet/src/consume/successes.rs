use std::collections::BTreeMap;
use std::sync::atomic::{AtomicI64, Ordering};

use jiff::Timestamp;

/// When a message of each type was last done.
///
/// It is written for every message, and so has no lock.
#[derive(Debug)]
pub(super) struct Successes(BTreeMap<&'static str, AtomicI64>);

impl Successes {
    /// Begins without any, for these types.
    pub(super) fn of(event_types: Vec<&'static str>) -> Self {
        let never = |event_type| (event_type, AtomicI64::new(i64::MIN));
        Self(event_types.into_iter().map(never).collect())
    }

    /// Notes that a message was done.
    pub(super) fn note(&self, event_type: &str, now: Timestamp) {
        if let Some(last) = self.0.get(event_type) {
            last.fetch_max(now.as_millisecond(), Ordering::Relaxed);
        }
    }

    /// Tells whether a message of this type was done after a time.
    pub(super) fn any_after(&self, event_type: &str, since: Timestamp) -> bool {
        let last = self.0.get(event_type);
        last.is_some_and(|last| last.load(Ordering::Relaxed) > since.as_millisecond())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    #[test]
    fn each_type_has_its_own_latest_success() {
        let successes = Successes::of(vec!["a", "b"]);
        assert!(!successes.any_after("a", Timestamp::MIN));
        successes.note("a", at(5));
        successes.note("a", at(3));
        assert!(successes.any_after("a", at(4)));
        assert!(!successes.any_after("a", at(5)));
        assert!(!successes.any_after("b", at(0)));
        successes.note("of somebody else", at(5));
    }
}
