//! What swarms did, added up.

use d3::WorkerStats;
use serde_json::{Value, json};

use crate::output::{Table, count};

use super::books::Books;
use super::plan::{Plan, ReaderPlan};

macro_rules! totals {
    ($($name:ident: $words:literal),+ $(,)?) => {
        /// What one swarm did, or many.
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        pub(crate) struct Totals {
            $(pub(crate) $name: u64),+
        }

        impl Totals {
            pub(crate) fn add(&mut self, other: &Self) {
                $(self.$name += other.$name;)+
            }

            pub(crate) fn json(&self) -> Value {
                json!({ $(stringify!($name): self.$name),+ })
            }

            /// What [`json`](Self::json) wrote; None if anything is missing.
            pub(crate) fn from_json(value: &Value) -> Option<Self> {
                Some(Self { $($name: value.get(stringify!($name))?.as_u64()?),+ })
            }

            pub(crate) fn table(&self, title: &str) -> Table {
                let mut table = Table::new(title, &[]);
                $(table.row([$words.to_owned(), count(self.$name)]);)+
                table
            }
        }
    };
}

totals! {
    seeds: "swarms",
    machines: "machines connected",
    births: "machines connected by machines",
    received: "instructions received",
    polled: "instructions read from channels by machines",
    returned: "instructions handed back",
    dead: "instructions dropped at a machine's end",
    parks: "machines parked",
    ring_breaks: "rings broken",
    steals: "batches stolen",
    rescues: "machines rescued from behind a long one",
    exhausted: "turns cut short",
    unwritten: "claims found unwritten",
    stops: "machines stopped",
    panics: "panics by plan",
    delays: "delays inside of protocols",
    disturbed: "swarms disturbed from outside the process",
    late: "shutdowns that left workers behind for a while",
}

impl Totals {
    /// The part that the runtime knows.
    pub(crate) fn of_run(plan: &Plan, total: &WorkerStats) -> Self {
        let pollers = plan.readers.iter().filter_map(ReaderPlan::poller);
        Self {
            seeds: 1,
            machines: (plan.machines.len() + pollers.count()) as u64,
            parks: total.parks,
            ring_breaks: total.ring_breaks,
            steals: total.steals,
            rescues: total.rescues,
            exhausted: total.exhausted,
            unwritten: total.unwritten,
            ..Self::default()
        }
    }

    /// The part that the swarm knows.
    pub(crate) fn with_books(mut self, books: &Books, empty_dead: u64) -> Self {
        let accounts = books.accounts();
        self.births = books.births.get();
        self.received = books.received();
        self.polled = books.polled.get();
        self.returned = accounts.iter().map(|account| account.returned.get()).sum();
        self.dead = accounts
            .iter()
            .map(|account| account.dead.get())
            .sum::<u64>()
            + empty_dead;
        self.stops = books.stops.get();
        let exploded: u64 = accounts.iter().map(|account| account.exploded.get()).sum();
        self.panics = books.panics.get() + exploded;
        self
    }
}
