//! Places where a test stops a program, to kill it there.

/// Every place, in the order in which a message comes by.
///
/// `tests/chaos/tests/crash_points` kills a process at each of them.
#[cfg(feature = "failpoints")]
pub const NAMES: &[&str] = &[
    // An outbox row on its way to a queue.
    "relay.claimed",
    "relay.sent",
    "relay.marked",
    "relay.settled",
    // A message, from SQS's answer to its handler.
    "receive.answered",
    "receive.leased",
    "receive.given_back",
    "consume.opened",
    "consume.looked_up",
    "consume.started",
    "lease.extending",
    "lease.extended",
    "consume.claimed",
    "consume.kept",
    "batch.admitted",
    "batch.claimed",
    "batch.rolled_back",
    // Its effect.
    "commit.sending",
    "commit.answered",
    // Its settlement.
    "settle.ended",
    "settle.decided",
    "settle.recorded",
    "settle.copy_sent",
    "settle.copy_recorded",
    "settle.queued",
    "group.next",
    "group.falling",
    "ack.deleting",
    "ack.deleted",
    "ack.showing",
    "ack.shown",
    // The end of a process.
    "shutdown.drained",
    "shutdown.acknowledged",
    // A dead letter that is brought back.
    "replay.received",
    "replay.planned",
    "replay.sent",
    "replay.marked",
    "replay.deleted",
    "replay.done",
    "replay.ending",
];

/// Stops the program here if a test has asked for that, and is nothing in a product.
///
/// The variable `FLEET_FAILPOINT` says where: `replay.sent=hang` stops the thread that arrives at
/// `replay.sent` for ever, once it has said so on stderr; `replay.sent:3=abort` ends the process
/// at the third arrival.
#[cfg(feature = "failpoints")]
pub fn reach(name: &str) {
    debug_assert!(NAMES.contains(&name), "{name} is not among the names");
    armed::reach(name);
}

/// Does nothing: this build has no failpoints.
#[cfg(not(feature = "failpoints"))]
#[inline]
pub fn reach(_name: &str) {}

#[cfg(feature = "failpoints")]
mod armed {
    use std::io::Write as _;
    use std::sync::OnceLock;
    use std::sync::atomic::{AtomicU64, Ordering};

    /// What the variable asks for.
    struct Failpoint {
        name: String,
        /// The arrival that it stops.
        nth: u64,
        does_abort: bool,
        arrivals: AtomicU64,
    }

    static ASKED: OnceLock<Option<Failpoint>> = OnceLock::new();

    pub(super) fn reach(name: &str) {
        let asked = ASKED.get_or_init(|| parse(&std::env::var("FLEET_FAILPOINT").ok()?));
        let Some(failpoint) = asked.as_ref().filter(|asked| asked.name == name) else {
            return;
        };
        if failpoint.arrivals.fetch_add(1, Ordering::Relaxed) + 1 != failpoint.nth {
            return;
        }
        let _ = writeln!(std::io::stderr().lock(), "failpoint {name}");
        if failpoint.does_abort {
            std::process::abort();
        }
        loop {
            std::thread::park();
        }
    }

    fn parse(text: &str) -> Option<Failpoint> {
        let (place, does_abort) = match text.split_once('=')? {
            (place, "hang") => (place, false),
            (place, "abort") => (place, true),
            _ => return None,
        };
        let (name, nth) = place.split_once(':').unwrap_or((place, "1"));
        Some(Failpoint {
            name: name.to_owned(),
            nth: nth.parse().ok()?,
            does_abort,
            arrivals: AtomicU64::new(0),
        })
    }
}
