//! The waiter list of a mailbox: machines, threads and futures in order of arrival, under one cold lock.

use std::ptr::NonNull;
use std::task::Waker;
use std::time::{Duration, Instant};

use slab::Slab;

use super::crowd::{ComesBy, Crowd};
use super::park::Promise;
use crate::cell::{Header, MailboxCell, MemRef, Resumed, Scheduled, cell_of};
use crate::mailbox::{Announce, Bound, Refused, word};
use crate::protocol::Point;
use crate::sync::{Mutex, MutexGuard, Ordering, lock};

const NONE: u32 = u32::MAX;

/// Slots that an empty list keeps; a larger slab goes back to the allocator, so that a crowd leaves nothing behind.
const NODES_KEPT: usize = 64;

/// Everybody who waits for room in one mailbox.
pub(crate) struct Waiters<P> {
    list: Mutex<List<P>>,
}

pub(super) struct List<P> {
    nodes: Slab<Node<P>>,
    first: u32,
    last: u32,
    /// Linked nodes that carry an instruction: threads and futures.
    foreign: usize,
    crowd: Crowd,
    /// Machines that were resumed for room here and have not had their turn since: each holds a [`Promise`].
    owed: u64,
    /// Linked nodes that do not: machines.
    machines: usize,
    /// Threads and futures that ever came to wait, and how long those waited, together, that have gone.
    foreign_ever: u64,
    waited: Duration,
    /// When it was last said that somebody waits long.
    told: Option<Instant>,
}

/// Who waits for room in a mailbox, for people.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Waits {
    pub(crate) machines: usize,
    /// Threads and futures.
    pub(crate) foreign: usize,
    /// How long the first of them has waited.
    pub(crate) longest: Option<Duration>,
    /// Threads and futures that ever came to wait.
    pub(crate) ever: u64,
    /// How long those waited, together, that have gone.
    pub(crate) waited: Duration,
}

struct Node<P> {
    previous: u32,
    next: u32,
    who: Who<P>,
}

/// Who waits, and for a future: what became of its instruction.
pub(super) enum Who<P> {
    /// A parked machine; its instruction is in the mailbox already. Alive while linked: who resumes it unlinks it first.
    Machine(NonNull<Header>),
    /// A thread or a future, with the instruction it wants to send, and since when.
    Waiting(P, Waker, Instant),
    /// The instruction is in the mailbox. Not linked any more; the future removes the node.
    Delivered,
    /// The mailbox closed. Not linked any more; the future removes the node.
    Returned(P),
}

// SAFETY: a machine node is a pointer that is dereferenced only under the rules above; instructions and wakers are Send.
unsafe impl<P: Send> Send for Node<P> {}

impl<P> Waiters<P> {
    pub(crate) fn new() -> Self {
        Self {
            list: Mutex::new(List {
                nodes: Slab::new(),
                first: NONE,
                last: NONE,
                foreign: 0,
                crowd: Crowd::NEW,
                owed: 0,
                machines: 0,
                foreign_ever: 0,
                waited: Duration::ZERO,
                told: None,
            }),
        }
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, List<P>> {
        lock(&self.list)
    }
}

impl<P> List<P> {
    /// Whether a thread or a future waits.
    pub(super) fn has_foreign(&self) -> bool {
        self.foreign > 0
    }

    pub(super) fn is_unlinked(&self) -> bool {
        self.first == NONE
    }

    /// Adds a thread or a future at the end of the order.
    pub(super) fn link_foreign(&mut self, instruction: P, waker: Waker) -> u32 {
        self.foreign_ever += 1;
        self.link(Who::Waiting(instruction, waker, Instant::now()))
    }

    /// Adds a node at the end of the order; it returns the key.
    fn link(&mut self, who: Who<P>) -> u32 {
        if matches!(who, Who::Machine(_)) {
            self.crowd.comes();
        }
        self.count(&who);
        let node = Node {
            previous: self.last,
            next: NONE,
            who,
        };
        // A list of four billion waiters would need more memory than the machine has.
        let key = u32::try_from(self.nodes.insert(node)).expect("fewer than 2^32 waiters");
        match self.nodes.get_mut(self.last as usize) {
            Some(last) => last.next = key,
            None => self.first = key,
        }
        self.last = key;
        key
    }

    fn count(&mut self, who: &Who<P>) {
        match who {
            Who::Machine(_) => self.machines += 1,
            Who::Waiting(..) => self.foreign += 1,
            Who::Delivered | Who::Returned(_) => {}
        }
    }

    /// Takes a node out of the order, and leaves it in the slab.
    fn unlink(&mut self, key: u32) {
        match self.nodes[key as usize].who {
            Who::Machine(_) => self.machines -= 1,
            Who::Waiting(..) => self.foreign -= 1,
            Who::Delivered | Who::Returned(_) => {}
        }
        let (previous, next) = (
            self.nodes[key as usize].previous,
            self.nodes[key as usize].next,
        );
        match self.nodes.get_mut(previous as usize) {
            Some(node) => node.next = next,
            None => self.first = next,
        }
        match self.nodes.get_mut(next as usize) {
            Some(node) => node.previous = previous,
            None => self.last = previous,
        }
    }

    pub(super) fn who(&mut self, key: u32) -> &mut Who<P> {
        &mut self.nodes[key as usize].who
    }

    /// Removes a node; one that is still linked leaves the order.
    pub(super) fn remove(&mut self, key: u32) -> Who<P> {
        if matches!(
            self.nodes[key as usize].who,
            Who::Machine(_) | Who::Waiting(..)
        ) {
            self.unlink(key);
        }
        let node = self.nodes.remove(key as usize);
        if let Who::Waiting(_, _, since) = node.who {
            self.waited += since.elapsed();
        }
        if self.nodes.is_empty() && self.nodes.capacity() > NODES_KEPT {
            self.nodes = Slab::new();
        }
        node.who
    }

    /// Whether it is time to say that somebody waits long: at most once in `interval`, whoever asks.
    pub(super) fn may_tell(&mut self, interval: Duration) -> bool {
        let now = Instant::now();
        let may = self
            .told
            .is_none_or(|told| now.duration_since(told) >= interval);
        if may {
            self.told = Some(now);
        }
        may
    }

    pub(super) fn waits(&self) -> Waits {
        let mut key = self.first;
        let mut longest = None;
        // In order of arrival, so that the first is the one that has waited longest.
        while self.foreign > 0 && longest.is_none() && key != NONE {
            let node = &self.nodes[key as usize];
            if let Who::Waiting(_, _, since) = &node.who {
                longest = Some(since.elapsed());
            }
            key = node.next;
        }
        Waits {
            machines: self.machines,
            foreign: self.foreign,
            longest,
            ever: self.foreign_ever,
            waited: self.waited,
        }
    }

    /// Settles a waiting node: takes its instruction and waker, and leaves the outcome for its future.
    fn settle(&mut self, key: u32, outcome: Who<P>) -> Who<P> {
        self.unlink(key);
        std::mem::replace(&mut self.nodes[key as usize].who, outcome)
    }
}

/// What is to be done once the waiter lock is released: no user code, and no queueing, runs under it.
#[derive(Default)]
struct Released {
    machines: Vec<Scheduled>,
    edges: Vec<MemRef>,
    wakers: Vec<Waker>,
}

/// Why a machine is resumed by the one whose room it waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reason {
    /// There is room, which it is promised.
    Room,
    /// The mailbox is closed: there is nothing to promise.
    Closed,
}

impl Released {
    /// Resumes a parked machine, if no other party was faster.
    fn resume<P>(
        &mut self,
        list: &mut List<P>,
        key: u32,
        machine: NonNull<Header>,
        reason: Reason,
    ) -> Resumed {
        // SAFETY: linked, so neither queued nor freed.
        let header = unsafe { machine.as_ref() };
        let won = header.held.resume();
        if won == Resumed::Won {
            let side = header.side();
            match (side.edge.take(), reason) {
                (Some(edge), Reason::Room) => {
                    list.owed += 1;
                    Promise::give(header, edge);
                }
                (edge, _) => self.edges.extend(edge),
            }
            list.remove(key);
            // SAFETY: the resume was won: the token is ours.
            self.machines.push(unsafe { Scheduled::new(machine) });
        }
        won
    }

    /// Resumes the first machines that wait, as far as there is published room beyond all that is promised, and no more than `most`. For those who are not
    /// the consumer.
    fn resume_for_room<P>(&mut self, cell: &MailboxCell<P>, list: &mut List<P>, most: u64) {
        let mut resumed = 0;
        let mut key = list.first;
        // The limit was last published under this lock, if anybody waits, or before the consumer was parked. An index that is too old lets one go too many.
        while key != NONE
            && list.machines > 0
            && resumed < most
            && cell.queue.seems_to_have_room_beyond(list.owed)
        {
            let next = list.nodes[key as usize].next;
            // Threads and futures wait for room that there is not: the consumer gives it to them before it promises any to machines.
            if let Who::Machine(machine) = *list.who(key)
                && self.resume(list, key, machine, Reason::Room) == Resumed::Won
            {
                resumed += 1;
            }
            key = next;
        }
        list.crowd.note(resumed, cell.queue.tail().index());
        if resumed > 0 && list.is_unlinked() {
            cell.queue.clear_waiters();
        }
    }

    fn finish(self) {
        drop(self.edges);
        crate::scheduler::requeue_all(self.machines);
        for waker in self.wakers {
            // A waker is the user's: its panic must not reach the worker, nor keep the others asleep.
            if let Err(message) = crate::unwind::user_code(move || waker.wake()) {
                tracing::error!(%message, "a waker panicked; the runtime goes on");
            }
        }
    }
}

/// Publishes the room that a machine has made so far in an activation; those who wait get it first.
///
/// While somebody waits, nothing is handed out above the low-water mark (half of the capacity): so a crowd is resumed in batches,
/// and a thread is not woken for one slot at a time. Nobody is forgotten by that: the end of the activation calls [`make_room_now`].
///
/// # Safety
/// The caller is the consumer of `cell`.
pub(crate) unsafe fn make_room<P>(cell: &MailboxCell<P>) {
    let queue = &cell.queue;
    if queue.tail().has(word::WAITERS) {
        if queue.len() > queue.capacity() / 2 {
            return;
        }
        // SAFETY: the caller is the consumer.
        unsafe { serve_waiters(cell, ComesBy::ThisTurn) };
    } else {
        queue.publish_limit();
    }
}

/// As [`make_room`], whatever the low-water mark: at the end of an activation, or where a machine is about to park, or a thread or a future has
/// received.
///
/// # Safety
/// The caller is the consumer of `cell`.
pub(crate) unsafe fn make_room_now<P>(cell: &MailboxCell<P>, comes_by: ComesBy) {
    if cell.queue.tail().has(word::WAITERS) {
        // SAFETY: the caller is the consumer.
        unsafe { serve_waiters(cell, comes_by) };
        return;
    }
    cell.queue.publish_limit();
    crate::sync::point(Point::RoomPublished);
    if cell.queue.settle_room() {
        // SAFETY: the caller is the consumer.
        unsafe { serve_waiters(cell, comes_by) };
    }
}

/// Gives the room that the consumer has made to those who wait, in order of arrival and no more of them than there is room.
///
/// # Safety
/// The caller is the consumer of `cell`.
pub(super) unsafe fn serve_waiters<P>(cell: &MailboxCell<P>, comes_by: ComesBy) {
    let Some(waiters) = cell.waiters().get() else {
        return;
    };
    let queue = &cell.queue;
    let mut released = Released::default();
    crate::sync::point(Point::BeforeServing);
    {
        let mut list = waiters.lock();
        let limit = queue.next_limit();
        let owed = list.owed;
        let at_once = list.crowd.how_many(queue.tail().index(), owed, comes_by);
        // Who has been promised room and has not had its turn yet passes on what it does not use, so that the consumer need not come by again for
        // that. One that does come by goes by its crowd: it resumes others though one of those may be inside a long `receive`.
        let owed = match comes_by {
            ComesBy::ThisTurn | ComesBy::NextTurn => 0,
            ComesBy::NobodyKnowsWhen => owed,
        };
        let mut granted = 0;
        let mut key = list.first;
        // Nobody is sent to a closed mailbox any more: who waits for its room goes on.
        while key != NONE {
            let tail = queue.tail();
            let closed = tail.has(word::CLOSED);
            if !closed && tail.index() >= limit {
                break;
            }
            let next = list.nodes[key as usize].next;
            if let Who::Machine(machine) = *list.who(key) {
                // A machine is promised a slot, so that a crowd does not stampede; it may never use it. Behind those that are
                // promised none there may be a thread: for it the room counts that is there, since the consumer may not come by again.
                let promised = tail.index() + owed + granted;
                let reason = if closed { Reason::Closed } else { Reason::Room };
                if !closed && (promised >= limit || granted >= at_once) {
                    if list.foreign == 0 {
                        break;
                    }
                } else if released.resume(&mut list, key, machine, reason) == Resumed::Won {
                    granted += 1;
                }
            } else if let Who::Waiting(instruction, waker, since) = list.settle(key, Who::Delivered)
            {
                match queue.claim_slowly(Bound::Below(limit)) {
                    Ok(claim) => {
                        // The consumer is awake, being the caller, so nobody is owed a wake.
                        let _ = claim.write(instruction);
                        list.waited += since.elapsed();
                        released.wakers.push(waker);
                    }
                    Err(Refused::Closed) => {
                        list.waited += since.elapsed();
                        *list.who(key) = Who::Returned(instruction);
                        released.wakers.push(waker);
                    }
                    Err(Refused::Full | Refused::Limit) => {
                        // Machines took the room between the look and the push: the node goes to the front, being the
                        // next that is owed room.
                        list.relink_first(key, Who::Waiting(instruction, waker, since));
                        break;
                    }
                }
            }
            key = next;
        }
        list.crowd.note(granted, queue.tail().index());
        if list.is_unlinked() {
            queue.clear_waiters();
        }
        // Under the lock: who came to wait before is in the list, who comes later sees this limit.
        queue.publish_limit();
    }
    released.finish();
}

impl<P> List<P> {
    fn relink_first(&mut self, key: u32, who: Who<P>) {
        self.count(&who);
        let first = self.first;
        let node = &mut self.nodes[key as usize];
        node.who = who;
        node.previous = NONE;
        node.next = first;
        match self.nodes.get_mut(first as usize) {
            Some(before) => before.previous = key,
            None => self.last = key,
        }
        self.first = key;
    }
}

/// Releases everybody: the mailbox is closed, there will be no room.
pub(crate) fn release_all<P>(cell: &MailboxCell<P>) {
    let Some(waiters) = cell.waiters().get() else {
        return;
    };
    let mut released = Released::default();
    {
        let mut list = waiters.lock();
        let mut key = list.first;
        while key != NONE {
            let next = list.nodes[key as usize].next;
            if let Who::Machine(machine) = *list.who(key) {
                // Lost: another party resumes it, and unlinks it. No duty is left here.
                let _ = released.resume(&mut list, key, machine, Reason::Closed);
            } else if let Who::Waiting(instruction, waker, since) = list.settle(key, Who::Delivered)
            {
                list.waited += since.elapsed();
                *list.who(key) = Who::Returned(instruction);
                released.wakers.push(waker);
            }
            key = next;
        }
        if list.is_unlinked() {
            cell.queue.clear_waiters();
        }
    }
    released.finish();
}

/// Steps 2 to 6 of parking `me` on the mailbox of `receiver`: see the README.
///
/// # Safety
/// `receiver` is a `MailboxCell<P>` and alive; the caller holds the token of `me`, and a memory reference to it; after
/// [`Announce::Announced`] it touches only atomics of `me`.
pub(crate) unsafe fn park_on<P>(receiver: NonNull<Header>, me: NonNull<Header>) -> Announce {
    // SAFETY: by the caller's word.
    let cell = unsafe { cell_of::<MailboxCell<P>>(receiver).as_ref() };
    // SAFETY: by the caller's word.
    let machine = unsafe { me.as_ref() };
    let mut list = cell.waiters().get_or_init(Waiters::new).lock();
    // A machine will pass by its low-water mark. A thread that receives may not come by again, so that a machine waits for it
    // only where there is no room at all.
    let low_water = if cell.header().vtable.is_machine {
        cell.queue.capacity() / 2
    } else {
        cell.queue.capacity() - 1
    };
    let mut announced = cell.queue.announce_waiter(low_water);
    // A machine that is parked passes by no mark. Whether it is, is asked after the fence in `announce_waiter`, which pairs with that in `park`: it is seen to be parked
    // here, or sees there that somebody waits.
    if announced == Announce::Announced
        && cell.header().machine().held.is_parked()
        && cell.queue.seems_to_have_room_beyond(list.owed)
    {
        announced = Announce::RoomAfterAll;
    }
    if announced == Announce::RoomAfterAll && list.is_unlinked() {
        cell.queue.clear_waiters();
    }
    if announced == Announce::Announced {
        crate::sync::point(Point::MachineEnlists);
        let side = machine.side();
        side.edge.set(MemRef::of(cell.header()));
        let key = list.link(Who::Machine(me));
        // Relaxed: published by PARKED.
        side.wait_key.store(key, Ordering::Relaxed);
        crate::sync::point(Point::BeforeParked);
        machine.held.park();
    }
    announced
}

/// Takes a machine's node out of the list of `receiver`: by whoever won its resume, before it is queued.
///
/// # Safety
/// `receiver` is a `MailboxCell<P>` and alive, and `key` is the linked node of a machine whose resume the caller won.
pub(crate) unsafe fn unlink_machine<P>(receiver: NonNull<Header>, key: u32) {
    // SAFETY: by the caller's word.
    let cell = unsafe { cell_of::<MailboxCell<P>>(receiver).as_ref() };
    if let Some(waiters) = cell.waiters().get() {
        let mut list = waiters.lock();
        list.remove(key);
        if list.is_unlinked() {
            cell.queue.clear_waiters();
        }
    }
}

/// A machine that was promised room had its turn: lets the next one go if there is room for it too. See [`Promise`].
///
/// # Safety
/// `receiver` is a `MailboxCell<P>` and alive, and the caller consumes one of its promises.
pub(crate) unsafe fn pass_on<P>(receiver: NonNull<Header>, came_back: bool) {
    // SAFETY: by the caller's word.
    let cell = unsafe { cell_of::<MailboxCell<P>>(receiver).as_ref() };
    let Some(waiters) = cell.waiters().get() else {
        return;
    };
    let mut released = Released::default();
    {
        let mut list = waiters.lock();
        debug_assert!(list.owed > 0, "a promise that was not given");
        list.owed -= 1;
        // One for one, so that those under way grow no more; and fewer where they come back. Not fewer where they do not: the last of them may be away for long.
        if !came_back || list.crowd.lets_follow(list.owed) {
            released.resume_for_room(cell, &mut list, 1);
        }
    }
    released.finish();
}

/// Who reads this mailbox will not come by again soon: a machine that has given its token away, or the reader of a channel that was stopped. Lets go who
/// waits, as far as the room goes that is published; everybody where the mailbox is closed.
///
/// # Safety
/// `receiver` is a `MailboxCell<P>` and alive.
pub(crate) unsafe fn let_go<P>(receiver: NonNull<Header>) {
    // SAFETY: by the caller's word.
    let cell = unsafe { cell_of::<MailboxCell<P>>(receiver).as_ref() };
    if cell.queue.tail().has(word::CLOSED) {
        return release_all(cell);
    }
    let Some(waiters) = cell.waiters().get() else {
        return;
    };
    let mut released = Released::default();
    released.resume_for_room(cell, &mut waiters.lock(), u64::MAX);
    released.finish();
}

/// Who waits for room in a mailbox, for people.
///
/// # Safety
/// `cell` is a `MailboxCell<P>` and alive.
pub(crate) unsafe fn waits<P>(cell: NonNull<Header>) -> Waits {
    // SAFETY: by the caller's word.
    let cell = unsafe { cell_of::<MailboxCell<P>>(cell).as_ref() };
    let waiters = cell.waiters().get();
    waiters.map_or(Waits::default(), |waiters| waiters.lock().waits())
}
