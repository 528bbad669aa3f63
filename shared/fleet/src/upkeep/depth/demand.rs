use std::time::Duration;

use crate::store::ConsumerStanding;

/// How long a message may wait at most: what the alert on lag tolerates. A backlog should be worked
/// off within this time.
const LAG_OBJECTIVE: Duration = Duration::from_secs(300);

/// How fast the arrival rate forgets: a minute of SQS's approximate counts makes a steady figure.
const MEMORY: Duration = Duration::from_secs(60);

/// A rate below one message in a day is none: averages never quite come down to 0.
const IDLE: f64 = 1.0 / 86_400.0;

/// The shortest time that a message is taken to take: settling costs as much.
const MEAN_MS_MIN: f64 = 0.1;

/// How much a process says that has ended some messages and done none.
const WEIGHT_MIN: f64 = 1e-6;

/// How many messages a second arrive, learnt from one look to the next.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Arrivals {
    held: Option<u64>,
    per_second: Option<f64>,
}

impl Arrivals {
    /// Learns what the queue holds now, and how many messages a second were done meanwhile: what
    /// arrives is what is done and what the queue holds more. Unknown until the second look.
    pub(super) fn learn(
        &mut self,
        held: u64,
        done_per_second: f64,
        elapsed: Duration,
    ) -> Option<f64> {
        let before = self.held.replace(held)?;
        let elapsed = elapsed.as_secs_f64().max(1.0);
        let sample = ((held as f64 - before as f64) / elapsed + done_per_second).max(0.0);
        let weight = 1.0 - (-elapsed / MEMORY.as_secs_f64()).exp();
        let known = self.per_second.unwrap_or(sample);
        self.per_second = Some(known + weight * (sample - known));
        self.per_second
    }
}

/// Returns how many messages a second one process gets done when it is busy: its concurrency
/// divided by how long one message takes; `None` while none ends anywhere.
pub(super) fn capacity(standings: &[ConsumerStanding]) -> Option<f64> {
    let (mut rate, mut busy, mut concurrency) = (0.0, 0.0, 0.0);
    for standing in standings {
        let Some(mean_ms) = standing.mean_ms else {
            continue;
        };
        let weight = standing.per_second.max(WEIGHT_MIN);
        rate += weight;
        busy += weight * mean_ms.max(MEAN_MS_MIN) / 1_000.0;
        concurrency += weight * standing.concurrency as f64;
    }
    (rate > 0.0).then(|| concurrency / busy)
}

/// Returns how many processes would keep the lag within its objective.
///
/// They have to do what arrives, and a backlog within [`LAG_OBJECTIVE`]:
/// `(arrivals + backlog / objective) / capacity`, rounded up.
pub(super) fn workers_needed(arrivals: f64, backlog: u64, capacity: Option<f64>) -> Option<f64> {
    let needed = arrivals + backlog as f64 / LAG_OBJECTIVE.as_secs_f64();
    if needed < IDLE {
        return Some(0.0);
    }
    Some((needed / capacity?).ceil())
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOOK: Duration = Duration::from_secs(15);

    #[test]
    fn processes_are_needed_for_what_arrives_and_for_what_waits() {
        for (arrivals, backlog, capacity, expected) in [
            (0.0, 0, None, Some(0.0)),
            (0.0, 0, Some(100.0), Some(0.0)),
            (0.0, 1, Some(100.0), Some(1.0)),
            (50.0, 0, Some(100.0), Some(1.0)),
            (100.0, 0, Some(100.0), Some(1.0)),
            (101.0, 0, Some(100.0), Some(2.0)),
            (100.0, 30_000, Some(100.0), Some(2.0)),
            (250.0, 90_000, Some(100.0), Some(6.0)),
            (1.0, 0, Some(0.1), Some(10.0)),
            (1.0, 0, None, None),
        ] {
            let needed = workers_needed(arrivals, backlog, capacity);
            assert_eq!(needed, expected, "{arrivals} {backlog} {capacity:?}");
        }
    }

    #[test]
    fn arrivals_are_what_is_done_and_what_the_queue_holds_more() {
        for (held, done, expected) in [
            (1_000, 0.0, 0.0),
            (1_000, 40.0, 40.0),
            (2_500, 0.0, 100.0),
            (2_500, 40.0, 140.0),
            (400, 40.0, 0.0),
            (0, 10.0, 0.0),
        ] {
            let mut arrivals = Arrivals::default();
            assert_eq!(arrivals.learn(1_000, 7.0, LOOK), None);
            assert_eq!(
                arrivals.learn(held, done, LOOK),
                Some(expected),
                "{held} {done}"
            );
        }
    }

    #[test]
    fn a_rate_that_changes_is_followed_within_some_minutes() {
        let mut arrivals = Arrivals::default();
        for _ in 0..20 {
            arrivals.learn(0, 100.0, LOOK);
        }
        let after = |looks: u32, arrivals: &mut Arrivals| {
            (0..looks)
                .filter_map(|_| arrivals.learn(0, 0.0, LOOK))
                .last()
                .unwrap()
        };
        let soon = after(4, &mut arrivals);
        assert!((30.0..45.0).contains(&soon), "{soon}");
        assert!(after(60, &mut arrivals) < IDLE);
    }

    fn standing(concurrency: usize, per_second: f64, mean_ms: Option<f64>) -> ConsumerStanding {
        ConsumerStanding {
            concurrency,
            per_second,
            mean_ms,
            ..ConsumerStanding::default()
        }
    }

    #[test]
    fn the_capacity_of_a_process_is_its_concurrency_over_the_mean() {
        let (quick, slow) = (
            standing(16, 30.0, Some(100.0)),
            standing(16, 10.0, Some(300.0)),
        );
        let (silent, failing) = (standing(16, 0.0, None), standing(8, 0.0, Some(500.0)));
        for (standings, expected) in [
            (vec![], None),
            (vec![&silent], None),
            (vec![&quick], Some(160.0)),
            (vec![&failing], Some(16.0)),
            (vec![&quick, &silent], Some(160.0)),
            (vec![&quick, &slow], Some(640.0 / 6.0)),
        ] {
            let standings: Vec<_> = standings.into_iter().cloned().collect();
            let found = capacity(&standings);
            let is_close = match (found, expected) {
                (Some(found), Some(expected)) => (found - expected).abs() < 1e-6 * expected,
                (found, expected) => found == expected,
            };
            assert!(is_close, "{found:?} instead of {expected:?}");
        }
    }
}
