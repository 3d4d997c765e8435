//! Snapshots of machines and mailboxes, for people and programs.

use std::fmt;
use std::time::Duration;

use crate::cell::Header;
use crate::id::MachineId;
use crate::mailbox::{UNBOUNDED, word};
use crate::sync::Ordering;

/// A mailbox at one moment: a channel's, or one of a machine's.
///
/// ```
/// let (sender, receiver) = d3_runtime::bounded(2);
/// sender.send("one")?;
/// sender.send("two")?;
/// let blocked = std::thread::spawn(move || sender.send("three"));
/// while receiver.info().waiting == 0 {
///     std::thread::yield_now();
/// }
/// let info = receiver.info();
/// assert_eq!((info.len, info.capacity, info.waits), (2, Some(2), 1));
/// assert!(info.longest_wait.is_some());
/// assert_eq!(receiver.recv()?, "one");
/// blocked.join().expect("it does not panic")?;
/// assert_eq!((receiver.info().waiting, receiver.info().waits), (0, 1));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct MailboxInfo {
    /// The id of the channel, or of the machine.
    pub id: MachineId,
    /// The type of its instructions.
    pub instruction_set: &'static str,
    /// Instructions not read yet.
    pub len: usize,
    /// What it holds before it is full; None: no bound.
    pub capacity: Option<usize>,
    /// The greatest length that it has had, within a thousandth: as it was when the machine began to read, and when somebody found it
    /// full. (A channel that was never full says 0.) Close to the capacity: its senders were held up, or nearly.
    pub high_water: usize,
    /// Instructions that machines sent to it beyond its capacity, and were parked for.
    pub overflows: u64,
    /// Machines that are parked on it now.
    pub parked: usize,
    /// Threads and futures that wait for its room now.
    pub waiting: usize,
    /// How long the first of these has waited.
    pub longest_wait: Option<Duration>,
    /// How often a thread or a future had to wait for its room.
    pub waits: u64,
    /// How long they waited, in all, without those that still do.
    pub waited_for: Duration,
}

impl MailboxInfo {
    pub(crate) fn of(mailbox: &Header) -> Self {
        let queue = mailbox.queue();
        // SAFETY: alive, being borrowed, and its table fits its type.
        let waits = unsafe { (mailbox.vtable.waits)(mailbox.in_cell()) };
        Self {
            id: mailbox.id,
            instruction_set: (mailbox.vtable.instruction_set)(),
            len: queue.len() as usize,
            capacity: (queue.capacity() < UNBOUNDED).then(|| queue.capacity() as usize),
            high_water: queue.peak() as usize,
            overflows: mailbox
                .side_if_any()
                .map_or(0, |side| side.overflows.load(Ordering::Relaxed)),
            parked: waits.machines,
            waiting: waits.foreign,
            longest_wait: waits.longest,
            waits: waits.ever,
            waited_for: waits.waited,
        }
    }
}

/// A machine at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct MachineInfo {
    /// Its id.
    pub id: MachineId,
    /// The name given by the machine builder.
    pub name: Option<String>,
    /// The type of its value.
    pub machine: &'static str,
    /// The type of its instructions; of several sets the first.
    pub instruction_set: &'static str,
    /// Its mailboxes, in the order in which it accepts their instruction sets. The figures below are of all of them together.
    pub mailboxes: Vec<MailboxInfo>,
    /// Instructions not read yet.
    pub len: usize,
    /// What its mailbox, or each of several, holds before it is full; None: no bound.
    pub capacity: Option<usize>,
    /// The greatest length that one of its mailboxes has had: see [`MailboxInfo::high_water`].
    pub high_water: usize,
    /// Instructions that machines sent to it beyond its capacity, and were parked for.
    pub overflows: u64,
    /// Whether it has nothing to do.
    pub at_rest: bool,
    /// Whether it is parked on a full mailbox.
    pub parked: bool,
    /// The machine, or the channel, whose room it waits for.
    pub waits_for: Option<MachineId>,
    /// Whether that is a channel. Who reads it is a thread or a task, and the runtime does not know what those wait for: a ring that
    /// leads through one is not broken. So a machine that waits long here is where to look first.
    pub waits_for_channel: bool,
    /// How long it has been parked by now.
    pub parked_now: Option<Duration>,
    /// Whether somebody waits for its room.
    pub has_waiters: bool,
    /// How often it was parked.
    pub parks: u64,
    /// How long it was parked, in all, without [`parked_now`](Self::parked_now).
    pub parked_for: Duration,
    /// Threads and futures that wait for its room now.
    pub waiting: usize,
    /// How long the longest of these waits has lasted.
    pub longest_wait: Option<Duration>,
    /// How often a thread or a future had to wait for its room.
    pub waits: u64,
    /// How long they waited, in all, without those that still do.
    pub waited_for: Duration,
}

impl MachineInfo {
    pub(crate) fn of(header: &Header) -> Self {
        let side = header.side_if_any();
        let mailboxes: Vec<_> = header.mailboxes().map(MailboxInfo::of).collect();
        let receiver = if header.held.is_parked() {
            header.waits_for()
        } else {
            None
        };
        let parked_since = side.map_or(0, |side| side.parked_since_ns.load(Ordering::Relaxed));
        let sum = |figure: fn(&MailboxInfo) -> u64| mailboxes.iter().map(figure).sum();
        let count = |figure: fn(&MailboxInfo) -> usize| mailboxes.iter().map(figure).sum();
        Self {
            id: header.id,
            name: side
                .and_then(|side| side.name())
                .map(|name| name.to_string()),
            machine: (header.vtable.machine_type)(),
            instruction_set: (header.vtable.instruction_set)(),
            len: count(|mailbox| mailbox.len),
            capacity: mailboxes.first().and_then(|mailbox| mailbox.capacity),
            high_water: mailboxes
                .iter()
                .map(|mailbox| mailbox.high_water)
                .max()
                .unwrap_or(0),
            overflows: sum(|mailbox| mailbox.overflows),
            at_rest: header.queue().tail().has(word::IDLE),
            parked: header.held.is_parked(),
            waits_for_channel: receiver
                .as_ref()
                .is_some_and(|receiver| !receiver.vtable.is_machine),
            parked_now: header
                .pool()
                .filter(|_| receiver.is_some() && parked_since > 0)
                .map(|pool| Duration::from_nanos(pool.now_ns().saturating_sub(parked_since))),
            waits_for: receiver.map(|receiver| receiver.id),
            has_waiters: header.has_waiters(),
            parks: side.map_or(0, |side| side.parks.load(Ordering::Relaxed)),
            parked_for: Duration::from_nanos(
                side.map_or(0, |side| side.parked_ns.load(Ordering::Relaxed)),
            ),
            waiting: count(|mailbox| mailbox.waiting),
            longest_wait: mailboxes
                .iter()
                .filter_map(|mailbox| mailbox.longest_wait)
                .max(),
            waits: sum(|mailbox| mailbox.waits),
            waited_for: mailboxes.iter().map(|mailbox| mailbox.waited_for).sum(),
            mailboxes,
        }
    }
}

impl fmt::Display for MachineInfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} {}",
            self.id,
            self.name.as_deref().unwrap_or(self.machine)
        )?;
        write!(f, " <{}> {}", self.instruction_set, self.len)?;
        if let Some(capacity) = self.capacity {
            write!(f, "/{capacity}")?;
        }
        match self.waits_for {
            Some(receiver) => {
                let kind = if self.waits_for_channel {
                    "channel "
                } else {
                    ""
                };
                write!(f, " parked on {kind}{receiver}")?;
                if let Some(time) = self.parked_now {
                    write!(f, " for {time:.1?}")?;
                }
            }
            None if self.at_rest => f.write_str(" at rest")?,
            None => {}
        }
        if self.waiting > 0 {
            write!(f, ", {} outside wait for its room", self.waiting)?;
        }
        Ok(())
    }
}
