use std::sync::Arc;

use metrics::Counter;

use super::catalogue::Metric;

/// The counters of one metric, one for each value of its last label; all begin
/// at 0, so that a rate exists before the first failure.
#[derive(Clone)]
pub struct Family {
    counters: Arc<[(&'static str, Counter)]>,
}

impl Family {
    pub(super) fn new(metric: &Metric, first: &[&str], last: &[&'static str]) -> Self {
        let counters = last.iter().map(|value| {
            let values: Vec<_> = first.iter().copied().chain([*value]).collect();
            let counter = metric.counter(&values);
            counter.increment(0);
            (*value, counter)
        });
        Self {
            counters: counters.collect(),
        }
    }

    /// Adds `count` to the counter of `value`.
    ///
    /// A value outside of the set that the family was made with is a bug of the
    /// caller: a debug build panics, a release build counts nothing.
    pub fn add(&self, value: &str, count: u64) {
        match self.counters.iter().find(|(known, _)| *known == value) {
            Some((_, counter)) => counter.increment(count),
            None => debug_assert!(false, "the label value {value} is not in its set"),
        }
    }

    /// Adds one to the counter of `value`.
    pub fn increment(&self, value: &str) {
        self.add(value, 1);
    }
}

impl std::fmt::Debug for Family {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_set()
            .entries(self.counters.iter().map(|(value, _)| value))
            .finish()
    }
}
