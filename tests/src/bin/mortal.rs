//! The reference fleet, built with failpoints, so that a test can stop it at a place and kill it.
#![forbid(unsafe_code)]

use std::process::ExitCode;

use fleet_cli::App;
use fleet_workers::{OrderIntake, billing, migrations};

fn main() -> ExitCode {
    App::new("fleet", env!("CARGO_PKG_VERSION"))
        .migrations(migrations())
        .intake(OrderIntake::new())
        .consumer(billing::consumer())
        .main()
}
