//! The promises of the design: 1, 2, 3, 5, 7, 8 and 9. docs/promises.md lists promise, line
//! and test; each test was seen to fail with its line removed.

#[path = "../support/mod.rs"]
mod support;

mod p1_order;
mod p2_one_at_a_time;
mod p3_no_lost_wakeup;
mod p5_no_worker_blocks;
#[cfg(feature = "components")]
mod p5_servers;
mod p7_a_panic_ends_one_machine;
mod p8_fair;
mod p9_a_clean_end;
