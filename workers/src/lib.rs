//! The reference domains of the fleet.
//!
//! A domain owns its schema in Postgres and meets the others through events
//! alone. `main.rs` registers them; nothing else knows the whole list.
#![forbid(unsafe_code)]

pub mod orders;

pub mod billing;

mod intake;

use fleet::store::{Migration, Migrations};

pub use intake::OrderIntake;

/// Returns the migrations of the domains' own tables.
pub const fn migrations() -> Migrations {
    Migrations {
        owner: "workers",
        steps: &[
            Migration {
                number: 1,
                name: "orders",
                sql: include_str!("../../migrations/0001_orders.sql"),
            },
            Migration {
                number: 2,
                name: "billing",
                sql: include_str!("../../migrations/0002_billing.sql"),
            },
        ],
    }
}
