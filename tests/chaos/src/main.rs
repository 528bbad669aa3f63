//! The experiment, and each process of the fleet in it.
#![forbid(unsafe_code)]

use std::io::{self, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use fleet_chaos::options::Options;
use fleet_chaos::{attack, role, teeth};
use tokio::signal::unix::{SignalKind, signal};

/// Broken, or not carried out.
const BROKEN: u8 = 1;

/// As of a shell whose command was interrupted.
const INTERRUPTED: u8 = 130;

/// Real processes of a fleet, killed while they work; a checker says what was lost and what doubled.
#[derive(Debug, Parser)]
#[command(version)]
enum Command {
    Attack(Options),
    /// Attacks five broken fleets, each with a mistake that consumers of queues are known to make,
    /// and ours; ends with 0 if the five were found out and ours was not.
    Teeth {
        /// Where all chance comes from; a new one each time if it is missing
        #[arg(long, value_name = "SEED", default_value_t = rand::random::<u32>().into(), hide_default_value = true)]
        seed: u64,
        /// Beside which file the processes write their logs
        #[arg(long, value_name = "FILE", default_value = "target/chaos/teeth.json")]
        report: PathBuf,
    },
}

fn main() -> ExitCode {
    if std::env::var_os(role::ROLE).is_some() {
        return role::main();
    }
    match Command::parse() {
        Command::Attack(options) => experiment(options.seed, attack_and_report(&options)),
        Command::Teeth { seed, report } => experiment(seed, teeth::show(seed, &report)),
    }
}

async fn attack_and_report(options: &Options) -> anyhow::Result<bool> {
    let report = attack::attack(options).await?;
    report.write()?;
    report.print();
    Ok(report.verdict.is_whole())
}

#[tokio::main]
async fn experiment(seed: u64, work: impl Future<Output = anyhow::Result<bool>>) -> ExitCode {
    let ended = tokio::select! {
        ended = work => ended,
        () = interrupted() => {
            complain(&format!("interrupted, and everything ended; --seed {seed} repeats it"));
            return INTERRUPTED.into();
        }
    };
    match ended {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => BROKEN.into(),
        Err(error) => {
            complain(&format!("{error:#}"));
            BROKEN.into()
        }
    }
}

/// Says a line on stderr; if nobody can hear it, the exit code has to do.
fn complain(what: &str) {
    let _unheard = writeln!(io::stderr(), "fleet-chaos: {what}");
}

/// Is over with Ctrl-C or SIGTERM.
async fn interrupted() {
    let mut asked = [SignalKind::interrupt(), SignalKind::terminate()]
        .map(|kind| signal(kind).expect("signals can be caught"));
    let [interrupt, terminate] = &mut asked;
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
}
