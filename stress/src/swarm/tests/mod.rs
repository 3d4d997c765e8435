//! That the plans are what they say, and that every oracle finds what it is there to find.

mod ledger;
mod plans;
mod processes;
mod verdict;
mod watchdog;
mod whole;

use std::time::Duration;

use super::load::Order;

const PATIENCE: Duration = Duration::from_secs(120);

fn order(sequence: u64) -> Order {
    Order {
        stream: 1,
        sequence,
        fuel: 0,
        explosive: false,
    }
}
