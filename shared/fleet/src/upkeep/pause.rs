use jiff::Timestamp;

use crate::consume::Valve;
use crate::service::metrics::PauseMetrics;
use crate::store::Pause;

/// What is known of the pause of one consumer; it turns the consumer's valve.
#[derive(Debug)]
pub(super) struct PauseWatch {
    consumer: &'static str,
    valve: Valve,
    metrics: PauseMetrics,
    on: Option<Known>,
}

/// A pause that is on.
#[derive(Clone, Copy, Debug)]
struct Known {
    id: i64,
    /// By the clock of this process, which counts while the database is away.
    until: Option<Timestamp>,
}

impl PauseWatch {
    /// Watches over a consumer of which nothing is known yet.
    pub(super) fn new(consumer: &'static str, queue: &str, valve: Valve) -> Self {
        Self {
            consumer,
            valve,
            metrics: PauseMetrics::new(queue),
            on: None,
        }
    }

    pub(super) fn consumer(&self) -> &'static str {
        self.consumer
    }

    pub(super) fn is_on(&self) -> bool {
        self.on.is_some()
    }

    /// Returns the number of the pause that is on.
    pub(super) fn known(&self) -> Option<i64> {
        self.on.map(|known| known.id)
    }

    /// Returns when the pause is over by itself.
    pub(super) fn until(&self) -> Option<Timestamp> {
        self.on?.until
    }

    /// Ends a pause whose time is over.
    pub(super) fn expire(&mut self, now: Timestamp) {
        if self.until().is_some_and(|until| until <= now) {
            self.end(None);
        }
    }

    /// Learns what the database said at this time of all pauses.
    pub(super) fn learn(&mut self, pauses: &[Pause], now: Timestamp) {
        let mine = |pause: &&Pause| pause.consumer == self.consumer && pause.is_on;
        let is_on = pauses.iter().find(mine);
        if self.known().is_some() && self.known() == is_on.map(|pause| pause.id) {
            return;
        }
        if let Some(known) = self.known() {
            let ended = pauses.iter().find(|pause| pause.id == known);
            self.end(ended.and_then(|pause| pause.resumed_by.as_deref()));
        }
        match is_on {
            Some(pause) => self.begin(pause, now),
            // Also at the first time, when nothing was known.
            None => self.valve.open(),
        }
    }

    fn begin(&mut self, pause: &Pause, now: Timestamp) {
        // A pause that outlives the calendar has no end.
        let until = pause.left.and_then(|left| now.checked_add(left).ok());
        self.on = Some(Known {
            id: pause.id,
            until,
        });
        self.valve.shut(until);
        self.metrics.paused();
        tracing::warn!(
            consumer = self.consumer,
            by = pause.paused_by,
            reason = pause.reason,
            until = pause.until.map(tracing::field::display),
            "consumer is paused, receiving stops"
        );
    }

    fn end(&mut self, by: Option<&str>) {
        self.on = None;
        self.valve.open();
        self.metrics.resumed();
        match by {
            Some(by) => tracing::info!(
                consumer = self.consumer,
                by,
                "consumer is resumed, receiving goes on"
            ),
            None => tracing::info!(
                consumer = self.consumer,
                "the pause of the consumer is over, receiving goes on"
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn pause(id: i64, left: Option<u64>) -> Pause {
        Pause {
            id,
            consumer: "billing".to_owned(),
            reason: "a bad deploy".to_owned(),
            paused_by: "ann@desk".to_owned(),
            paused_at: at(0),
            until: left.map(|_| at(9_999)),
            resumed_by: None,
            is_on: true,
            left: left.map(Duration::from_secs),
        }
    }

    fn ended(id: i64) -> Pause {
        Pause {
            is_on: false,
            resumed_by: Some("bob@desk".to_owned()),
            ..pause(id, None)
        }
    }

    fn watch() -> PauseWatch {
        PauseWatch::new("billing", "billing", Valve::unknown())
    }

    #[test]
    fn nothing_is_received_before_the_pauses_are_known() {
        let mut watch = watch();
        assert!(!watch.valve.is_open(at(0)));
        watch.learn(&[], at(0));
        assert!(watch.valve.is_open(at(0)));
    }

    #[test]
    fn a_pause_shuts_the_valve_until_it_is_resumed() {
        let mut watch = watch();
        watch.learn(&[pause(1, None)], at(0));
        assert_eq!(watch.known(), Some(1));
        watch.learn(&[pause(1, None)], at(5));
        assert!(!watch.valve.is_open(at(99)));
        watch.learn(&[ended(1)], at(100));
        assert!(watch.valve.is_open(at(100)));
        assert!(!watch.is_on());
    }

    #[test]
    fn a_pause_of_another_consumer_is_none_of_ours() {
        let mut watch = watch();
        let other = Pause {
            consumer: "mail".to_owned(),
            ..pause(1, None)
        };
        watch.learn(&[other], at(0));
        assert!(watch.valve.is_open(at(0)));
    }

    #[test]
    fn a_pause_ends_by_the_clock_of_the_process_when_the_database_says_nothing_more() {
        let mut watch = watch();
        watch.learn(&[pause(1, Some(60))], at(100));
        assert_eq!(watch.until(), Some(at(160)));
        watch.expire(at(159));
        assert!(watch.is_on());
        assert!(!watch.valve.is_open(at(159)));
        assert!(watch.valve.is_open(at(160)), "also before anybody looked");
        watch.expire(at(160));
        assert!(!watch.is_on());
    }

    #[test]
    fn a_pause_that_follows_another_between_two_looks_keeps_the_valve_shut() {
        let mut watch = watch();
        watch.learn(&[pause(1, Some(60))], at(0));
        watch.learn(&[ended(1), pause(2, None)], at(5));
        assert_eq!(watch.known(), Some(2));
        assert!(!watch.valve.is_open(at(99)));
    }
}
