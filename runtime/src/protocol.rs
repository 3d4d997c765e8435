//! For tests only: the places in the protocols where a thread that dawdles shows what the others make of it.
//!
//! A protocol is right if it is right wherever a thread is preempted. On real threads that seldom happens where it matters: between a
//! claim and its write, or between a last look and the rest that follows. With the feature `protocol-points` every thread that passes
//! such a place calls a hook, which may let it dawdle there: the seeded swarm of `stress/` does. Without the feature, which no
//! server wants, `point` is an empty function and nothing of this is compiled in; then only the names are here.

/// A place in a protocol. Each name says what the thread has just done, and the text what it is about to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Point {
    /// A push has claimed its slot, and is about to write it.
    Claimed,
    /// A push holds LOCK, and is about to install a block or to move `end`.
    Locked,
    /// The consumer has looked a last time, and is about to rest.
    BeforeRest,
    /// The consumer rests, and is about to give its last block back; the cell may be running elsewhere, or be gone.
    Rested,
    /// The last sender was counted off, and is about to close the mailbox.
    LastSender,
    /// A mailbox is about to be closed, by whomever.
    BeforeClose,
    /// Room was published, and the consumer is about to look for those who wait.
    RoomPublished,
    /// The consumer has seen that somebody waits, and is about to serve them.
    BeforeServing,
    /// Somebody who waits for room has set WAITERS, and is about to look a second time, under the lock.
    Announced,
    /// A machine has announced itself, and is about to enter the list of those who wait.
    MachineEnlists,
    /// A thread or a future has announced itself, and is about to enter the list of those who wait.
    ForeignEnlists,
    /// A machine stands in the list, and is about to say that it is parked.
    BeforeParked,
    /// A machine has said that it is parked, and is about to look for a stop and for rings.
    Parked,
    /// Somebody is about to try to resume a machine.
    BeforeResume,
    /// A resume was won, and the machine is about to be queued.
    Resumed,
    /// A machine was asked to end and its mailbox closed; it is about to be resumed if it is parked.
    AskedToEnd,
    /// A machine that ends has closed its mailbox, and is about to release those who wait.
    Ending,
    /// A machine has left the registry, and is about to tell those who watch for its end.
    Leaving,
    /// A port is no longer at rest, and is about to tell its machine.
    PortPushed,
    /// All ports of a machine rest, and the machine is about to.
    PortsRest,
    /// A machine has read everything, or what it wants to at once, and is about to linger on its worker.
    Lingers,
    /// A worker is about to take the machine that lingers.
    BeforeLingering,
    /// A machine that lingered was not sent to, and is about to be laid to rest.
    LingeredInVain,
    /// A worker is about to fill its next-up slot.
    BeforeNextUp,
    /// A worker, or one that rescues, is about to empty a next-up slot.
    NextUpSeen,
    /// Machines were stolen, and one of them is about to be run.
    Stolen,
    /// A machine lies in the injector, and a sleeper is about to be told.
    Injected,
    /// A worker has run dry, and is about to go to sleep.
    Dry,
    /// A worker is counted as asleep, and is about to look a second time.
    SleepAnnounced,
    /// A sleeper was picked from the list, and is about to be woken.
    Picked,
    /// A worker has found work and is no longer counted as searching; the last one is about to look whether there is more.
    Found,
    /// A machine stands in the registry, and is about to be queued for the first time.
    Connected,
    /// A shutdown refuses what comes from outside, and is about to wait until all is quiet.
    Draining,
    /// All was quiet, or the time was over: a shutdown is about to refuse new machines.
    BeforeEnding,
    /// The registry is closed: a shutdown is about to ask all machines to end.
    RegistryClosed,
    /// All machines have ended: a shutdown is about to send the workers home.
    BeforeExit,
}

impl Point {
    /// All of them, in order.
    pub const ALL: [Self; 36] = [
        Self::Claimed,
        Self::Locked,
        Self::BeforeRest,
        Self::Rested,
        Self::LastSender,
        Self::BeforeClose,
        Self::RoomPublished,
        Self::BeforeServing,
        Self::Announced,
        Self::MachineEnlists,
        Self::ForeignEnlists,
        Self::BeforeParked,
        Self::Parked,
        Self::BeforeResume,
        Self::Resumed,
        Self::AskedToEnd,
        Self::Ending,
        Self::Leaving,
        Self::PortPushed,
        Self::PortsRest,
        Self::Lingers,
        Self::BeforeLingering,
        Self::LingeredInVain,
        Self::BeforeNextUp,
        Self::NextUpSeen,
        Self::Stolen,
        Self::Injected,
        Self::Dry,
        Self::SleepAnnounced,
        Self::Picked,
        Self::Found,
        Self::Connected,
        Self::Draining,
        Self::BeforeEnding,
        Self::RegistryClosed,
        Self::BeforeExit,
    ];

    /// Its place in [`ALL`](Self::ALL).
    #[must_use]
    pub const fn index(self) -> usize {
        self as usize
    }
}

#[cfg(feature = "protocol-points")]
mod hook {
    use std::sync::OnceLock;

    use super::Point;

    /// Read with a plain load on most machines: a hook that brought a fence along would hide what it is there to show.
    static HOOK: OnceLock<fn(Point)> = OnceLock::new();

    /// Has every thread of this process that passes a point call `hook` there, from now on. Locks may be held, and the thread may be in
    /// the middle of anything: a hook may take time, and may neither panic nor use the runtime.
    ///
    /// # Errors
    /// There is one already, which stays; the new one comes back.
    pub fn install(hook: fn(Point)) -> Result<(), fn(Point)> {
        HOOK.set(hook)
    }

    /// The calling thread is at `point`.
    pub(crate) fn reached(point: Point) {
        if let Some(hook) = HOOK.get() {
            hook(point);
        }
    }
}

#[cfg(feature = "protocol-points")]
pub use hook::install;
#[cfg(all(feature = "protocol-points", not(loom)))]
pub(crate) use hook::reached;

#[cfg(test)]
mod tests {
    use super::Point;

    #[test]
    fn the_list_is_whole_and_in_order() {
        for (index, point) in Point::ALL.into_iter().enumerate() {
            assert_eq!(point.index(), index);
        }
        assert_eq!(Point::ALL.last(), Some(&Point::BeforeExit));
    }
}
