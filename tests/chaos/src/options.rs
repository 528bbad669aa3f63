//! What a run is asked for.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use serde::{Serialize, Serializer};
use sqs_local::{FaultPlan, FaultPlanError};

use crate::mutant::Mutant;
use crate::plan::Terms;

/// Attacks a fleet of real processes while it works, and checks that nothing was lost or doubled.
///
/// Starts a Postgres and an sqs-local of its own, sends transfers to four workers and two relays for
/// as long as the storm lasts, kills and stops all of these meanwhile, then lets them come to rest
/// and compares what is there with what was sent. Ends with 0 if every promise was kept, with 1 if
/// one was broken, with 2 if the options are wrong, with 130 after Ctrl-C.
#[derive(Clone, Debug, Args, Serialize)]
pub struct Options {
    /// How many transfers are sent
    #[arg(long, value_name = "N", default_value_t = 10_000, value_parser = clap::value_parser!(u32).range(1..=10_000_000))]
    pub messages: u32,
    /// How long the storm lasts, in seconds; over 16 s somebody is stopped for longer than a lease
    #[arg(long, value_name = "S", default_value_t = 30, value_parser = clap::value_parser!(u64).range(1..=86_400))]
    pub seconds: u64,
    /// How many processes are killed at least
    #[arg(long, value_name = "K", default_value_t = 30)]
    pub kills: u32,
    /// How often Postgres crashes
    #[arg(long, value_name = "C", default_value_t = 1)]
    pub crashes: u32,
    /// Where all chance comes from; a new one each time if it is missing
    #[arg(long, value_name = "SEED", default_value_t = rand::random::<u32>().into(), hide_default_value = true)]
    pub seed: u64,
    /// How many workers there are
    #[arg(long, value_name = "N", default_value_t = 4, value_parser = clap::value_parser!(u8).range(1..=64))]
    pub workers: u8,
    /// How many relays there are
    #[arg(long, value_name = "N", default_value_t = 2, value_parser = clap::value_parser!(u8).range(1..=64))]
    pub relays: u8,
    /// A broken fleet instead, to see that it is found out: acknowledge-first, claim-apart,
    /// key-is-message-id, no-claim or delete-before-copy
    #[arg(long, value_name = "NAME")]
    #[serde(serialize_with = "by_name")]
    pub mutant: Option<Mutant>,
    /// What else goes wrong with calls to SQS while the storm lasts, in the words of sqs-local
    #[arg(long, value_name = "SPEC", default_value = "", hide_default_value = true, value_parser = fault_plan)]
    pub faults: String,
    /// Where the report goes
    #[arg(long, value_name = "FILE", default_value = "target/chaos/report.json")]
    pub report: PathBuf,
    /// The make target that this is, for the line that says how to repeat it
    #[arg(long, value_name = "TARGET")]
    pub make: Option<String>,
}

impl Options {
    /// Returns what the plan is made of.
    pub fn terms(&self) -> Terms {
        Terms {
            seed: self.seed,
            storm: Duration::from_secs(self.seconds),
            kills: self.kills,
            crashes: self.crashes,
            members: usize::from(self.workers) + usize::from(self.relays),
        }
    }

    /// Returns what to type for the same run.
    pub fn repeat(&self) -> String {
        let Self {
            messages,
            seconds,
            kills,
            crashes,
            seed,
            workers,
            relays,
            ..
        } = self;
        if let Some(target) = &self.make {
            return format!("make {target} SEED={seed}");
        }
        let mutant = self.mutant.map(|mutant| format!(" --mutant {mutant}"));
        let faults = match self.faults.as_str() {
            "" => String::new(),
            spec => format!(" --faults '{spec}'"),
        };
        format!(
            "fleet-chaos attack --messages {messages} --seconds {seconds} --kills {kills} \
             --crashes {crashes} --workers {workers} --relays {relays} --seed {seed}{}{faults}",
            mutant.unwrap_or_default()
        )
    }
}

/// Checks a plan of faults, and keeps its words.
fn fault_plan(spec: &str) -> Result<String, FaultPlanError> {
    spec.parse::<FaultPlan>().map(|_| spec.to_owned())
}

fn by_name<S: Serializer>(mutant: &Option<Mutant>, serializer: S) -> Result<S::Ok, S::Error> {
    mutant.map(Mutant::name).serialize(serializer)
}
