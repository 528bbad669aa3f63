//! A process of the fleet under attack.

use std::process::ExitCode;

use fleet::Consumer;
use fleet::store::Subscription;
use fleet_cli::App;

use crate::detour::{BookTogether, Struggle};
use crate::ledger::{Book, Hear, migrations};
use crate::mutant::{MUTANT, Mutant};

/// The consumer of transfers; its queue is `LEDGER_QUEUE_URL`.
pub const LEDGER: &str = "ledger";

/// The consumer of what was posted; its queue is `DOWNSTREAM_QUEUE_URL`.
pub const DOWNSTREAM: &str = "downstream";

/// The variable whose presence makes a process of the fleet of this binary.
pub const ROLE: &str = "CHAOS_ROLE";

/// Does what a fleet's command line says: `run ledger`, `relay`, `migrate`, `dlq`, all of it.
pub fn main() -> ExitCode {
    let mut app = App::new("fleet-chaos", env!("CARGO_PKG_VERSION")).migrations(migrations());
    for consumer in consumers() {
        app = app.consumer(consumer);
    }
    match std::env::var(MUTANT).map(|name| name.parse::<Mutant>()) {
        Err(_unset) => app.main(),
        Ok(mutant) => {
            let mutant = mutant.expect("the experiment names mutants that there are");
            app.refit(move |parts| mutant.refit(parts)).main()
        }
    }
}

/// Returns who is told of what, as `migrate` writes it down.
pub fn subscriptions() -> Vec<Subscription> {
    let subscribed = |consumer: &Consumer| {
        let consumer_name = consumer.name();
        let subscription = move |event_type: &str| Subscription {
            event_type: event_type.to_owned(),
            consumer: consumer_name.to_owned(),
        };
        let types = consumer.event_types();
        types.into_iter().map(subscription).collect::<Vec<_>>()
    };
    consumers().iter().flat_map(subscribed).collect()
}

fn consumers() -> [Consumer; 2] {
    [
        Consumer::new(LEDGER)
            .handler(Book)
            .handler(Struggle)
            .batch_handler(BookTogether),
        Consumer::new(DOWNSTREAM).handler(Hear),
    ]
}
