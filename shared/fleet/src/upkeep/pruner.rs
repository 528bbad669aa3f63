use std::ops::Range;
use std::time::Duration;

use jiff::Timestamp;
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::FAREWELL_MAX;
use super::chore::Chore;
use super::leadership::Leadership;
use super::outage::Outage;
use crate::service::health::Pulse;
use crate::service::metrics::PruneMetrics;
use crate::service::retry::Jitter;
use crate::store::{Extent, PRUNABLE, PostgresStore, Prunable, StoreError};

/// How often the leader makes its lease last longer, and the others look whether there is one.
const PERIOD: Duration = Duration::from_secs(5);

/// How long after a sweep the next one begins. Rows are kept for days: an hour more is nothing,
/// and there is little to do at a time.
const SWEEP_PERIOD: Duration = Duration::from_secs(3_600);

/// How long a sweep may take for one table, so that one that is too large does not keep the
/// others from their turn. The next sweep begins elsewhere in it.
const TABLE_MAX: Duration = Duration::from_secs(600);

/// How many pages one statement reads: 2 MiB, some milliseconds.
const SLICE_PAGES: u64 = 256;

/// How many rows one statement deletes: its locks and its share of the log are small, and it is
/// over before anybody has to wait.
const CHUNK_ROWS: u32 = 1_000;

/// A sweep rests four times as long as its last statement took: it works a fifth of the time,
/// and the slower the database is, the less it is asked.
const REST_FACTOR: u32 = 4;

/// The longest rest.
const REST_MAX: Duration = Duration::from_secs(5);

/// Deletes rows that are over, in small chunks, while this process leads.
#[derive(Debug)]
pub struct Pruner {
    store: PostgresStore,
    leadership: Leadership,
    metrics: PruneMetrics,
}

/// How a sweep ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sweep {
    /// Every page of every table was looked at.
    Whole,
    /// A table was too large for one sweep.
    Partial,
    /// Another process leads, or this one ends.
    Broken,
}

impl Pruner {
    /// Puts it together; nothing runs yet.
    pub fn new(store: PostgresStore, leadership: Leadership) -> Self {
        Self {
            store,
            leadership,
            metrics: PruneMetrics::new(&PRUNABLE.map(|prunable| prunable.table)),
        }
    }

    /// Walks once through every table, for as long as this process leads and nobody stops it.
    ///
    /// # Errors
    ///
    /// As the class says; what was deleted is deleted.
    ///
    /// # Cancellation
    ///
    /// What was deleted is deleted.
    pub async fn sweep(
        &mut self,
        pulse: &Pulse,
        stop: &CancellationToken,
    ) -> Result<Sweep, StoreError> {
        let mut sweep = Sweep::Whole;
        for prunable in &PRUNABLE {
            match self.sweep_table(prunable, pulse, stop).await? {
                Sweep::Whole => {}
                Sweep::Partial => sweep = Sweep::Partial,
                Sweep::Broken => return Ok(Sweep::Broken),
            }
        }
        if sweep == Sweep::Whole {
            self.metrics.succeeded();
        }
        Ok(sweep)
    }

    async fn take_turn(
        &mut self,
        due: &mut Instant,
        pulse: &Pulse,
        stop: &CancellationToken,
    ) -> Result<(), StoreError> {
        // A relay has no business in the tables of the consumers: another process will.
        if !self.store.may_prune().await? {
            return Ok(());
        }
        if !self.leadership.keep().await? || Instant::now() < *due {
            return Ok(());
        }
        if self.sweep(pulse, stop).await? != Sweep::Broken {
            *due = Instant::now() + SWEEP_PERIOD;
        }
        Ok(())
    }

    async fn sweep_table(
        &mut self,
        prunable: &Prunable,
        pulse: &Pulse,
        stop: &CancellationToken,
    ) -> Result<Sweep, StoreError> {
        let deadline = Instant::now() + TABLE_MAX;
        let extent = self.store.measure(prunable).await?;
        let before = prunable.cutoff(extent.now);
        for pages in slices(&extent) {
            loop {
                pulse.tick();
                if stop.is_cancelled() || !self.leadership.confirm().await? {
                    return Ok(Sweep::Broken);
                }
                let began = Instant::now();
                let is_clean = self.prune(prunable, &pages, before).await?;
                if began > deadline {
                    tracing::warn!(table = prunable.table, "too large for one sweep");
                    return Ok(Sweep::Partial);
                }
                tokio::select! {
                    biased;
                    () = stop.cancelled() => {}
                    () = sleep((began.elapsed() * REST_FACTOR).min(REST_MAX)) => {}
                }
                if is_clean {
                    break;
                }
            }
        }
        Ok(Sweep::Whole)
    }

    /// Deletes a chunk, and tells whether nothing more is left on these pages.
    async fn prune(
        &self,
        prunable: &Prunable,
        pages: &Range<u64>,
        before: Timestamp,
    ) -> Result<bool, StoreError> {
        let deleted = self
            .store
            .prune(prunable, pages, before, CHUNK_ROWS)
            .await?;
        self.metrics.pruned.add(prunable.table, deleted);
        Ok(deleted < u64::from(CHUNK_ROWS))
    }
}

impl Chore for Pruner {
    async fn run(&mut self, pulse: &Pulse, stop: &CancellationToken, jitter: Jitter) {
        let mut outage = Outage::of("pruning", jitter.clone());
        // Many processes start at once, and some are gone again soon.
        let mut rest = PERIOD + jitter.up_to(PERIOD);
        let mut due = Instant::now();
        loop {
            tokio::select! {
                biased;
                () = stop.cancelled() => break,
                () = sleep(rest) => {}
            }
            pulse.tick();
            rest = match self.take_turn(&mut due, pulse, stop).await {
                Ok(()) => {
                    outage.is_over();
                    PERIOD
                }
                Err(error) => outage.goes_on(&error),
            };
        }
        // A lease that stays behind ends by itself.
        let _ = timeout(FAREWELL_MAX, self.leadership.resign()).await;
    }
}

/// Divides a table into slices, beginning anywhere: no part is always the last, which a sweep that
/// was cut short or a process that was restarted does not come to.
fn slices(extent: &Extent) -> impl Iterator<Item = Range<u64>> + use<> {
    let count = extent.pages.div_ceil(SLICE_PAGES);
    // The microseconds of the database's clock are as good as drawn.
    let micros = extent.now.subsec_nanosecond().unsigned_abs() / 1_000;
    let first = u64::from(micros).checked_rem(count).unwrap_or_default();
    let slice = |number: u64| number * SLICE_PAGES..(number + 1) * SLICE_PAGES;
    (first..count).chain(0..first).map(slice)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn extent(pages: u64, nanos: i32) -> Extent {
        let now = Timestamp::new(1_700_000_000, nanos).unwrap();
        Extent { pages, now }
    }

    #[test]
    fn slices_cover_every_page_once_wherever_they_begin() {
        for nanos in [0, 1, 123_456_789, 999_999_000] {
            for pages in [0, 1, 255, 256, 257, 5_000] {
                let mut slices: Vec<_> = slices(&extent(pages, nanos)).collect();
                slices.sort_by_key(|slice| slice.start);
                assert_eq!(slices.first().map_or(0, |slice| slice.start), 0);
                assert!(slices.last().map_or(0, |slice| slice.end) >= pages);
                assert!(slices.windows(2).all(|pair| pair[0].end == pair[1].start));
            }
        }
    }

    #[test]
    fn a_sweep_begins_anywhere() {
        let firsts: std::collections::BTreeSet<_> = (0..20)
            .filter_map(|n| slices(&extent(256_000, n * 49_123_000)).next())
            .map(|slice| slice.start)
            .collect();
        assert!(firsts.len() > 10, "{firsts:?}");
    }
}
