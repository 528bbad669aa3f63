//! Carries out a plan.

use std::sync::atomic::{AtomicU64, Ordering};

use serde::Serialize;
use tokio::join;
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

use crate::crew::Crew;
use crate::member::Order;
use crate::plan::{Blow, LOST_COMMIT_RATE, Plan, Shock, Strike};
use crate::postgres::{Access, Postgres};
use crate::sqs::Sqs;

/// What was done so far.
#[derive(Debug, Default)]
pub struct Toll {
    kills: AtomicU64,
    stops: AtomicU64,
    terminations: AtomicU64,
    crashes: AtomicU64,
    read_only: AtomicU64,
}

/// What was done, as numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Done {
    /// SIGKILLs.
    pub kills: u64,
    /// SIGSTOPs for longer than a lease.
    pub stops: u64,
    /// SIGTERMs.
    pub terminations: u64,
    /// Crashes of Postgres.
    pub crashes: u64,
    /// Times in which Postgres only read.
    pub read_only: u64,
}

/// Who does it, and to whom.
#[derive(Debug)]
pub struct Nemesis<'a> {
    /// The processes.
    pub crew: &'a Crew,
    /// Their database.
    pub postgres: &'a Postgres,
    /// Their queues.
    pub sqs: &'a Sqs,
    /// What was done.
    pub toll: &'a Toll,
    /// Where chance comes from that the plan leaves open.
    pub seed: u64,
}

impl Toll {
    /// Reads it.
    pub fn done(&self) -> Done {
        let read = |count: &AtomicU64| count.load(Ordering::Relaxed);
        Done {
            kills: read(&self.kills),
            stops: read(&self.stops),
            terminations: read(&self.terminations),
            crashes: read(&self.crashes),
            read_only: read(&self.read_only),
        }
    }
}

impl Nemesis<'_> {
    /// Does all of it at its time, or later where the machine is slow, and lets go of everything.
    ///
    /// # Errors
    ///
    /// Something that is ours cannot be attacked any more.
    ///
    /// # Cancellation
    ///
    /// What was done so far stays so: use the token.
    pub async fn strike(&self, plan: &Plan, stop: &CancellationToken) -> anyhow::Result<()> {
        self.sqs.set_faults(&plan.faults).await?;
        self.postgres.lose_commits(LOST_COMMIT_RATE, self.seed);
        let began = Instant::now();
        let ((), shocked) = join!(
            self.beat(&plan.blows, began, stop),
            self.shock(&plan.shocks, began, stop)
        );
        shocked?;
        self.postgres.lose_commits(0.0, self.seed);
        self.postgres.turn(Access::ReadWrite).await?;
        self.sqs.clear_faults().await
    }

    async fn beat(&self, blows: &[Strike<Blow>], began: Instant, stop: &CancellationToken) {
        for strike in blows {
            if !is_due(strike, began, stop).await {
                return;
            }
            let (member, order, count) = match strike.what {
                Blow::Kill(member) => (member, Order::Kill, Some(&self.toll.kills)),
                Blow::Stop(member) => (member, Order::Stop, Some(&self.toll.stops)),
                Blow::Continue(member) => (member, Order::Continue, None),
                Blow::Terminate(member) => {
                    (member, Order::Terminate, Some(&self.toll.terminations))
                }
            };
            self.crew.order(member, order);
            if let Some(count) = count {
                count.fetch_add(1, Ordering::Relaxed);
            }
        }
    }

    async fn shock(
        &self,
        shocks: &[Strike<Shock>],
        began: Instant,
        stop: &CancellationToken,
    ) -> anyhow::Result<()> {
        for strike in shocks {
            if !is_due(strike, began, stop).await {
                break;
            }
            match strike.what {
                Shock::Crash => {
                    self.postgres.crash().await?;
                    self.toll.crashes.fetch_add(1, Ordering::Relaxed);
                }
                Shock::ReadOnly => {
                    self.postgres.turn(Access::ReadOnly).await?;
                    self.toll.read_only.fetch_add(1, Ordering::Relaxed);
                }
                Shock::Writable => self.postgres.turn(Access::ReadWrite).await?,
            }
        }
        Ok(())
    }
}

/// Waits for the time of a strike; tells whether it is to be done at all.
async fn is_due<T>(strike: &Strike<T>, began: Instant, stop: &CancellationToken) -> bool {
    tokio::select! {
        biased;
        () = stop.cancelled() => false,
        () = sleep_until(began + strike.at) => true,
    }
}
