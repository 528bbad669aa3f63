use metrics::Gauge;

use super::catalogue as metric;
use super::family::Family;

/// The states of a breaker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BreakerState {
    /// The dependency is used.
    Closed,
    /// One message probes it.
    HalfOpen,
    /// It is left alone.
    Open,
}

impl BreakerState {
    /// Returns the name that metrics and logs use.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Closed => "closed",
            Self::HalfOpen => "half_open",
            Self::Open => "open",
        }
    }

    fn value(self) -> f64 {
        match self {
            Self::Closed => 0.0,
            Self::HalfOpen => 1.0,
            Self::Open => 2.0,
        }
    }
}

/// The metrics of one dependency's breaker before one queue; a clone counts into the same.
#[derive(Clone, Debug)]
pub struct BreakerMetrics {
    state: Gauge,
    transitions: Family,
}

impl BreakerMetrics {
    /// Makes the metrics of a closed breaker.
    pub fn new(queue: &str, dependency: &str) -> Self {
        let states = [
            BreakerState::Closed,
            BreakerState::HalfOpen,
            BreakerState::Open,
        ];
        let states = states.map(BreakerState::as_str);
        let metrics = Self {
            state: metric::BREAKER_STATE.gauge(&[queue, dependency]),
            transitions: Family::new(&metric::BREAKER_TRANSITIONS, &[queue, dependency], &states),
        };
        metrics.state.set(BreakerState::Closed.value());
        metrics
    }

    /// Records that the breaker changed.
    pub fn changed_to(&self, state: BreakerState) {
        self.state.set(state.value());
        self.transitions.increment(state.as_str());
    }
}
