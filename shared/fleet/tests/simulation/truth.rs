use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use fleet::message::{Failure, FailureClass};
use fleet::store::{Attempt, AttemptOutcome};
use tokio::time::Instant;

use crate::plan::{Kind, Plan};

/// Receives of one message at which the queue's own policy would take it away.
const RECEIVES_MAX: u32 = 99;

/// What really happened, as nobody in the story can know it, and whether it was allowed.
#[derive(Debug)]
pub(crate) struct Truth {
    attempts_max: u32,
    visibility: Duration,
    handler_timeout: Duration,
    unknown_type_grace: Duration,
    events: Vec<EventTruth>,
    /// On a FIFO queue, the group of each event, and the last message of each group that took effect.
    groups: BTreeMap<usize, u64>,
    group_heads: BTreeMap<u64, usize>,
    messages: Vec<MessageTruth>,
    ids: BTreeMap<String, usize>,
    receipts: BTreeMap<String, usize>,
    /// Until when a process knows a message to be its own.
    leases: BTreeMap<(u32, usize), Instant>,
    /// Receives of messages that a process has written down as started, and not yet as ended.
    started: BTreeSet<(u32, usize, u32)>,
    runs: BTreeMap<u64, Run>,
    runs_begun: u64,
    /// Runs whose lease was over at the last look.
    overdue: BTreeSet<u64>,
    violation: Option<Violation>,
}

/// What became of one event.
#[derive(Debug)]
struct EventTruth {
    kind: Kind,
    effects: u32,
    needs_nothing: bool,
    /// A commit was on its way for so long that its process had given it up.
    had_late_commit: bool,
}

/// What became of one message.
#[derive(Debug)]
struct MessageTruth {
    event: usize,
    first_received: Option<Instant>,
    /// Runs that failed, timed out or panicked.
    failures: u32,
    /// Runs that found a dependency down.
    complaints: u32,
    /// Runs that its process did not survive, or had not written down as ended when the message
    /// came to somebody again: nobody can tell one from the other.
    crashes: u32,
    /// Of these, what was only presumed.
    presumed: u32,
    /// Deliveries that SQS had made before, with the receive count that they had.
    ghosts: u32,
    rejections: u32,
    /// Copies in the dead-letter queue, and whether somebody was told so.
    copies: u32,
    is_copy_confirmed: bool,
}

/// A handler at work.
#[derive(Debug)]
struct Run {
    process: u32,
    messages: Vec<usize>,
    began: Instant,
    is_single: bool,
}

/// How a handler ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    Done,
    NeedsNothing,
    /// It failed by the fault of one of its messages, if it said of which.
    Failed(Option<usize>),
    Rejected(Option<usize>),
    /// A dependency was down.
    Complained,
    /// The database was down, somebody was in the way, or the event was done before.
    Excused,
    Panicked,
    /// It was dropped.
    Cancelled,
}

impl End {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Done => "< done",
            Self::NeedsNothing => "< needs nothing",
            Self::Failed(_) => "< failed",
            Self::Rejected(_) => "< rejected",
            Self::Complained => "< complained",
            Self::Excused => "< excused",
            Self::Panicked => "< panicked",
            Self::Cancelled => "< cancelled",
        }
    }
}

/// A promise that was broken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Violation {
    pub(crate) invariant: &'static str,
    pub(crate) detail: String,
}

impl MessageTruth {
    /// Returns how many attempts may be charged to it.
    fn charges_max(&self) -> u32 {
        self.failed_max() + self.crashes
    }

    /// Returns how many of its runs may count as failed: from the third time on it may be alone
    /// in finding a dependency down.
    fn failed_max(&self) -> u32 {
        self.failures + self.complaints.saturating_sub(2)
    }
}

impl Truth {
    pub(crate) fn new(plan: &Plan) -> Self {
        let event = |kind: &Kind| EventTruth {
            kind: *kind,
            effects: 0,
            needs_nothing: false,
            had_late_commit: false,
        };
        Self {
            attempts_max: plan.attempts_max,
            visibility: plan.visibility,
            handler_timeout: plan.handler_timeout,
            unknown_type_grace: plan.unknown_type_grace,
            events: plan.events.iter().map(event).collect(),
            groups: match plan.fifo {
                true => (plan.messages.iter())
                    .map(|sending| (sending.event, sending.group))
                    .collect(),
                false => BTreeMap::new(),
            },
            group_heads: BTreeMap::new(),
            messages: Vec::new(),
            ids: BTreeMap::new(),
            receipts: BTreeMap::new(),
            leases: BTreeMap::new(),
            started: BTreeSet::new(),
            runs: BTreeMap::new(),
            runs_begun: 0,
            overdue: BTreeSet::new(),
            violation: None,
        }
    }

    pub(crate) fn violation(&self) -> Option<&Violation> {
        self.violation.as_ref()
    }

    /// Notes a broken promise; the first one counts.
    pub(crate) fn broken(&mut self, invariant: &'static str, detail: String) {
        self.violation
            .get_or_insert(Violation { invariant, detail });
    }

    pub(crate) fn sent(&mut self, event: usize, id: String) -> usize {
        let message = self.messages.len();
        self.messages.push(MessageTruth {
            event,
            first_received: None,
            failures: 0,
            complaints: 0,
            crashes: 0,
            presumed: 0,
            ghosts: 0,
            rejections: 0,
            copies: 0,
            is_copy_confirmed: false,
        });
        self.ids.insert(id, message);
        message
    }

    pub(crate) fn sent_count(&self) -> usize {
        self.messages.len()
    }

    pub(crate) fn message(&self, id: &str) -> Option<usize> {
        self.ids.get(id).copied()
    }

    pub(crate) fn of_receipt(&self, receipt: &str) -> Option<usize> {
        self.receipts.get(receipt).copied()
    }

    pub(crate) fn kind(&self, event: usize) -> Kind {
        self.events[event].kind
    }

    pub(crate) fn failures(&self, message: usize) -> u32 {
        self.messages[message].failures
    }

    pub(crate) fn received(&mut self, message: usize, receipt: &str, count: u32) {
        self.receipts.insert(receipt.to_owned(), message);
        let truth = &mut self.messages[message];
        truth.first_received.get_or_insert_with(Instant::now);
        let started = self.started.len();
        self.started.retain(|(_, of, _)| *of != message);
        let presumed = u32::try_from(started - self.started.len()).unwrap_or(u32::MAX);
        truth.crashes += presumed;
        truth.presumed += presumed;
        if count > RECEIVES_MAX {
            let detail = format!("m{message} was received {count} times");
            self.broken("receives stay within reason", detail);
        }
    }

    /// A message was brought that had been brought before.
    pub(crate) fn came_again(&mut self, message: usize) {
        self.messages[message].ghosts += 1;
    }

    /// A process learnt until when a message is its own.
    pub(crate) fn leased(&mut self, process: u32, message: usize, until: Instant) {
        let lease = self.leases.entry((process, message)).or_insert(until);
        *lease = until.max(*lease);
    }

    pub(crate) fn handler_begins(
        &mut self,
        process: u32,
        messages: Vec<usize>,
        attempt: Option<u32>,
    ) -> u64 {
        let now = Instant::now();
        if let (Some(attempt), [message]) = (attempt, &messages[..]) {
            let (message, truth) = (*message, &self.messages[*message]);
            let honest = truth.charges_max() + 1;
            let lease = self.leases.get(&(process, message)).copied();
            if attempt > honest {
                let detail = format!("m{message}: attempt {attempt}, should be {honest} at most");
                self.broken("attempts are honest", detail);
            }
            if lease.is_none_or(|until| until < now + self.visibility / 2) {
                let left = lease.map(|until| until.saturating_duration_since(now));
                let detail = format!("m{message}: {left:?} left of {:?}", self.visibility);
                self.broken("no handler starts with less than half a lease", detail);
            }
        }
        self.runs_begun += 1;
        let run = Run {
            process,
            messages,
            began: now,
            is_single: attempt.is_some(),
        };
        self.runs.insert(self.runs_begun, run);
        self.runs_begun
    }

    /// Notes the end of a handler; one that its process did not survive is known already.
    pub(crate) fn handler_ended(&mut self, run: u64, end: End) {
        let Some(Run {
            messages, began, ..
        }) = self.runs.remove(&run)
        else {
            return;
        };
        let alone = |named: Option<usize>| match (named, &messages[..]) {
            (Some(index), _) => Some(messages[index]),
            (None, [message]) => Some(*message),
            (None, _) => None,
        };
        let timed_out = began.elapsed() >= self.handler_timeout;
        let (failed, rejected) = match end {
            End::Failed(named) => (alone(named), None),
            End::Rejected(named) => (None, alone(named)),
            End::Panicked => (alone(None), None),
            End::Cancelled if timed_out => (alone(None), None),
            End::NeedsNothing => {
                let event = self.messages[messages[0]].event;
                self.events[event].needs_nothing = true;
                (None, None)
            }
            End::Complained => {
                for message in &messages {
                    self.messages[*message].complaints += 1;
                }
                (None, None)
            }
            End::Done | End::Excused | End::Cancelled => (None, None),
        };
        if let Some(message) = failed {
            self.messages[message].failures += 1;
        }
        if let Some(message) = rejected {
            self.messages[message].rejections += 1;
        }
    }

    pub(crate) fn died(&mut self, process: u32) {
        let runs = self.runs.values().filter(|run| run.process == process);
        let running = runs.flat_map(|run| run.messages.iter().copied());
        let started = self.started.iter().filter(|(of, ..)| *of == process);
        let killed: BTreeSet<usize> = running
            .chain(started.map(|(_, message, _)| *message))
            .collect();
        for message in killed {
            let truth = &mut self.messages[message];
            truth.crashes += 1;
            // The first run is free, because nothing is known yet, and a ghost looks like it.
            if truth.crashes > self.attempts_max + 1 + truth.ghosts + truth.presumed {
                let detail = format!("m{message} takes process after process along: {truth:?}");
                self.broken("poison is contained", detail);
            }
        }
        self.runs.retain(|_, run| run.process != process);
        self.started.retain(|(of, ..)| *of != process);
    }

    pub(crate) fn committed(&mut self, events: &[usize]) {
        for event in events {
            self.events[*event].effects += 1;
            if self.events[*event].effects > 1 {
                let detail = format!("the effect of event {event} is there twice");
                self.broken("an effect is there once", detail);
            }
            self.check_order(*event);
            let mut messages = 0..self.messages.len();
            let is_dead = |message: usize| {
                self.messages[message].event == *event && self.is_surely_dead(message)
            };
            if messages.any(is_dead) {
                let detail = format!("event {event} took effect after its death");
                self.broken("an effect or a dead letter", detail);
            }
        }
    }

    /// Checks that the effects of a group come in the order of its messages.
    fn check_order(&mut self, event: usize) {
        let Some(group) = self.groups.get(&event) else {
            return;
        };
        // A second message of the event may take the place of the first, and a commit that
        // nobody waited for any more comes when it comes.
        if !self.is_alone(event) || self.events[event].had_late_commit {
            return;
        }
        let mut messages = self.messages.iter();
        let message = messages.position(|message| message.event == event);
        let message = message.expect("an event takes effect by a message");
        let before = self.group_heads.insert(*group, message);
        if before.is_some_and(|before| before > message) {
            let detail = format!("m{message} took effect after m{before:?} of its group");
            self.broken("the effects of a group are in order", detail);
        }
    }

    pub(crate) fn commits_late(&mut self, events: &[usize]) {
        for event in events {
            self.events[*event].had_late_commit = true;
        }
    }

    /// Checks a delete before it reaches the queue.
    pub(crate) fn deleting(&mut self, message: usize) {
        let MessageTruth {
            event,
            is_copy_confirmed,
            ..
        } = self.messages[message];
        let event = &self.events[event];
        if event.effects == 0 && !event.needs_nothing && !is_copy_confirmed {
            let detail = format!("m{message} is neither done nor copied");
            self.broken("nothing is deleted early", detail);
        }
    }

    /// Checks a dead-letter copy that has reached the queue.
    pub(crate) fn copied(&mut self, message: usize, failure: &Failure) {
        self.messages[message].copies += 1;
        let truth = &self.messages[message];
        let kind = self.events[truth.event].kind;
        let class = failure.class;
        let is_used_up = truth.charges_max() >= self.attempts_max;
        let is_honest = match class {
            FailureClass::AttemptsExhausted => is_used_up,
            FailureClass::CrashSuspect => is_used_up && truth.crashes > 0,
            FailureClass::Permanent => truth.rejections > 0,
            FailureClass::Undecodable => kind == Kind::Undecodable,
            FailureClass::UnknownType => {
                let waited = truth.first_received.map(|first| first.elapsed());
                kind == Kind::UnknownType
                    && waited.is_some_and(|waited| waited >= self.unknown_type_grace)
            }
            // Only SQS does that, and here no redrive policy is.
            FailureClass::ReceivesExhausted => false,
        };
        if !is_honest {
            let detail = format!("m{message}, {kind:?}: {class:?}, but {truth:?}");
            self.broken("nobody dies without a reason", detail);
        } else if self.events[truth.event].effects > 0 && !self.is_ambiguous(message) {
            // What is committed can be looked up, so this copy is a mistake, confirmed or not.
            let detail = format!("m{message}, {kind:?}: {class:?} after its effect");
            self.broken("an effect or a dead letter", detail);
        }
    }

    pub(crate) fn copy_confirmed(&mut self, message: usize) {
        self.messages[message].is_copy_confirmed = true;
    }

    /// Notes a row that a process has written into the ledger.
    pub(crate) fn recorded(&mut self, process: u32, message: usize, row: &Attempt) {
        let started = (process, message, row.receive);
        match row.outcome {
            AttemptOutcome::Started => self.started.insert(started),
            _ => self.started.remove(&started),
        };
    }

    /// Checks what the ledger charges a message, all its rows together.
    pub(crate) fn charged(&mut self, message: usize, rows: &[Attempt]) {
        let of = |outcome: fn(AttemptOutcome) -> bool| {
            let rows = rows.iter().filter(|row| outcome(row.outcome));
            u32::try_from(rows.count()).unwrap_or(u32::MAX)
        };
        let charged = of(AttemptOutcome::is_charged);
        let unfinished = of(|outcome| outcome == AttemptOutcome::Started);
        let pending = self.started.iter().filter(|(_, of, _)| *of == message);
        let pending = u32::try_from(pending.count()).unwrap_or(u32::MAX);
        let truth = &self.messages[message];
        if charged > truth.failed_max() || unfinished > truth.crashes + pending {
            let detail = format!("m{message}: {charged} + {unfinished} rows for {truth:?}");
            self.broken("attempts are honest", detail);
        }
    }

    /// Looks at the handlers at work, once in a while.
    pub(crate) fn look(&mut self) {
        let now = Instant::now();
        let is_over = |run: &Run| {
            let leases = run.messages.iter();
            let mut leases = leases.map(|message| self.leases.get(&(run.process, *message)));
            run.is_single && leases.any(|until| until.is_none_or(|until| *until < now))
        };
        let over = self.runs.iter().filter(|(_, run)| is_over(run));
        let over: BTreeSet<u64> = over.map(|(number, _)| *number).collect();
        let still = over.intersection(&self.overdue).next().copied();
        if let Some(run) = still.and_then(|number| self.runs.get(&number)) {
            let detail = format!("the handler of {:?} goes on", run.messages);
            self.broken("a lost lease cancels its handler", detail);
        }
        self.overdue = over;
    }

    /// Judges the end of every message, when the queue is empty.
    pub(crate) fn judge(&mut self) {
        for message in 0..self.messages.len() {
            let truth = &self.messages[message];
            let event = &self.events[truth.event];
            let is_dead = truth.copies > 0;
            let (may_succeed, may_die) = match event.kind {
                Kind::Succeeds | Kind::Flaky(_) | Kind::Works(_) | Kind::Calls(_) => (true, false),
                Kind::NothingToDo => (false, false),
                Kind::Poison
                | Kind::Rejects
                | Kind::TooSlow
                | Kind::Panics
                | Kind::Undecodable
                | Kind::UnknownType => (false, true),
            };
            let is_used_up = truth.charges_max() >= self.attempts_max;
            let has_effect = event.effects > 0;
            let complaint = match (has_effect, is_dead) {
                (false, false) if !event.needs_nothing => Some("lost"),
                (true, _) if !may_succeed => Some("done, against its kind"),
                (true, true) if self.is_surely_dead(message) => Some("both done and dead"),
                (false, true) if !may_die && !is_used_up => Some("dead, against its kind"),
                _ => None,
            };
            if let Some(complaint) = complaint {
                let detail = format!("m{message}, {:?}: {complaint}: {truth:?}", event.kind);
                self.broken("every message ends exactly once", detail);
            }
        }
    }

    /// Tells whether a message is dead, as somebody was told, and nothing explains an effect beside that.
    fn is_surely_dead(&self, message: usize) -> bool {
        self.messages[message].is_copy_confirmed && !self.is_ambiguous(message)
    }

    /// Tells whether a message may be both done and dead: by a commit that nobody waited for any
    /// more, by a process that stood still and was taken for dead, by a delivery that SQS had made
    /// before, or by a second message of its event.
    fn is_ambiguous(&self, message: usize) -> bool {
        let truth = &self.messages[message];
        truth.presumed > 0
            || truth.ghosts > 0
            || self.events[truth.event].had_late_commit
            || !self.is_alone(truth.event)
    }

    /// Tells whether an event has one message only.
    fn is_alone(&self, event: usize) -> bool {
        let of_event = |message: &&MessageTruth| message.event == event;
        self.messages.iter().filter(of_event).count() == 1
    }
}
