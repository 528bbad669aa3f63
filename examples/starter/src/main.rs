//! Keeps track of parcels. The list in `main` is the program's table of contents.
#![forbid(unsafe_code)]

mod parcel_scanned;
mod record_scan;
mod storage;

use std::process::ExitCode;

use fleet::Consumer;
use fleet_cli::App;

fn main() -> ExitCode {
    App::new("parcels", env!("CARGO_PKG_VERSION"))
        .migrations(storage::MIGRATIONS)
        .consumer(Consumer::new("tracking").handler(record_scan::RecordScan))
        .main()
}
