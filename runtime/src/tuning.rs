//! Every tunable of the runtime: its unit in its name, where the value comes from, and what would change it.

use std::time::Duration;

/// Instructions that a mailbox holds unless told otherwise: d3 0.1.3's default.
pub(crate) const MAILBOX_CAPACITY_DEFAULT: usize = 250;

/// The longest run of one machine before it gives way: d3 0.1.3's default. Bench: fairness.
pub(crate) const TIME_SLICE_DEFAULT: Duration = Duration::from_millis(20);

/// Instructions of one activation before the machine gives way. Long enough that the two queue operations of an
/// activation vanish, short enough that a hundred busy machines wait microseconds for their turn. Bench: fairness.
pub(crate) const BUDGET_DEFAULT: usize = 256;

/// Instructions of an activation before the first look at the clock. Bench: fan-out, fairness.
pub(crate) const CLOCK_FIRST_LOOK: usize = 2;
/// The same where the worker's instructions were light for its last 61 turns. With a second worker the watch helps those who wait behind sixteen
/// long ones, or behind as many that become long after sixteen short ones; with one they wait, once: after that turn the worker's are not light any more.
pub(crate) const CLOCK_FIRST_LOOK_LIGHT: usize = 16;
/// The most instructions between two looks at the clock.
pub(crate) const CLOCK_STRIDE_MAX: usize = 64;

/// Multiple of the capacity beyond which even a machine's `send` hands its instruction back. Generous: it must let
/// tens of thousands of machines park on one mailbox of capacity 1, and still stop a ring that multiplies.
pub(crate) const HARD_LIMIT_DEFAULT: usize = 65_536;

/// Bytes of the first block of a mailbox that was at rest, and of the blocks that follow while it does not rest; each
/// has as many slots as fit, and at least two. Who sees one instruction at a time pays for two cache lines; who sees bursts soon
/// allocates once in dozens. Sizes of the pool, so that nothing is lost to rounding. Bench: send.
pub(crate) const BLOCK_BYTES: [usize; 3] = [128, 512, 2048];

/// Bytes of free blocks that one thread keeps for itself before it hands them to all. Bench: send, ping-pong.
pub(crate) const POOL_BYTES_PER_THREAD: usize = 256 * 1024;
/// Bytes of free blocks that wait for any thread, before blocks go back to the allocator.
pub(crate) const POOL_BYTES_SHARED: usize = 4 * 1024 * 1024;
/// Bytes that move at once between a thread's blocks and everybody's.
pub(crate) const POOL_BYTES_BATCH: usize = 64 * 1024;

/// Turns of a busy wait (tens of nanoseconds each) before a thread gives up its slice: the wait is for a few stores of
/// another thread, so that more turns than this mean that it was preempted.
pub(crate) const SPINS_BEFORE_YIELD: u32 = 64;

/// The longest time that a thread looks for room in a full mailbox before it sleeps: a little more than the wake of a worker takes.
/// Bench: send.
pub(crate) const ROOM_WAIT_MAX_NS: u64 = 100_000;
/// The shortest, where looking has not paid.
pub(crate) const ROOM_WAIT_MIN_NS: u64 = 1_000;
/// So many long waits in vain in a row, and looking does not pay.
pub(crate) const ROOM_WAIT_TRIES: u32 = 4;
/// Every so many waits in vain one is as long as may be.
pub(crate) const ROOM_WAIT_RETRY: u32 = 16;

/// A thread that has waited so long for room says so in the log, and names the mailbox. Long for a program that works, short for the
/// person who looks for why it does not.
pub(crate) const LONG_WAIT: Duration = Duration::from_secs(1);

/// Turns of a busy wait of a worker with nothing to run whose last machine was fed a moment ago. Bench: send, wake from outside.
pub(crate) const LINGER_SPINS: u32 = 64;
/// And turns of giving up its time slice after that, a few hundred nanoseconds each where nobody wants the core.
pub(crate) const LINGER_YIELDS: u32 = 16;

/// A machine that lingers after a turn of so many instructions is fed by a stream: the next look waits for a batch. One or two at a time are questions, and
/// whoever asks waits for the answer. Bench: send, wake from outside.
pub(crate) const STREAM_MIN: usize = 4;
/// Turns of a busy wait before that look, before anything is learned (`scheduler/stream.rs`).
pub(crate) const STREAM_SPINS_FIRST: u32 = 16;
/// At least: from fewer a somewhat longer moment would not bring so much more that it shows.
pub(crate) const STREAM_SPINS_MIN: u32 = 8;
/// And at most: a few microseconds.
pub(crate) const STREAM_SPINS_MAX: u32 = 128;
/// One of them for so many places of the mailbox: a turn takes about as long as two sends at their fastest, four on some processors, so that an empty mailbox does not fill meanwhile.
pub(crate) const STREAM_CAPACITY_PER_SPIN: u64 = 4;
/// A mailbox of more places counts as one of these: a turn reads no more than its share.
pub(crate) const STREAM_BATCH_MAX: u64 = BUDGET_DEFAULT as u64;

/// A machine that follows a stream stays so many slots behind its producer: eight to twelve lines where instructions are small. Bench: send.
pub(crate) const FOLLOW_DISTANCE_MAX: u64 = 32;
/// Or, in a small mailbox, one for so many of its places.
pub(crate) const FOLLOW_CAPACITY_PER_SLOT: u64 = 8;

/// Turns on average shorter than this: a machine may linger on its worker.
pub(crate) const LINGER_TURN_NS: u64 = 2_000;

/// How often in a row lingering may be in vain before it is given up until the next look at the clock.
pub(crate) const LINGER_IN_VAIN_MAX: u32 = 4;

/// A machine whose next instruction is claimed but not written looks this often before it goes to the back of the queue.
pub(crate) const UNWRITTEN_SPINS: u32 = 32;

/// Turns in a row for which a worker may take the machine that was just made runnable, while others are queued.
/// tokio found three the knee between locality and starvation (its issue 5686).
pub(crate) const NEXT_UP_RUN_MAX: u32 = 3;

/// Every so many turns a worker looks at the injector before its own queue, so that outside work cannot starve, and at the clock.
/// Prime, so that it does not beat with periodic work; Go and tokio use the same. Bench: wake from outside.
pub(crate) const INJECTOR_INTERVAL_TURNS: u32 = 61;
/// And fewer where so many turns take longer than this: it is what a machine that was woken from outside waits behind busy ones. A look costs a
/// few dozen nanoseconds. Bench: fairness.
pub(crate) const INJECTOR_INTERVAL_NS: u64 = 200_000;
/// But never fewer than this: every other turn at least is for the worker's own machines, however long turns are and however much comes from outside.
pub(crate) const INJECTOR_INTERVAL_TURNS_MIN: u32 = 2;

/// Instructions that take less than this on average gain nothing from a second core: what they touch moves to and fro between the
/// caches, which alone takes them 100 to 300 ns each. Bench: fan-in, fan-out, chaos on one and on two workers.
pub(crate) const HEAVY_INSTRUCTION_NS: u64 = 500;

/// Queued work for which another worker is woken, where instructions are heavy: about what it takes until it runs.
pub(crate) const PAYS_BACKLOG_HEAVY_NS: u64 = 10_000;

/// The same where they are light.
pub(crate) const PAYS_BACKLOG_LIGHT_NS: u64 = 500_000;

/// Light work queued at all workers together for which one of them hands its share over and goes to sleep. Below the figure above, so
/// that workers do not come and go with every ripple.
pub(crate) const ONE_IS_ENOUGH_NS: u64 = 250_000;

/// After so long without sleep a worker's load is one that lasts.
pub(crate) const BUSY_LONG_NS: u64 = 1_000_000;

/// How long a worker that runs dry looks on before it sleeps, giving up the core between looks, if nothing is known.
/// Bench: send, wake from outside.
pub(crate) const PATIENCE_FIRST_NS: u64 = 4_000;
/// And at most: about what it costs to sleep and be woken.
pub(crate) const PATIENCE_MAX_NS: u64 = 50_000;
/// Sleeps up to this length, most of which is the wake, speak for more patience.
pub(crate) const SLEEP_SHORT_NS: u64 = 100_000;
/// Sleeps beyond this length speak for none.
pub(crate) const SLEEP_LONG_NS: u64 = 300_000;

/// Rounds over all other workers' queues at the begin of a search: a few hundred nanoseconds. Bench: wake from outside, spawn and end.
pub(crate) const SEARCH_ROUNDS: u32 = 16;

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
