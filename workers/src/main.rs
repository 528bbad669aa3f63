//! The reference fleet: this list is its table of contents.
#![forbid(unsafe_code)]

use std::process::ExitCode;

use fleet_cli::App;
use fleet_workers::{OrderIntake, billing, migrations};

fn main() -> ExitCode {
    App::new("fleet", env!("CARGO_PKG_VERSION"))
        .commit(env!("FLEET_COMMIT"))
        .migrations(migrations())
        .intake(OrderIntake::new())
        .consumer(billing::consumer())
        .main()
}
