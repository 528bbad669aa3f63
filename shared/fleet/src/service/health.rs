//! Whether this process is alive, ready and started.
//!
//! Liveness looks at our own loops only: a restart repairs a stuck loop, never
//! a database. Readiness looks at dependencies, start and shutdown.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use serde::Serialize;
use tokio::time::Instant;

use super::metrics::CheckMetrics;

/// The name under which the metrics show whether the start is complete.
const STARTED: &str = "started";

/// The health of this process; a clone speaks of the same process.
#[derive(Debug, Clone)]
pub struct Health {
    shared: Arc<Shared>,
}

impl Health {
    /// Starts neither started nor draining, without loops and checks.
    pub fn new() -> Self {
        let start = CheckMetrics::new(STARTED);
        start.fails();
        Self {
            shared: Arc::new(Shared {
                start,
                origin: Instant::now(),
                loops: Mutex::default(),
                checks: Mutex::default(),
                started: AtomicBool::new(false),
                draining: AtomicBool::new(false),
            }),
        }
    }

    /// Registers a loop that promises to tick at least every `max_silence`.
    ///
    /// Registering counts as the first tick; the loop is watched until the last
    /// clone of its pulse is dropped.
    pub fn register_loop(&self, name: impl Into<String>, max_silence: Duration) -> Pulse {
        let beat = Arc::new(Beat {
            name: name.into(),
            max_silence,
            ticked_millis: AtomicU64::new(self.shared.millis_now()),
            shared: Arc::clone(&self.shared),
        });
        lock(&self.shared.loops).push(Arc::downgrade(&beat));
        Pulse { beat }
    }

    /// Records what a dependency's check found; readiness requires that the
    /// last finding of every check is `Ok`.
    ///
    /// A change is logged once. The error is shown by `/readyz`: it may hold no
    /// secret.
    pub fn set_check(&self, name: &str, finding: Result<(), String>) {
        let before = self.shared.replace(name, finding.clone());
        match (&before, &finding) {
            (Some(Err(_)), Ok(())) => tracing::info!(check = name, "check passes again"),
            (None | Some(Ok(())), Err(error)) => {
                tracing::warn!(check = name, error = error.as_str(), "check fails");
            }
            _ => {}
        }
    }

    /// Records that the start is complete.
    pub fn set_started(&self) {
        self.shared.started.store(true, Ordering::Relaxed);
        self.shared.start.passes();
    }

    /// Records that the process is shutting down, so that it is not ready any more.
    pub fn set_draining(&self) {
        self.shared.draining.store(true, Ordering::Relaxed);
    }

    /// Tells whether every loop has ticked as it promised.
    pub fn live(&self) -> Liveness {
        let now = self.shared.millis_now();
        let beats: Vec<_> = lock(&self.shared.loops)
            .iter()
            .filter_map(Weak::upgrade)
            .collect();
        let loops: Vec<_> = beats.iter().map(|beat| beat.report(now)).collect();
        Liveness {
            ok: loops.iter().all(|beat| beat.ok),
            loops,
        }
    }

    /// Tells whether the process has started, is not draining, and every check passes.
    pub fn ready(&self) -> Readiness {
        let checks: BTreeMap<_, _> = lock(&self.shared.checks)
            .iter()
            .map(|(name, check)| {
                let error = check.finding.as_ref().err().cloned();
                (
                    name.clone(),
                    CheckReport {
                        ok: error.is_none(),
                        error,
                    },
                )
            })
            .collect();
        let started = self.shared.started.load(Ordering::Relaxed);
        let draining = self.shared.draining.load(Ordering::Relaxed);
        let ok = started && !draining && checks.values().all(|check| check.ok);
        Readiness {
            ok,
            started,
            draining,
            checks,
        }
    }

    /// Tells whether the start is complete.
    pub fn started(&self) -> Startup {
        Startup {
            ok: self.shared.started.load(Ordering::Relaxed),
        }
    }
}

impl Default for Health {
    fn default() -> Self {
        Self::new()
    }
}

/// The sign of life of one loop; a clone beats for the same loop.
#[derive(Debug, Clone)]
pub struct Pulse {
    beat: Arc<Beat>,
}

impl Pulse {
    /// Records that the loop turns; takes no lock.
    pub fn tick(&self) {
        self.beat
            .ticked_millis
            .store(self.beat.shared.millis_now(), Ordering::Relaxed);
    }

    /// Returns the longest silence that the loop was registered with.
    pub fn max_silence(&self) -> Duration {
        self.beat.max_silence
    }
}

/// The answer of `/livez`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Liveness {
    /// Whether every loop ticks.
    pub ok: bool,
    /// Each registered loop.
    pub loops: Vec<LoopReport>,
}

/// One loop's part of the answer of `/livez`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LoopReport {
    /// The name it was registered with.
    pub name: String,
    /// Whether its silence is within its limit.
    pub ok: bool,
    /// How long ago it ticked last, in milliseconds.
    pub silent_ms: u64,
    /// How long it may be silent, in milliseconds.
    pub limit_ms: u64,
}

/// The answer of `/readyz`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Readiness {
    /// Whether the process should be counted on.
    pub ok: bool,
    /// Whether the start is complete.
    pub started: bool,
    /// Whether the process is shutting down.
    pub draining: bool,
    /// The last finding of each check, by name.
    pub checks: BTreeMap<String, CheckReport>,
}

/// One check's part of the answer of `/readyz`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CheckReport {
    /// Whether the check passes.
    pub ok: bool,
    /// What it found otherwise.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

/// The answer of `/startupz`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Startup {
    /// Whether the start is complete.
    pub ok: bool,
}

#[derive(Debug)]
struct Shared {
    /// Ticks are stored as milliseconds since then, so that they fit an atomic.
    origin: Instant,
    loops: Mutex<Vec<Weak<Beat>>>,
    checks: Mutex<BTreeMap<String, Check>>,
    started: AtomicBool,
    start: CheckMetrics,
    draining: AtomicBool,
}

/// A dependency's check.
#[derive(Debug)]
struct Check {
    /// What it found last.
    finding: Result<(), String>,
    metrics: CheckMetrics,
}

impl Shared {
    /// Keeps what a check found, shows it, and returns what it found before.
    fn replace(&self, name: &str, finding: Result<(), String>) -> Option<Result<(), String>> {
        let mut checks = lock(&self.checks);
        let Some(check) = checks.get_mut(name) else {
            let check = Check {
                finding,
                metrics: CheckMetrics::new(name),
            };
            check.show();
            checks.insert(name.to_owned(), check);
            return None;
        };
        let before = std::mem::replace(&mut check.finding, finding);
        check.show();
        Some(before)
    }

    fn millis_now(&self) -> u64 {
        millis(self.origin.elapsed())
    }
}

impl Check {
    fn show(&self) {
        match self.finding {
            Ok(()) => self.metrics.passes(),
            Err(_) => self.metrics.fails(),
        }
    }
}

#[derive(Debug)]
struct Beat {
    name: String,
    max_silence: Duration,
    ticked_millis: AtomicU64,
    shared: Arc<Shared>,
}

impl Beat {
    fn report(&self, now_millis: u64) -> LoopReport {
        let silent_ms = now_millis.saturating_sub(self.ticked_millis.load(Ordering::Relaxed));
        let limit_ms = millis(self.max_silence);
        LoopReport {
            name: self.name.clone(),
            ok: silent_ms <= limit_ms,
            silent_ms,
            limit_ms,
        }
    }
}

impl Drop for Beat {
    fn drop(&mut self) {
        lock(&self.shared.loops).retain(|beat| beat.strong_count() > 0);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: Duration = Duration::from_secs(30);

    #[tokio::test(start_paused = true)]
    async fn a_silent_loop_makes_the_process_not_live_until_it_ticks_again() {
        let health = Health::new();
        let pulse = health.register_loop("receiver billing", LIMIT);
        tokio::time::advance(LIMIT).await;
        assert!(health.live().ok, "the limit itself is allowed");
        tokio::time::advance(Duration::from_millis(1)).await;
        let report = health.live();
        assert!(!report.ok);
        assert_eq!(report.loops[0].silent_ms, 30_001);
        pulse.tick();
        assert!(health.live().ok);
    }

    #[tokio::test(start_paused = true)]
    async fn a_loop_is_watched_until_its_last_pulse_is_dropped() {
        let health = Health::new();
        let pulse = health.register_loop("relay", LIMIT);
        let clone = pulse.clone();
        drop(pulse);
        tokio::time::advance(LIMIT * 2).await;
        assert!(!health.live().ok);
        drop(clone);
        assert_eq!(
            health.live(),
            Liveness {
                ok: true,
                loops: vec![]
            }
        );
    }

    #[test]
    fn readiness_requires_start_checks_and_no_drain() {
        let health = Health::new();
        assert!(!health.ready().ok && !health.started().ok);
        health.set_started();
        assert!(health.ready().ok && health.started().ok);
        health.set_check("database", Err("connection refused".to_owned()));
        assert!(!health.ready().ok);
        health.set_check("database", Ok(()));
        assert!(health.ready().ok);
        health.set_draining();
        assert!(!health.ready().ok);
        assert!(health.started().ok, "a drain does not undo the start");
    }

    #[test]
    fn liveness_never_depends_on_a_dependency() {
        let health = Health::new();
        health.set_check("database", Err("down".to_owned()));
        health.set_draining();
        assert!(health.live().ok);
    }

    #[test]
    fn the_answer_shows_each_check() {
        let health = Health::new();
        health.set_check("database", Err("connection refused".to_owned()));
        health.set_check("queue billing", Ok(()));
        let json = serde_json::to_string(&health.ready()).expect("serialisable");
        insta::assert_snapshot!(json, @r#"{"ok":false,"started":false,"draining":false,"checks":{"database":{"ok":false,"error":"connection refused"},"queue billing":{"ok":true}}}"#);
    }
}
