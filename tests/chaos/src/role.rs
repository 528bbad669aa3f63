//! A process of the fleet under attack.

use std::process::ExitCode;

use fleet::Consumer;
use fleet_cli::App;

use crate::ledger::{Book, Hear, migrations};

/// The consumer of transfers; its queue is `LEDGER_QUEUE_URL`.
pub const LEDGER: &str = "ledger";

/// The consumer of what was posted; its queue is `DOWNSTREAM_QUEUE_URL`.
pub const DOWNSTREAM: &str = "downstream";

/// The variable whose presence makes a process of the fleet of this binary.
pub const ROLE: &str = "CHAOS_ROLE";

/// Does what a fleet's command line says: `run ledger`, `relay`, `migrate`, `dlq`, all of it.
pub fn main() -> ExitCode {
    App::new("fleet-chaos", env!("CARGO_PKG_VERSION"))
        .consumer(Consumer::new(LEDGER).handler(Book))
        .consumer(Consumer::new(DOWNSTREAM).handler(Hear))
        .migrations(migrations())
        .main()
}
