/// How many attempts a message has: one that is retried and one that is not.
pub const ATTEMPTS_MAX: u32 = 2;

/// How much of each there is in a model: the bounds that make it finite.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Limits {
    /// Workers that hold one message each.
    pub workers: usize,
    /// Events that are sent.
    pub events: usize,
    /// Operators who replay dead letters; without any they stay dead.
    pub operators: usize,
    /// What goes wrong at most.
    pub faults: Faults,
}

/// What may still go wrong.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Faults {
    /// Workers and replays that are killed.
    pub crashes: u32,
    /// Requests and answers that get lost.
    pub lost: u32,
    /// Deliveries of a message that is in flight or deleted.
    pub duplicates: u32,
    /// Leases that are over before their holder is done.
    pub overruns: u32,
    /// Errors of handlers.
    pub failures: u32,
}

/// A model that is looked through to its last state.
#[derive(Clone, Copy, Debug)]
pub struct Configuration {
    /// What it is about.
    pub name: &'static str,
    /// How large it is.
    pub limits: Limits,
}

/// Small models, each with its own mixture, instead of one that nobody could wait for.
pub const CONFIGURATIONS: [Configuration; 7] = [
    Configuration {
        name: "two workers, one event, one fault of each kind",
        limits: limits([2, 1, 0], [1, 1, 1, 1, 1]),
    },
    Configuration {
        name: "two workers, two events, a crash, an overrun, an error",
        limits: limits([2, 2, 0], [1, 0, 0, 1, 1]),
    },
    Configuration {
        name: "three workers, one event, a crash, a lost answer, two overruns",
        limits: limits([3, 1, 0], [1, 1, 0, 2, 0]),
    },
    Configuration {
        name: "a replay of two events by two workers, a crash",
        limits: limits([2, 2, 1], [1, 0, 0, 0, 1]),
    },
    Configuration {
        name: "a replay of what dies twice, a crash, a lost answer",
        limits: limits([1, 1, 1], [1, 1, 0, 0, 2]),
    },
    Configuration {
        name: "two replays at once, a crash, an overrun",
        limits: limits([1, 1, 2], [1, 0, 0, 1, 1]),
    },
    Configuration {
        name: "two replays at once, a crash, a duplicate",
        limits: limits([1, 1, 2], [1, 0, 1, 0, 1]),
    },
];

/// The smallest model in which every wrong design is found out.
pub const SMALLEST: Limits = limits([1, 1, 0], [1, 1, 0, 0, 1]);

const fn limits(
    [workers, events, operators]: [usize; 3],
    [crashes, lost, duplicates, overruns, failures]: [u32; 5],
) -> Limits {
    Limits {
        workers,
        events,
        operators,
        faults: Faults {
            crashes,
            lost,
            duplicates,
            overruns,
            failures,
        },
    }
}
