#![doc = include_str!("README.md")]

mod crowd;
mod foreign;
mod park;
mod ring;
mod waiters;

#[cfg(all(test, loom))]
pub(crate) mod model;

pub(crate) use crowd::ComesBy;
pub use foreign::SendFuture;
pub(crate) use foreign::{block_on_send, block_on_send_until, thread_waker};
pub(crate) use park::{Parked, Promise, park, resume_by_other};
pub(crate) use waiters::{
    Waiters, Waits, let_go, make_room, make_room_now, park_on, pass_on, release_all,
    unlink_machine, waits,
};
