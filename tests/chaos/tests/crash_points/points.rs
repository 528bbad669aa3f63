use crate::case::Case;

/// How a process dies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    /// By its own hand.
    Abort,
    /// The thread stands still, while the others go on, until SIGKILL.
    Hang,
}

/// What kind of queues there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Standard,
    Fifo,
}

/// Who dies, and what leads up to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Story {
    /// A consumer at its usual work.
    Work,
    /// A consumer that gets messages whose earlier receives nothing explains.
    Suspects,
    /// A consumer with a transfer that takes longer than half a lease.
    LongWork,
    /// A consumer with a transfer whose bank is closed.
    ClosedBank,
    /// A consumer that is told to end while it works.
    Stop,
    /// A consumer that is told to end while it waits, and gets messages nevertheless.
    StopIdle,
    /// A relay.
    Relay,
    /// A replay of dead letters.
    Replay,
}

/// A place at which a process dies.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Point {
    pub(crate) name: &'static str,
    pub(crate) story: Story,
    /// At which arrival; a later one finds work that is done already beside work that is not.
    pub(crate) nth: u32,
    kinds: &'static [Kind],
}

const ANY: &[Kind] = &[Kind::Standard, Kind::Fifo];

/// In the order of the runtime.
pub(crate) const POINTS: &[Point] = &[
    at("relay.claimed", Story::Relay, 1),
    at("relay.sent", Story::Relay, 1),
    at("relay.marked", Story::Relay, 1),
    at("relay.settled", Story::Relay, 1),
    at("receive.answered", Story::Work, 1),
    at("receive.leased", Story::Work, 4),
    at("receive.given_back", Story::StopIdle, 1),
    at("consume.opened", Story::Work, 3),
    at("consume.looked_up", Story::Suspects, 1),
    at("consume.started", Story::Suspects, 1),
    at("lease.extending", Story::LongWork, 1),
    at("lease.extended", Story::LongWork, 1),
    at("consume.claimed", Story::Work, 2),
    at("consume.kept", Story::ClosedBank, 1),
    at("batch.admitted", Story::Work, 2),
    at("batch.claimed", Story::Work, 1),
    at("batch.rolled_back", Story::Work, 1),
    at("commit.sending", Story::Work, 3),
    at("commit.answered", Story::Work, 3),
    at("settle.ended", Story::Work, 3),
    at("settle.decided", Story::Work, 3),
    at("settle.recorded", Story::Work, 1),
    at("settle.copy_sent", Story::Work, 1),
    at("settle.copy_recorded", Story::Work, 1),
    at("settle.queued", Story::Work, 3),
    on_fifo("group.next", Story::Work, 2),
    on_fifo("group.falling", Story::Work, 1),
    at("ack.deleting", Story::Work, 1),
    at("ack.deleted", Story::Work, 1),
    at("ack.showing", Story::Work, 1),
    at("ack.shown", Story::Work, 1),
    at("shutdown.drained", Story::Stop, 1),
    at("shutdown.acknowledged", Story::Stop, 1),
    at("replay.received", Story::Replay, 1),
    at("replay.planned", Story::Replay, 1),
    at("replay.sent", Story::Replay, 1),
    at("replay.marked", Story::Replay, 1),
    at("replay.deleted", Story::Replay, 1),
    at("replay.done", Story::Replay, 1),
    at("replay.ending", Story::Replay, 1),
];

const fn at(name: &'static str, story: Story, nth: u32) -> Point {
    Point {
        name,
        story,
        nth,
        kinds: ANY,
    }
}

const fn on_fifo(name: &'static str, story: Story, nth: u32) -> Point {
    Point {
        kinds: &[Kind::Fifo],
        ..at(name, story, nth)
    }
}

/// Returns every point with every way to die and every kind of queue.
pub(crate) fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for point in POINTS {
        for mode in [Mode::Abort, Mode::Hang] {
            for kind in point.kinds {
                cases.push(Case {
                    point: *point,
                    mode,
                    kind: *kind,
                    mutant: None,
                });
            }
        }
    }
    cases
}
