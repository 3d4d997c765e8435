//! What one number decides: a whole swarm, before anything of it runs.

use std::time::Duration;

use super::delays::DelayPlan;
use super::draft;
use super::shape::Shape;

/// The payloads of instructions, one instruction set each.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Kind {
    /// No bytes at all: its end is counted, its order cannot be.
    Empty,
    /// What the oracles need and nothing else.
    Small,
    /// A quarter of a kilobyte, in the mailbox itself.
    Medium,
    /// Ten kilobytes in the mailbox itself: more than one block of the mailbox wants to be.
    Large,
    /// Up to 32 kB behind a pointer.
    Boxed,
}

/// How hostile a swarm is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mood {
    /// Nobody stops, fails or panics: every instruction must arrive.
    Calm,
    /// Some do.
    Rough,
    /// Many do.
    Wild,
}

/// One mailbox.
#[derive(Clone, Debug)]
pub(crate) struct MailboxPlan {
    pub(crate) kind: Kind,
    /// None: without a bound.
    pub(crate) capacity: Option<usize>,
}

/// What a machine does with the fuel of an instruction: each hop burns one, so that every swarm ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Forward {
    /// One instruction to one target.
    One,
    /// One each to so many targets at once: a machine may find several of them full in one `receive`.
    Split(usize),
    /// So many to one target in one `receive`: beyond any small capacity.
    Burst(usize),
}

/// What goes wrong with a machine, by plan.
#[derive(Clone, Debug, Default)]
pub(crate) struct FaultPlan {
    pub(crate) panic_in_connected: bool,
    pub(crate) panic_in_disconnected: bool,
    pub(crate) panic_in_drop: bool,
    /// It panics in the `receive` with this number.
    pub(crate) panic_at: Option<u64>,
    /// It stops itself.
    pub(crate) stop_at: Option<u64>,
    /// It fails with an error.
    pub(crate) fail_at: Option<u64>,
    /// It stops another machine: the number of the `receive`, and the mailbox.
    pub(crate) stop_other_at: Option<(u64, usize)>,
    /// One in so many of the instructions that it sends panics when it is dropped unread.
    pub(crate) explosive_one_in: Option<usize>,
}

/// One machine: a value with one or several mailboxes.
#[derive(Clone, Debug)]
pub(crate) struct MachinePlan {
    /// Whether the value is shared (`Machine`) or owned (`MachineMut`). The mailboxes of a shared one run on their own, those of an
    /// owned one under one run token.
    pub(crate) shared: bool,
    pub(crate) mailboxes: Vec<MailboxPlan>,
    /// Places that it sends to.
    pub(crate) out: Vec<usize>,
    pub(crate) forward: Forward,
    pub(crate) faults: FaultPlan,
    /// Machines that it connects while it runs.
    pub(crate) births: u32,
    /// Whether it sends in its hooks too.
    pub(crate) talks_in_hooks: bool,
    /// Whether it has a handle of the runtime, until this `receive` or its end.
    pub(crate) keeps_runtime_until: Option<u64>,
}

/// How a thread receives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reading {
    Recv,
    TryRecv,
    RecvTimeout,
    Async,
    Iter,
    /// Futures that it polls by hand. So many in a hundred of those that find nothing are dropped before anything came.
    Polled {
        dropped_percent: u32,
    },
    /// Now this, now that.
    Mixed,
}

/// How a machine looks into a channel: it may not wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Look {
    Poll,
    /// A future that is polled once, and dropped.
    Future,
    TryRecv,
    /// `recv`, which refuses to wait inside a machine.
    Recv,
    /// Now this, now that.
    Mixed,
}

/// How a machine comes to look again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum GoesOn {
    /// The waker of its polls sends it an instruction.
    Woken,
    /// A thread pokes it now and then; the waker does nothing. Its own mailbox has this capacity.
    Poked { capacity: Option<usize> },
}

/// A machine that reads a channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct PollerPlan {
    pub(crate) look: Look,
    pub(crate) goes_on: GoesOn,
    /// Instructions that it takes in one `receive`, at most.
    pub(crate) batch: usize,
    /// So often it tells itself to look again though it found nothing.
    pub(crate) in_vain: usize,
    /// Whether it reads what is left when it is ended; else that is dropped with the receiver.
    pub(crate) drains: bool,
    /// Whether it stops itself when it is done, or ends because it has let go of its own sender.
    pub(crate) stops_itself: bool,
}

/// Who reads a channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Behind {
    Thread(Reading),
    Machine(PollerPlan),
}

/// A `Receiver` among the targets, and who is behind it.
#[derive(Clone, Debug)]
pub(crate) struct ReaderPlan {
    pub(crate) kind: Kind,
    pub(crate) capacity: Option<usize>,
    pub(crate) behind: Behind,
    /// It drops the receiver after so many instructions.
    pub(crate) gives_up_after: Option<u64>,
}

impl ReaderPlan {
    /// The machine behind it, if it is one.
    #[must_use]
    pub(crate) fn poller(&self) -> Option<&PollerPlan> {
        match &self.behind {
            Behind::Thread(_) => None,
            Behind::Machine(poller) => Some(poller),
        }
    }

    /// Whether the runtime knows of all that is needed to read it: a machine does, which is queued as soon as anything comes.
    #[must_use]
    pub(crate) fn is_inside(&self) -> bool {
        let poller = self.poller();
        poller.is_some_and(|poller| poller.goes_on == GoesOn::Woken)
    }
}

/// How a thread outside sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sending {
    Send,
    TrySend,
    SendTimeout(Duration),
    /// Futures, on an executor of a few lines. So many in a hundred are dropped before they resolved.
    Async {
        dropped_percent: u32,
    },
    /// So many futures at once.
    Joined(usize),
}

/// A thread outside.
#[derive(Clone, Debug)]
pub(crate) struct OutsiderPlan {
    pub(crate) sending: Sending,
    pub(crate) targets: Vec<usize>,
    pub(crate) count: usize,
    /// Fuel of each of its instructions.
    pub(crate) fuel: u32,
    /// Whether its wakers panic now and then, after they woke.
    pub(crate) wakers_panic: bool,
}

/// A machine that is stopped from outside.
#[derive(Clone, Copy, Debug)]
pub(crate) struct StopPlan {
    /// When so many instructions were received in all.
    pub(crate) at: u64,
    pub(crate) place: usize,
}

/// How a swarm ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Finish {
    /// When everybody outside is done and nothing moves any more.
    Settled,
    /// A shutdown with all the time in the world, after so many instructions.
    Graceful { at: u64 },
    /// A shutdown in mid-flight with a deadline.
    Deadline { at: u64, after: Duration },
    /// The handle of the runtime is dropped.
    Dropped { at: u64 },
    /// The last handle is dropped by a machine, which may not wait.
    Abandoned,
}

/// Where and how often user code of a swarm dawdles.
#[derive(Clone, Copy, Debug)]
pub(crate) struct JitterPlan {
    pub(crate) percent: u32,
    pub(crate) sleep_us_max: u64,
}

/// A swarm, before it runs.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub(crate) seed: u64,
    pub(crate) mood: Mood,
    pub(crate) workers: usize,
    pub(crate) budget: usize,
    pub(crate) time_slice: Duration,
    /// The hard limit as a multiple of the capacity, where it is not the default.
    pub(crate) hard_limit: Option<usize>,
    pub(crate) shape: Shape,
    pub(crate) machines: Vec<MachinePlan>,
    pub(crate) readers: Vec<ReaderPlan>,
    pub(crate) outsiders: Vec<OutsiderPlan>,
    pub(crate) stops: Vec<StopPlan>,
    /// A thread asks all machines for reports, and looks at statistics, all the time.
    pub(crate) inspected: bool,
    pub(crate) jitter: JitterPlan,
    /// Where in the runtime's own protocols threads dawdle.
    pub(crate) delays: Vec<DelayPlan>,
    pub(crate) finish: Finish,
}

impl Plan {
    /// The swarm of a seed, with the delays that it decides or without.
    #[must_use]
    pub(crate) fn of(seed: u64, delays: bool) -> Self {
        let mut plan = draft::plan(seed);
        if !delays {
            plan.delays.clear();
        }
        plan
    }

    /// Mailboxes of machines; the places after them are the readers.
    #[must_use]
    pub(crate) fn mailboxes(&self) -> usize {
        self.machines.iter().map(|m| m.mailboxes.len()).sum()
    }

    /// Whether some machine or reader takes instructions without bytes.
    #[must_use]
    pub(crate) fn has_empty(&self) -> bool {
        let of_machines = self.machines.iter().flat_map(|m| &m.mailboxes);
        of_machines
            .map(|mailbox| mailbox.kind)
            .any(|kind| kind == Kind::Empty)
            || self.readers.iter().any(|reader| reader.kind == Kind::Empty)
    }
}
