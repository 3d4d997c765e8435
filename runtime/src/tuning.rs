//! Every tunable of the runtime: its unit in its name, where the value comes from, and what would change it.

use std::time::Duration;

/// Instructions that a mailbox holds unless told otherwise: d3 0.1.3's default.
pub(crate) const MAILBOX_CAPACITY_DEFAULT: usize = 250;

/// The longest run of one machine before it gives way: d3 0.1.3's default. Bench: fairness.
pub(crate) const TIME_SLICE_DEFAULT: Duration = Duration::from_millis(20);

/// Instructions of one activation before the machine gives way. Long enough that the two queue operations of an
/// activation vanish, short enough that a hundred busy machines wait microseconds for their turn. Bench: fairness.
pub(crate) const BUDGET_DEFAULT: usize = 256;

/// Multiple of the capacity beyond which even a machine's `send` hands its instruction back. Generous: it must let
/// tens of thousands of machines park on one mailbox of capacity 1, and still stop a ring that multiplies.
pub(crate) const HARD_LIMIT_DEFAULT: usize = 65_536;

/// Slots of the first block of a mailbox that was at rest, and of the blocks that follow while it does not rest.
/// Who sees one instruction at a time pays for four slots; who sees bursts soon allocates once in 64. Bench: send.
#[cfg(not(loom))]
pub(crate) const BLOCK_SLOTS: [usize; 3] = [4, 16, 64];
/// Two slots reach the end of a block within the few pushes that a model can afford.
#[cfg(loom)]
pub(crate) const BLOCK_SLOTS: [usize; 3] = [2, 2, 2];

/// A block of large instructions gets fewer slots, so that it stays below this many bytes (but at least two slots).
pub(crate) const BLOCK_BYTES_MAX: usize = 8 * 1024;

/// Bytes of free blocks that one thread keeps for itself before it hands them to all. Bench: send, ping-pong.
pub(crate) const POOL_BYTES_PER_THREAD: usize = 256 * 1024;
/// Bytes of free blocks that wait for any thread, before blocks go back to the allocator.
pub(crate) const POOL_BYTES_SHARED: usize = 4 * 1024 * 1024;
/// Bytes that move at once between a thread's blocks and everybody's.
pub(crate) const POOL_BYTES_BATCH: usize = 64 * 1024;

/// Turns of a busy wait (tens of nanoseconds each) before a thread gives up its slice: the wait is for a few stores of
/// another thread, so that more turns than this mean that it was preempted.
pub(crate) const SPINS_BEFORE_YIELD: u32 = 64;

/// A machine whose next instruction is claimed but not written looks this often before it goes to the back of the queue.
pub(crate) const UNWRITTEN_SPINS: u32 = 32;

/// Turns in a row for which a worker may take the machine that was just made runnable, while others are queued.
/// tokio found three the knee between locality and starvation (its issue 5686).
pub(crate) const NEXT_UP_RUN_MAX: u32 = 3;

/// Every so many turns a worker looks at the injector before its own queue, so that outside work cannot starve.
/// Prime, so that it does not beat with periodic work; Go and tokio use the same. Bench: wake from outside.
pub(crate) const INJECTOR_INTERVAL_TURNS: u32 = 61;

/// Rounds over all other workers' queues before a searcher goes to sleep. Bench: wake from outside.
pub(crate) const SEARCH_ROUNDS: u32 = 4;

/// Locks over which the registry of machines is spread.
pub(crate) const REGISTRY_SHARDS: usize = 32;
/// Machine ids that a registry shard draws at once from the process-wide counter.
pub(crate) const ID_BLOCK: u64 = 1 << 16;

/// What dropping the last handle of a runtime grants its machines for draining.
pub(crate) const DROP_DEADLINE: Duration = Duration::from_secs(5);

/// After the deadline of a shutdown: how long `disconnected` hooks and destructors may take before a worker that is
/// still inside user code is detached.
pub(crate) const END_GRACE: Duration = Duration::from_secs(2);

/// The least time that a worker which looks for instructions stuck in next-up slots sleeps between two looks.
pub(crate) const WATCH_INTERVAL_MIN: Duration = Duration::from_millis(1);
