//! A site where the program `sturdy` works, and what its processes say of their work.

use std::collections::BTreeMap;

use serde_json::Value;
use tokio::process::Command;

use crate::patience::until;
use crate::probe::Probe;
use crate::process::Process;
use crate::site::Site;

/// No constraint keeps an effect from being there twice.
const TABLE: &str = "create table effects (event text not null, receives bigint not null)";

/// The site, with a table for effects.
#[derive(Debug)]
pub struct Workshop {
    /// Queues, database and environment.
    pub site: Site,
    program: &'static str,
}

/// A process at work.
#[derive(Debug)]
pub struct Hand {
    /// The process.
    pub process: Process,
    /// Its probes.
    pub probe: Probe,
}

/// The line that a process logs of a message at the end of each of its deliveries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// The MessageId.
    pub message: String,
    /// How often SQS had handed it out by then.
    pub receives: u64,
    /// What happened, such as `processed`.
    pub outcome: String,
    /// What became of the message, such as `deleted`.
    pub settlement: String,
}

impl Workshop {
    /// Opens one at a site; the program is `CARGO_BIN_EXE_sturdy`, which only a test knows.
    pub async fn new(site: Site, program: &'static str) -> Self {
        site.books.run(TABLE).await;
        Self { site, program }
    }

    /// Starts a process.
    pub fn launch(&self) -> Process {
        let mut command = Command::new(self.program);
        command.arg("run").env_clear().envs(&self.site.env);
        Process::start(command)
    }

    /// Starts a process and waits until it is ready.
    pub async fn start(&self) -> Hand {
        let mut process = self.launch();
        let probe = Probe::of(&mut process).await;
        probe.until_ready().await;
        Hand { process, probe }
    }

    /// Counts the effects.
    pub async fn effects(&self) -> u64 {
        self.site.books.count("effects").await
    }

    /// Waits until there are at least so many effects.
    pub async fn until_effects(&self, count: u64) {
        until(&format!("there are {count} effects"), || async {
            (self.effects().await >= count).then_some(())
        })
        .await;
    }

    /// Checks that each of so many jobs had its effect once, and that nothing was charged or died.
    pub async fn assert_each_done_once(&self, jobs: u64) {
        let books = &self.site.books;
        let twice = "(select event from effects group by event having count(*) > 1) e";
        assert_eq!(books.count(twice).await, 0, "an effect is there twice");
        assert_eq!(self.effects().await, jobs);
        self.assert_nobody_blamed().await;
    }

    /// Checks that nothing was charged or died.
    pub async fn assert_nobody_blamed(&self) {
        let charged = "select * from fleet.attempts where charged limit 3";
        let charged = self.site.books.rows(charged).await;
        assert!(charged.is_empty(), "charged: {charged:?}");
        assert_eq!(self.site.dead_letters.counts().await.total(), 0);
    }
}

impl Report {
    /// Finds the reports in the log of a process.
    pub fn find_in(log: &str) -> Vec<Self> {
        log.lines().filter_map(Self::read).collect()
    }

    /// Returns how often SQS has handed out each message that is reported on.
    pub fn receives(reports: &[Self]) -> BTreeMap<&str, u64> {
        let mut receives = BTreeMap::new();
        for report in reports {
            let most: &mut u64 = receives.entry(report.message.as_str()).or_default();
            *most = report.receives.max(*most);
        }
        receives
    }

    fn read(line: &str) -> Option<Self> {
        let line: Value = serde_json::from_str(line).ok()?;
        let text = |name: &str| Some(line.get(name)?.as_str()?.to_owned());
        Some(Self {
            message: text("message.id")?,
            receives: line.get("message.receives")?.as_u64()?,
            outcome: text("outcome")?,
            settlement: text("settlement")?,
        })
    }
}
