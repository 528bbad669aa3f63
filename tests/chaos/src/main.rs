//! The experiment, and each process of the fleet in it.
#![forbid(unsafe_code)]

use std::io::{self, Write as _};
use std::process::ExitCode;

use clap::Parser;
use fleet_chaos::options::Options;
use fleet_chaos::{attack, role};
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
}

fn main() -> ExitCode {
    if std::env::var_os(role::ROLE).is_some() {
        return role::main();
    }
    let Command::Attack(options) = Command::parse();
    experiment(&options)
}

#[tokio::main]
async fn experiment(options: &Options) -> ExitCode {
    let attacked = tokio::select! {
        attacked = attack::attack(options) => attacked,
        () = interrupted() => {
            let seed = options.seed;
            complain(&format!("interrupted, and everything ended; --seed {seed} repeats it"));
            return INTERRUPTED.into();
        }
    };
    let written = attacked.and_then(|report| {
        report.write()?;
        report.print();
        Ok(report.verdict.is_whole())
    });
    match written {
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
