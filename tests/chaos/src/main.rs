//! The experiment, and each process of the fleet in it.
#![forbid(unsafe_code)]

use std::process::ExitCode;

use fleet_chaos::role;

fn main() -> ExitCode {
    if std::env::var_os(role::ROLE).is_some() {
        return role::main();
    }
    ExitCode::from(2)
}
