use std::fmt;
use std::time::{Duration, Instant};

use fleet_chaos::mutant::Mutant;
use fleet_chaos::role::LEDGER;
use fleet_tests::patience::until;
use fleet_tests::process::{Process, Signal};
use fleet_tests::workshop::Report;

use crate::letters::{Letter, letters};
use crate::points::{Kind, Mode, Point, Story};
use crate::stage::Stage;
use crate::verdict;

/// How `abort` and SIGKILL end a process.
const SIGABRT: i32 = 6;
const SIGKILL: i32 = 9;

/// The shortest lease that goes with receives of one second, so that it is extended soon.
const SHORT_LEASE_SECS: &str = "12";

/// How long a replay hides what it works on. Who goes on waits for it, by the clock on the wall.
const REPLAY_LEASE: &str = "6s";

/// A receive that is still waiting when the process is told to end.
const LONG_WAIT: (&str, &str) = ("LEDGER_RECEIVE_WAIT", "20s");

/// One process that dies at one point, and the ones that go on.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Case {
    pub(crate) point: Point,
    pub(crate) mode: Mode,
    pub(crate) kind: Kind,
    /// A mistake that its processes make, to see whether it is caught.
    pub(crate) mutant: Option<Mutant>,
}

/// What a case came to.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Told {
    /// How often messages were received again.
    pub(crate) redeliveries: u64,
    pub(crate) took: Duration,
}

impl Case {
    /// Lets a process die, another one go on, and checks what is left.
    pub(crate) async fn run(self) -> Told {
        let began = Instant::now();
        let stage = Stage::new(self.kind, self.mutant).await;
        let letters = letters(self.point.story);
        match self.point.story {
            Story::Work | Story::ClosedBank => {
                stage.send(&letters).await;
                self.strike(self.start(&stage, &["run", LEDGER], &[])).await;
            }
            Story::Suspects => {
                stage.send(&letters).await;
                stage.receive_in_vain().await;
                self.strike(self.start(&stage, &["run", LEDGER], &[])).await;
            }
            Story::LongWork => {
                let lease = SHORT_LEASE_SECS;
                stage.queue.set("VisibilityTimeout", lease).await;
                stage.send(&letters).await;
                self.strike(self.start(&stage, &["run", LEDGER], &[])).await;
            }
            Story::Stop => self.stop(&stage, &letters).await,
            Story::StopIdle => self.stop_idle(&stage, &letters).await,
            Story::Relay => {
                stage.send(&letters).await;
                work(&stage).await;
                self.strike(self.start(&stage, &["relay"], &[])).await;
            }
            Story::Replay => self.replay(&stage, &letters).await,
        }
        stage.outlast_leases().await;
        let relay = stage.start_ready(&["relay"]).await;
        let log = match self.point.story {
            Story::Relay => String::new(),
            _ => work(&stage).await,
        };
        let unsent = "fleet.outbox where sent_at is null";
        stage.books.until_count(unsent, 0).await;
        end(relay).await;
        verdict::check(self, &stage, &letters).await;
        Told {
            redeliveries: redeliveries(&log),
            took: began.elapsed(),
        }
    }

    /// Starts a program that stops at the point.
    fn start(self, stage: &Stage, arguments: &[&str], more: &[(&str, &str)]) -> Process {
        let Point { name, nth, .. } = self.point;
        let end = match self.mode {
            Mode::Abort => "abort",
            Mode::Hang => "hang",
        };
        let failpoint = format!("{name}:{nth}={end}");
        let more = [&[("FLEET_FAILPOINT", failpoint.as_str())], more].concat();
        stage.start_with(arguments, &more)
    }

    /// Waits until a process has come to the point, and sees it dead.
    async fn strike(self, mut process: Process) {
        process
            .says(&format!("failpoint {}", self.point.name))
            .await;
        let signal = match self.mode {
            Mode::Abort => SIGABRT,
            Mode::Hang => {
                process.signal(Signal::Kill);
                SIGKILL
            }
        };
        let ended = process.ended().await;
        assert_eq!(ended.killed_by(), Some(signal), "{}", ended.stderr);
    }

    async fn stop(self, stage: &Stage, letters: &[Letter]) {
        stage.send(letters).await;
        let process = self.start(stage, &["run", LEDGER], &[]);
        until("something is booked", || async {
            (stage.books.count("ledger.entries").await > 0).then_some(())
        })
        .await;
        process.signal(Signal::Terminate);
        self.strike(process).await;
    }

    async fn stop_idle(self, stage: &Stage, letters: &[Letter]) {
        let mut process = self.start(stage, &["run", LEDGER], &[LONG_WAIT]);
        stage.until_asked().await;
        process.signal(Signal::Terminate);
        process.says("shutting down").await;
        stage.send(letters).await;
        self.strike(process).await;
    }

    async fn replay(self, stage: &Stage, letters: &[Letter]) {
        let replay = [
            "dlq",
            "replay",
            LEDGER,
            "--yes",
            "--json",
            "--lease",
            REPLAY_LEASE,
        ];
        stage.bury(letters).await;
        let mut process = self.start(stage, &replay, &[]);
        let id = process
            .find_in_stderr(|line| {
                let (id, _) = line.strip_prefix("replay ")?.split_once(" begins")?;
                Some(id.to_owned())
            })
            .await;
        self.strike(process).await;
        stage.outlast_leases().await;
        // Either way is good: to resume it, and to begin anew.
        let resume = ["--resume", id.as_str()];
        let more: &[&str] = match self.mode {
            Mode::Abort => &[],
            Mode::Hang => &resume,
        };
        let process = stage.start(&[&replay, more].concat());
        let summary = process.ended().await.with_code(0).json();
        assert_eq!(summary["state"], "done", "{summary}");
    }
}

impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            point, mode, kind, ..
        } = self;
        write!(f, "{:<22} {mode:<6?} {kind:<9?}", point.name)
    }
}

/// Lets a consumer work until its queue is empty, and returns its log.
async fn work(stage: &Stage) -> String {
    let process = stage.start_ready(&["run", LEDGER]).await;
    stage.queue.until_holds(0).await;
    end(process).await
}

/// Ends a process in order, and returns its log.
async fn end(process: Process) -> String {
    process.signal(Signal::Terminate);
    process.ended().await.with_code(0).stderr
}

/// Counts in the log of a process how often the messages it got had been received before.
fn redeliveries(log: &str) -> u64 {
    let reports = Report::find_in(log);
    let receives = Report::receives(&reports);
    receives.values().map(|receives| receives - 1).sum()
}
