//! The classic drivers of d3: one machine, the [`Forwarder`], wired by instructions into a chain, a fan or a random net.
//!
//! | driver | shape | what arrives in one iteration |
//! | --- | --- | --- |
//! | `daisy_chain` | each machine forwards to the next, perhaps several copies | `messages × multiplier ^ (machines - 1)` at the last one |
//! | `fanout_fanin` | one machine sends to all but two, which send to the last one | `messages × (machines - 2)` at the last one |
//! | `chaos_monkey` | tokens hop to machines drawn by lot: their counter runs up to `inflection_value` and down to 0 | `messages` tokens at home, after `2 × inflection_value + 2` visits each |
//!
//! The parameters are those of d3 0.1.3, from its settings ([`Plan::of`]) or by hand. A driver knows to the instruction what has to
//! arrive where, and its [`Report`] exists only if all of it did: nothing lost, nothing doubled, every link in order.
//!
//! ```
//! use d3::Runtime;
//! use d3::components::settings::ForwarderTest;
//! use forwarder::Plan;
//!
//! let runtime = Runtime::builder().workers(2).build()?;
//! let mut plan = Plan::new(ForwarderTest::DaisyChain);
//! plan.machines = 100;
//! plan.iterations = 2;
//! let report = forwarder::run(&runtime, &plan, &mut |_| ())?;
//! assert_eq!(report.instructions, 2 * 100 * 100);
//! println!("{report}");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
#![forbid(unsafe_code)]

mod drivers;
mod failure;
mod machine;
mod message;
mod plan;
mod shared;

pub use drivers::{Moment, Report, run};
pub use failure::Failure;
pub use machine::Forwarder;
pub use message::{Mutation, TestMessage};
pub use plan::{Plan, PlanError};
pub use shared::{Arrived, Shared};
