use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use tokio::time::Instant;

use super::error::DATABASE;
use crate::service::retry;

/// How often each probe has to find its dependency down before one more message is let through.
///
/// What one message finds may be its own fault; three tries take about a second.
const TRIES: u32 = 3;

/// The most probes of one dependency. Each more of them has to find it down,
/// which eight messages in a row do not by chance.
const PROBES_MAX: usize = 8;

/// The part of the permits that the probes of one dependency may hold.
const PERMITS_PER_PROBE: usize = 4;

/// How long a message is kept as a probe before another takes its place; doubled with its receives.
///
/// The first is longer than an outage of a minute, in which no message shall come three times, and
/// messages that are all at fault themselves stop the others for no longer. The last bounds how
/// often a message comes in an outage of hours, and leaves its handler eleven of the twelve hours
/// for which SQS lets a message be invisible.
const KEPT: (Duration, Duration) = (Duration::from_secs(2 * 60), Duration::from_secs(3600));

/// The registered name of something that handlers need.
pub(super) type Dependency = Cow<'static, str>;

/// Which dependencies are down, and which messages show when they are back: a
/// state machine without a clock and without I/O.
#[derive(Debug, Default)]
pub(super) struct Outages {
    probes_max: usize,
    numbers: u64,
    down: BTreeMap<Dependency, Outage>,
    /// When each dependency that was ever down came back.
    back: BTreeMap<Dependency, Instant>,
}

#[derive(Debug)]
struct Outage {
    since: Instant,
    /// The types of the events that found it down.
    types: BTreeSet<&'static str>,
    /// The messages that are kept, the oldest first.
    probes: BTreeMap<u64, Kept>,
    /// Whether one more message may find out how things stand.
    lets_one_through: bool,
}

#[derive(Debug)]
struct Kept {
    until: Instant,
    tries: u32,
}

/// A handler found a dependency down.
pub(super) struct Finding<'f> {
    pub(super) dependency: &'f Dependency,
    pub(super) event_type: &'static str,
    /// When the handler began.
    pub(super) began: Instant,
    /// How often SQS has handed the message out.
    pub(super) receives: u32,
}

/// What may be received.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Admission {
    /// As much as there are permits.
    All,
    /// One message after the other.
    One,
    /// Nothing.
    Nothing,
}

impl Outages {
    /// Begins without any, for a consumer of so many permits.
    pub(super) fn new(permits: usize) -> Self {
        let share = (permits / PERMITS_PER_PROBE).clamp(2, PROBES_MAX);
        Self {
            probes_max: share.min(permits.max(1)),
            ..Self::default()
        }
    }

    /// Returns what may be received: nothing while any dependency could still come back by itself.
    pub(super) fn admission(&self) -> Admission {
        if self.down.is_empty() {
            Admission::All
        } else if self.down.values().all(|outage| outage.lets_one_through) {
            Admission::One
        } else {
            Admission::Nothing
        }
    }

    /// Tells whether a dependency is down.
    pub(super) fn is_down(&self, dependency: &str) -> bool {
        self.down.contains_key(dependency)
    }

    /// Tells whether a dependency is down, or was at some moment since then.
    pub(super) fn was_down(&self, dependency: &str, since: Instant) -> bool {
        let came_back = self.back.get(dependency).is_some_and(|back| since < *back);
        came_back || self.is_down(dependency)
    }

    /// Returns the dependencies that are down, and whether one more message may look at them.
    pub(super) fn down(&self) -> impl Iterator<Item = (&Dependency, bool)> {
        self.down
            .iter()
            .map(|(dependency, outage)| (dependency, outage.lets_one_through))
    }

    /// Notes that the database, which is asked without a message, is down.
    pub(super) fn lose_database(&mut self, now: Instant) {
        self.down
            .entry(DATABASE.into())
            .or_insert_with(|| Outage::new(now));
    }

    /// Notes that a handler found a dependency down, and returns a number if its message is the one to be kept.
    ///
    /// A handler that began before the dependency was back has nothing new to say.
    pub(super) fn meet(&mut self, finding: &Finding<'_>, now: Instant) -> Option<u64> {
        let Finding {
            dependency,
            event_type,
            began,
            receives,
        } = *finding;
        if self.back.get(dependency).is_some_and(|back| began < *back) && !self.is_down(dependency)
        {
            return None;
        }
        let outage = self
            .down
            .entry(dependency.clone())
            .or_insert_with(|| Outage::new(now));
        if !outage.probes.is_empty() && !outage.lets_one_through {
            return None;
        }
        self.numbers += 1;
        let kept = Kept {
            until: now + retry::ceiling(KEPT.0, KEPT.1, receives),
            tries: 0,
        };
        outage.probes.insert(self.numbers, kept);
        outage.types.insert(event_type);
        outage.lets_one_through = false;
        Some(self.numbers)
    }

    /// Notes that a probe found its dependency down once more, and tells whether it is still kept.
    pub(super) fn fail(&mut self, dependency: &str, number: u64, now: Instant) -> bool {
        let probes_max = self.probes_max;
        let Some(outage) = self.down.get_mut(dependency) else {
            return false;
        };
        let Some(kept) = outage.probes.get_mut(&number) else {
            return false;
        };
        kept.tries = kept.tries.saturating_add(1);
        if kept.until <= now {
            outage.probes.remove(&number);
            outage.lets_one_through = true;
            return false;
        }
        if outage.probes.len() < probes_max
            && outage.probes.values().all(|kept| kept.tries >= TRIES)
        {
            outage.lets_one_through = true;
        }
        true
    }

    /// Tells whether a message is still the probe of an outage.
    pub(super) fn keeps(&self, dependency: &str, number: u64) -> bool {
        let outage = self.down.get(dependency);
        outage.is_some_and(|outage| outage.probes.contains_key(&number))
    }

    /// Forgets a probe that came to nothing; without any the next message is let through.
    pub(super) fn lose(&mut self, dependency: &str, number: u64) {
        if let Some(outage) = self.down.get_mut(dependency)
            && outage.probes.remove(&number).is_some()
            && outage.probes.is_empty()
        {
            outage.lets_one_through = true;
        }
    }

    /// Notes that a dependency is back, and tells whether it was down.
    pub(super) fn end(&mut self, dependency: &Dependency, now: Instant) -> bool {
        let was_down = self.down.remove(dependency).is_some();
        if was_down {
            self.back.insert(dependency.clone(), now);
        }
        was_down
    }

    /// Returns the dependencies that a message which was let through at a time shows to be back.
    ///
    /// Where there are probes it has to be of the type of one of them: what
    /// never needed the dependency says nothing about it.
    pub(super) fn shown_back_by(&self, event_type: Option<&str>, at: Instant) -> Vec<Dependency> {
        let shows = |outage: &Outage| {
            let is_of_type = event_type.is_some_and(|it| outage.types.contains(it));
            outage.since <= at && (outage.probes.is_empty() || is_of_type)
        };
        let back = self.down.iter().filter(|(_, outage)| shows(outage));
        back.map(|(dependency, _)| dependency.clone()).collect()
    }
}

impl Outage {
    fn new(now: Instant) -> Self {
        Self {
            since: now,
            types: BTreeSet::new(),
            probes: BTreeMap::new(),
            lets_one_through: false,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SMTP: Dependency = Cow::Borrowed("smtp");

    fn finding(dependency: &Dependency, began: Instant) -> Finding<'_> {
        Finding {
            dependency,
            event_type: "job",
            began,
            receives: 1,
        }
    }

    /// Lets all probes fail so often.
    fn fail(outages: &mut Outages, times: u32, now: Instant) {
        let probes: Vec<_> = outages.down[&SMTP].probes.keys().copied().collect();
        for _ in 0..times {
            probes
                .iter()
                .for_each(|number| assert!(outages.fail(&SMTP, *number, now)));
        }
    }

    #[test]
    fn the_first_who_finds_a_dependency_down_is_kept_and_nobody_is_let_in() {
        let (mut outages, now) = (Outages::new(16), Instant::now());
        assert_eq!(outages.admission(), Admission::All);
        assert!(outages.meet(&finding(&SMTP, now), now).is_some());
        assert!(outages.meet(&finding(&SMTP, now), now).is_none());
        assert_eq!(outages.admission(), Admission::Nothing);
        assert!(outages.end(&SMTP, now));
        assert_eq!(outages.admission(), Admission::All);
    }

    #[test]
    fn one_more_is_let_in_whenever_all_probes_have_failed_three_times_up_to_a_limit() {
        for (permits, most) in [(1, 1), (2, 2), (11, 2), (16, 4), (1_000, 8)] {
            let (mut outages, now) = (Outages::new(permits), Instant::now());
            for probes in 1..=most {
                assert!(outages.meet(&finding(&SMTP, now), now).is_some());
                fail(&mut outages, TRIES - 1, now);
                assert_eq!(outages.admission(), Admission::Nothing);
                fail(&mut outages, 1, now);
                assert_eq!(
                    outages.admission() == Admission::One,
                    probes < most,
                    "{permits}"
                );
            }
        }
    }

    #[test]
    fn a_probe_is_replaced_after_its_time_and_the_longer_the_more_often_it_came() {
        for (receives, minutes) in [(1, 2), (2, 4), (5, 32), (6, 60), (90, 60)] {
            let (mut outages, begun) = (Outages::new(1), Instant::now());
            let finding = Finding {
                receives,
                ..finding(&SMTP, begun)
            };
            let number = outages.meet(&finding, begun).unwrap();
            let end = begun + Duration::from_secs(60 * minutes);
            assert!(outages.fail(&SMTP, number, end - Duration::from_secs(1)));
            assert!(!outages.fail(&SMTP, number, end));
            assert_eq!(outages.admission(), Admission::One);
        }
    }

    #[test]
    fn a_handler_that_began_before_the_dependency_was_back_opens_nothing() {
        let (mut outages, begun) = (Outages::new(16), Instant::now());
        let later = begun + Duration::from_secs(10);
        outages.meet(&finding(&SMTP, begun), begun);
        outages.end(&SMTP, later);
        assert!(outages.meet(&finding(&SMTP, begun), later).is_none());
        assert_eq!(outages.admission(), Admission::All);
        assert!(outages.meet(&finding(&SMTP, later), later).is_some());
    }

    #[test]
    fn only_who_was_let_in_after_it_and_is_of_the_type_of_a_probe_shows_a_dependency_back() {
        let (mut outages, begun) = (Outages::new(16), Instant::now());
        let later = begun + Duration::from_secs(10);
        let number = outages.meet(&finding(&SMTP, later), later).unwrap();
        assert_eq!(outages.shown_back_by(Some("job"), begun), [] as [&str; 0]);
        assert_eq!(outages.shown_back_by(Some("other"), later), [] as [&str; 0]);
        assert_eq!(outages.shown_back_by(Some("job"), later), [SMTP]);
        outages.lose(&SMTP, number);
        assert_eq!(outages.admission(), Admission::One);
        assert_eq!(outages.shown_back_by(Some("other"), later), [SMTP]);
    }

    #[test]
    fn one_is_let_in_only_when_everything_that_is_down_can_do_with_it() {
        let (mut outages, now) = (Outages::new(16), Instant::now());
        outages.meet(&finding(&SMTP, now), now);
        fail(&mut outages, TRIES, now);
        assert_eq!(outages.admission(), Admission::One);
        outages.lose_database(now);
        assert_eq!(outages.admission(), Admission::Nothing);
        outages.end(&DATABASE.into(), now);
        assert_eq!(outages.admission(), Admission::One);
    }

    proptest! {
        #[test]
        fn whatever_happens_a_dependency_that_is_down_has_a_probe_or_lets_one_in(
            permits in 1usize..100, acts in prop::collection::vec((0u8..5, 0u8..3, any::<u8>()), 0..200),
        ) {
            let (mut outages, begun) = (Outages::new(permits), Instant::now());
            let mut numbers = vec![0];
            for (index, (act, dependency, which)) in acts.into_iter().enumerate() {
                let now = begun + Duration::from_secs(20 * index as u64);
                let dependency: Dependency = ["smtp", "crm", "erp"][usize::from(dependency)].into();
                let number = numbers[usize::from(which) % numbers.len()];
                match act {
                    0 => numbers.extend(outages.meet(&finding(&dependency, now), now)),
                    1 => drop(outages.fail(&dependency, number, now)),
                    2 => outages.lose(&dependency, number),
                    3 if which < 30 => drop(outages.end(&dependency, now)),
                    _ => drop(outages.shown_back_by(Some("job"), now)),
                }
                for outage in outages.down.values() {
                    prop_assert!(outage.lets_one_through || !outage.probes.is_empty());
                    prop_assert!(outage.probes.len() <= outages.probes_max.min(permits));
                }
                let is_closed = outages.down.is_empty();
                prop_assert_eq!(outages.admission() == Admission::All, is_closed);
            }
        }
    }
}
