use jiff::Timestamp;

use crate::service::watch;

/// The operators' pause of one consumer: while it is shut nothing is received.
///
/// Work in hand goes on, and a message that waits is given back. A clone is a
/// handle of the same valve.
#[derive(Clone, Debug)]
pub struct Valve(watch::Sender<Position>);

/// How a valve stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Position {
    Open,
    /// Nobody has said yet.
    Unknown,
    Shut {
        until: Option<Timestamp>,
    },
}

impl Valve {
    /// Makes a valve that is shut until somebody says what it should be.
    pub fn unknown() -> Self {
        Self(watch::Sender::new(Position::Unknown))
    }

    /// Opens it.
    pub fn open(&self) {
        self.turn(Position::Open);
    }

    /// Shuts it: for good, or until a time by the consumer's clock.
    pub fn shut(&self, until: Option<Timestamp>) {
        self.turn(Position::Shut { until });
    }

    /// Tells whether messages may be received at this time.
    pub fn is_open(&self, now: Timestamp) -> bool {
        self.0.borrow().is_open(now)
    }

    /// Returns a view that can be waited on for the next turn.
    pub(super) fn subscribe(&self) -> watch::Receiver<Position> {
        self.0.subscribe()
    }

    fn turn(&self, position: Position) {
        self.0.send_if_modified(|before| {
            let turns = *before != position;
            *before = position;
            turns
        });
    }
}

impl Default for Valve {
    /// Makes an open valve.
    fn default() -> Self {
        Self(watch::Sender::new(Position::Open))
    }
}

impl Position {
    pub(super) fn is_open(self, now: Timestamp) -> bool {
        match self {
            Self::Open => true,
            Self::Unknown | Self::Shut { until: None } => false,
            Self::Shut { until: Some(until) } => until <= now,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    #[test]
    fn a_valve_is_open_unless_it_was_shut_or_nobody_has_said() {
        let valve = Valve::default();
        assert!(valve.is_open(at(0)));
        valve.shut(None);
        assert!(!valve.is_open(at(i64::from(u32::MAX))));
        valve.open();
        assert!(valve.is_open(at(0)));
        let unknown = Valve::unknown();
        assert!(!unknown.is_open(at(0)));
        unknown.open();
        assert!(unknown.is_open(at(0)));
    }

    #[test]
    fn a_pause_with_an_end_is_over_by_itself_and_a_clone_is_the_same_valve() {
        let valve = Valve::default();
        valve.clone().shut(Some(at(10)));
        assert!(!valve.is_open(at(9)));
        assert!(valve.is_open(at(10)));
    }
}
