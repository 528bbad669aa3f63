//! One process of the fleet: started again whenever it ends, until it is told to stay away.

use std::fs::File;
use std::process::ExitStatus;
use std::sync::Arc;
use std::time::Duration;

use fleet_tests::probe::Probe;
use fleet_tests::sockets::listening_ports;
use tokio::process::{Child, Command};
use tokio::sync::mpsc;
use tokio::time::{MissedTickBehavior, interval, timeout};

use crate::place::Place;
use crate::signal::Signal;

/// How often the numbers of a process are read.
const SCRAPE_PERIOD: Duration = Duration::from_millis(700);

/// How long that may take: nothing else is done to the process meanwhile.
const SCRAPE_LIMIT: Duration = Duration::from_millis(500);

/// How long a process may take to end after SIGTERM: its grace, the tail, and a busy machine.
const END_LIMIT: Duration = Duration::from_secs(30);

/// How long a process may take to begin on a busy machine, and how often that is looked at.
const BEGIN_LIMIT: Duration = Duration::from_secs(10);
const LOOK_PERIOD: Duration = Duration::from_millis(20);

/// How often one may end by itself before it is left alone: the run is broken by then.
const DEATHS_MAX: usize = 5;

/// What a process does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// It books transfers.
    Worker,
    /// It publishes what they leave in the outbox.
    Relay,
}

/// What is done to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// SIGKILL.
    Kill,
    /// SIGSTOP.
    Stop,
    /// SIGCONT.
    Continue,
    /// SIGTERM; another one follows.
    Terminate,
    /// SIGTERM; nobody follows.
    Leave,
}

/// How a process ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum End {
    /// It was killed, as asked.
    Killed,
    /// It ended with 0 after SIGTERM.
    Left,
    /// It ended otherwise, and this is how.
    Died(String),
}

/// A process that is over.
#[derive(Clone, Debug)]
pub struct Life {
    /// Such as `ledger-1.17`.
    pub name: String,
    /// Its access key, which nobody else had.
    pub key: String,
    /// How it ended.
    pub end: End,
    /// How often it was stopped for longer than a lease.
    pub stops: u32,
    /// The last numbers that were read of it, if there were any, as its `/metrics` wrote them.
    pub scrape: Option<String>,
}

/// A place in the crew, and who is there at the moment.
#[derive(Debug)]
pub struct Member {
    kind: Kind,
    number: usize,
    place: Arc<Place>,
    orders: mpsc::UnboundedReceiver<Order>,
    incarnation: u32,
}

/// A process that runs.
struct Alive {
    child: Child,
    id: u32,
    /// What was asked of it that ends it.
    asked: Option<Order>,
    is_stopped: bool,
    life: Life,
}

impl Member {
    /// Makes one whose orders come from elsewhere.
    pub fn new(
        kind: Kind,
        number: usize,
        place: Arc<Place>,
        orders: mpsc::UnboundedReceiver<Order>,
    ) -> Self {
        Self {
            kind,
            number,
            place,
            orders,
            incarnation: 0,
        }
    }

    /// Keeps a process running until it is told to leave, and returns all that there were.
    ///
    /// # Cancellation
    ///
    /// Kills the process.
    pub async fn serve(mut self) -> Vec<Life> {
        let mut lives = Vec::new();
        let mut deaths = 0;
        loop {
            let alive = self.start();
            let (life, stays_away) = self.attend(alive).await;
            deaths += usize::from(matches!(life.end, End::Died(_)));
            lives.push(life);
            if stays_away || deaths >= DEATHS_MAX {
                return lives;
            }
        }
    }

    fn start(&mut self) -> Alive {
        self.incarnation += 1;
        let role = match self.kind {
            Kind::Worker => "ledger",
            Kind::Relay => "relay",
        };
        let name = format!("{role}-{}.{}", self.number, self.incarnation);
        let key = format!("AKID{}", name.to_uppercase().replace(['-', '.'], "X"));
        let mut command = Command::new(&self.place.program);
        match self.kind {
            Kind::Worker => command.args(["run", "ledger"]),
            Kind::Relay => command.arg("relay"),
        };
        let file = |stream: &str| {
            let path = self.place.work.join(format!("{name}.{stream}"));
            File::create(path).expect("the work directory can be written")
        };
        command
            .env_clear()
            .envs(self.place.environment(&key))
            .process_group(self.place.group)
            .stdin(std::process::Stdio::null())
            .stdout(file("stdout"))
            .stderr(file("stderr"))
            .kill_on_drop(true);
        let child = command.spawn().expect("this program can be started");
        Alive {
            id: child.id().expect("it was not waited for yet"),
            child,
            asked: None,
            is_stopped: false,
            life: Life {
                name,
                key,
                end: End::Killed,
                stops: 0,
                scrape: None,
            },
        }
    }

    /// Does to a process what is ordered, until it ends; tells whether another one is to follow.
    async fn attend(&mut self, mut alive: Alive) -> (Life, bool) {
        let mut stays_away = false;
        let mut scrapes = interval(SCRAPE_PERIOD);
        scrapes.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                biased;
                status = alive.child.wait() => {
                    alive.life.end = end(alive.asked, &status.expect("it is ours"));
                    return (alive.life, stays_away);
                }
                order = self.orders.recv(), if !stays_away => {
                    let order = order.unwrap_or(Order::Leave);
                    if order == Order::Leave {
                        stays_away = true;
                        alive.scrape().await;
                    }
                    alive.obey(order).await;
                }
                _ = scrapes.tick(), if alive.asked.is_none() && !alive.is_stopped => {
                    alive.scrape().await;
                }
                () = overdue(stays_away) => alive.kill_overdue().await,
            }
        }
    }
}

impl Alive {
    async fn obey(&mut self, order: Order) {
        match order {
            Order::Kill => {
                self.asked = Some(Order::Kill);
                // It may have ended by itself just now; its status will say.
                let _ends = self.child.start_kill();
            }
            Order::Stop => {
                Signal::Stop.send(self.id).await;
                self.is_stopped = true;
                self.life.stops += 1;
            }
            Order::Continue => {
                Signal::Continue.send(self.id).await;
                self.is_stopped = false;
            }
            Order::Terminate | Order::Leave => {
                self.begins().await;
                self.asked.get_or_insert(Order::Terminate);
                Signal::Terminate.send(self.id).await;
                if self.is_stopped {
                    Signal::Continue.send(self.id).await;
                    self.is_stopped = false;
                }
            }
        }
    }

    /// Waits until it answers: before that, SIGTERM ends it as it ends any program.
    async fn begins(&self) {
        let mut looks = interval(LOOK_PERIOD);
        let answers = async {
            loop {
                looks.tick().await;
                if let Some(probe) = self.probe()
                    && probe.get("/livez").await.is_some()
                {
                    return;
                }
            }
        };
        // Who does not begin has died, or is stopped or stuck: its end will tell.
        let _ends = timeout(BEGIN_LIMIT, answers).await;
    }

    /// Finds where it answers, once it listens.
    fn probe(&self) -> Option<Probe> {
        let port = listening_ports(self.id).first().copied()?;
        Some(Probe::at(([127, 0, 0, 1], port).into()))
    }

    /// Reads its numbers, if it listens yet and answers soon.
    async fn scrape(&mut self) {
        let Some(probe) = self.probe() else {
            return;
        };
        if let Ok(Some(answer)) = timeout(SCRAPE_LIMIT, probe.get("/metrics")).await
            && answer.status == 200
        {
            self.life.scrape = Some(answer.body);
        }
    }

    async fn kill_overdue(&mut self) {
        self.asked = None;
        let _ends = self.child.start_kill();
    }
}

/// Is over when a process that was asked to leave has had its time.
async fn overdue(stays_away: bool) {
    match stays_away {
        true => tokio::time::sleep_until(tokio::time::Instant::now() + END_LIMIT).await,
        false => std::future::pending().await,
    }
}

/// Judges how a process ended by what was asked of it.
fn end(asked: Option<Order>, status: &ExitStatus) -> End {
    use std::os::unix::process::ExitStatusExt as _;
    match (asked, status.signal(), status.code()) {
        (Some(Order::Kill), Some(9), _) => End::Killed,
        // Asked to end, it may have done so before the kill came.
        (Some(Order::Kill | Order::Terminate), _, Some(0)) => End::Left,
        _ => End::Died(status.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::process::ExitStatusExt as _;

    use super::*;

    #[test]
    fn only_what_was_asked_for_is_a_good_end() {
        let check = |asked, raw: i32, is_good: bool| {
            let end = end(asked, &ExitStatus::from_raw(raw));
            assert_eq!(!matches!(end, End::Died(_)), is_good, "{asked:?} {end:?}");
        };
        let code = |code: i32| code << 8;
        check(Some(Order::Kill), 9, true);
        check(Some(Order::Terminate), code(0), true);
        check(Some(Order::Terminate), code(1), false);
        check(Some(Order::Terminate), 15, false);
        check(Some(Order::Terminate), 9, false);
        check(Some(Order::Kill), code(101), false);
        check(Some(Order::Kill), 6, false);
        check(None, code(0), false);
        check(None, 9, false);
        check(None, 11, false);
    }
}
