//! Ports: the further mailboxes of a machine with several instruction sets.
//!
//! A machine has one run token, which is IDLE in the tail word of its first mailbox, as for every machine. Each further
//! instruction set has a port: a mailbox with a header of its own, in the machine's allocation. Who holds the token is the consumer of them all. How a port wakes its machine, and how
//! all of them come to rest, is told in this folder's README; what an activation does with them stands in `several.rs`.

use std::ptr::NonNull;

use super::several::Inbox;
use super::{
    After, Header, MailboxCell, MemRef, RegistrySlot, Scheduled, Turn, VTable, cell_of, reference,
};
use crate::backpressure;
use crate::id::MachineId;
use crate::machine::MachineMut;
use crate::mailbox::{Wake, word};
use crate::protocol::Point;
use crate::sync::{AtomicU8, Ordering};

use super::several::Several;

/// Where the ports of a machine lie, in bytes from its header to that of the first, and how many there are.
#[derive(Clone, Copy)]
pub(crate) struct PortsAt {
    pub(super) distance: usize,
    pub(super) count: usize,
}

impl PortsAt {
    /// There are none.
    pub(crate) const NOWHERE: Self = Self {
        distance: 0,
        count: 0,
    };
}

/// One port. It begins with its mailbox, as every cell does.
#[repr(C)]
pub(crate) struct PortCell<P> {
    pub(super) mailbox: MailboxCell<P>,
    /// Bytes from the machine's header to this one's.
    distance: usize,
}

/// Bytes from one port to the next: the same for every instruction set.
const STRIDE: usize = size_of::<PortCell<()>>();

/// A machine's list of ports. The first stands in front, and they lie side by side.
#[repr(C)]
pub(crate) struct Port<P, Others> {
    pub(super) cell: PortCell<P>,
    others: Others,
}

/// The end of a list of ports: whose turn it is. Touched by the holder of the run token only; atomic because the cell is shared.
pub(crate) struct Rotation(AtomicU8);

impl Rotation {
    pub(super) fn get(&self) -> usize {
        // Relaxed, as in `set`: the token came with Acquire, and leaves with Release.
        usize::from(self.0.load(Ordering::Relaxed))
    }

    pub(super) fn set(&self, mailbox: usize) {
        // A machine has a handful of mailboxes.
        self.0.store(mailbox as u8, Ordering::Relaxed);
    }
}

/// The ports behind a machine's value `B`.
pub(crate) trait Ports<B>: 'static {
    const COUNT: usize;
    /// `distance`: bytes from the machine's header to that of the first port.
    fn new(id: MachineId, distance: usize, capacity: u64) -> Self;
    fn inbox(&self, index: usize) -> &dyn Inbox<B>;
    fn rotation(&self) -> &Rotation;
}

/// Most machines have none.
impl<B> Ports<B> for () {
    const COUNT: usize = 0;

    fn new(_: MachineId, _: usize, _: u64) -> Self {}

    fn inbox(&self, _: usize) -> &dyn Inbox<B> {
        unreachable!("a machine of one instruction set has no port")
    }

    fn rotation(&self) -> &Rotation {
        unreachable!("a machine of one instruction set has no turns")
    }
}

impl<B> Ports<B> for Rotation {
    const COUNT: usize = 0;

    fn new(_: MachineId, _: usize, _: u64) -> Self {
        Self(AtomicU8::new(0))
    }

    fn inbox(&self, _: usize) -> &dyn Inbox<B> {
        unreachable!("there are not so many ports")
    }

    fn rotation(&self) -> &Rotation {
        self
    }
}

impl<T, List, P, Others> Ports<Several<T, List>> for Port<P, Others>
where
    T: MachineMut<P> + 'static,
    List: 'static,
    P: Send + 'static,
    Others: Ports<Several<T, List>>,
{
    const COUNT: usize = 1 + Others::COUNT;

    fn new(id: MachineId, distance: usize, capacity: u64) -> Self {
        Self {
            cell: PortCell::new(
                const { &PortCell::<P>::table(std::any::type_name::<T>) },
                id,
                distance,
                capacity,
            ),
            others: Others::new(id, distance + STRIDE, capacity),
        }
    }

    fn inbox(&self, index: usize) -> &dyn Inbox<Several<T, List>> {
        if index == 0 {
            &self.cell.mailbox
        } else {
            self.others.inbox(index - 1)
        }
    }

    fn rotation(&self) -> &Rotation {
        self.others.rotation()
    }
}

impl<P> PortCell<P> {
    /// A port at rest, with one strong sender and the machine's reference; and with a reference to the machine, which
    /// [`Header::will_have_ports`] has counted.
    pub(super) fn new(
        table: &'static VTable,
        id: MachineId,
        distance: usize,
        capacity: u64,
    ) -> Self {
        const {
            assert!(size_of::<Self>() == STRIDE);
            assert!(cfg!(loom) || STRIDE == 128);
        };
        Self {
            // No pool: so it is woken by its table.
            mailbox: MailboxCell::new(
                Header::new(table, None, id, RegistrySlot::NONE),
                capacity,
                true,
            ),
            distance,
        }
    }
}

impl<P: Send + 'static> PortCell<P> {
    pub(super) const fn table(machine_type: fn() -> &'static str) -> VTable {
        VTable {
            is_machine: true,
            is_port: true,
            ports: PortsAt::NOWHERE,
            run: no_run,
            rest: no_rest,
            wake,
            park_on: backpressure::park_on::<P>,
            unlink_waiter: backpressure::unlink_machine::<P>,
            pass_on: backpressure::pass_on::<P>,
            let_go: backpressure::let_go::<P>,
            waits: backpressure::waits::<P>,
            free,
            machine_type,
            instruction_set: std::any::type_name::<P>,
            instruction_set_id: std::any::TypeId::of::<P>,
            shared_value: |_| std::ptr::null(),
        }
    }
}

unsafe fn no_run(token: Scheduled, _: &mut Turn<'_>) -> After {
    // A port is never queued: its machine is.
    drop(token);
    After::Gone
}

unsafe fn no_rest(token: Scheduled) -> Option<Scheduled> {
    // As for `no_run`: nobody can come here.
    Some(token)
}

/// The port was at rest, and something was pushed: its machine is told to look at its ports.
unsafe fn wake(port: NonNull<Header>) {
    // SAFETY: the caller keeps the port alive.
    let machine = unsafe { port.as_ref() }.machine();
    crate::sync::point(Point::PortPushed);
    // The instruction is in the port, and the port no longer at rest, before this says so; the machine clears CONTROL before it looks.
    if let Some(wake) = machine.queue().post_control() {
        machine.wake(wake);
    }
    // Closed: a machine that ends reads or drops what is in its ports, whether anybody told it to look or not.
}

/// The last reference to a port is gone: its memory is its machine's.
unsafe fn free(port: NonNull<Header>) {
    // SAFETY: alive, by the reference to the machine that the port has held since it was made.
    let machine = unsafe { port.as_ref() }.machine().in_cell();
    // SAFETY: that reference, given up here, once.
    drop(unsafe { MemRef::from_raw(machine) });
}

/// A sender for a port that has none left, as long as its machine has senders at other mailboxes: a machine's end, and not a
/// port's, is what its senders decide. False: there are none.
#[cold]
pub(super) fn add_first_sender(port: &Header) -> bool {
    let machine = port.machine();
    loop {
        if reference::add_unless_zero(&port.senders) {
            return true;
        }
        // All senders of a port together are one of the machine's.
        if !reference::add_unless_zero(&machine.senders) {
            return false;
        }
        // Relaxed: as in `add_unless_zero`.
        if port
            .senders
            .compare_exchange(0, 1, Ordering::Relaxed, Ordering::Relaxed)
            .is_ok()
        {
            // Given up by `last_sender_is_gone`: held by all senders of the port together.
            let _ = MemRef::of(port).into_raw();
            return true;
        }
        // Somebody else was faster, and brought a count of their own.
        // SAFETY: counted above.
        unsafe { MailboxCell::<()>::remove_sender(cell_of(machine.in_cell())) };
    }
}

/// The last sender of a port is gone, and with it one of the machine's.
///
/// # Safety
/// The caller took the port's count of senders to zero.
#[cold]
pub(super) unsafe fn last_sender_is_gone(port: NonNull<Header>) {
    // SAFETY: the senders' reference, which is given up last, keeps the port and its machine.
    let machine = unsafe { port.as_ref() }.machine().in_cell();
    // SAFETY: all senders of the port were counted as one of the machine's. The untyped mailbox will do: closing touches the words only.
    unsafe { MailboxCell::<()>::remove_sender(cell_of(machine)) };
    // SAFETY: the port's senders held it together.
    unsafe { reference::release(port) };
}

impl Header {
    /// The header of the machine that reads this mailbox: this one, but for a port.
    #[inline]
    pub(crate) fn machine(&self) -> &Self {
        if self.vtable.is_port {
            self.machine_of_port()
        } else {
            self
        }
    }

    fn machine_of_port(&self) -> &Self {
        // SAFETY: by its table this header stands in a `PortCell`, whose layout is the same for every P.
        let port = unsafe { cell_of::<PortCell<()>>(self.in_cell()).as_ref() };
        // SAFETY: so many bytes before it, in the same allocation, lies the machine's header, which lives as long as the port.
        unsafe {
            self.in_cell()
                .cast::<u8>()
                .sub(port.distance)
                .cast()
                .as_ref()
        }
    }

    /// The ports of this machine, in the order in which it accepts their instruction sets.
    #[inline]
    pub(crate) fn ports(&self) -> impl Iterator<Item = &Self> {
        let PortsAt { distance, count } = self.vtable.ports;
        (0..count).map(move |index| {
            let port = self.in_cell().cast::<u8>();
            // SAFETY: so its table says; they lie in this machine's allocation.
            unsafe { port.add(distance + index * STRIDE).cast().as_ref() }
        })
    }

    /// All mailboxes of this machine.
    pub(crate) fn mailboxes(&self) -> impl Iterator<Item = &Self> {
        std::iter::once(self).chain(self.ports())
    }

    /// Counts what `count` ports that are about to be made hold of this machine: one strong sender and one reference each.
    pub(super) fn will_have_ports(&self, count: usize) {
        // Relaxed: nobody else has seen this header.
        self.senders.fetch_add(count as u32, Ordering::Relaxed);
        self.refs.fetch_add(count as u32, Ordering::Relaxed);
    }

    /// Refuses every later push to a port.
    pub(super) fn close_ports(&self) {
        for port in self.ports() {
            // Whoever closes the machine itself wakes it.
            let _: Wake = port.queue().close();
        }
    }

    /// Gives up the references that a machine holds to its ports: it has ended.
    ///
    /// # Safety
    /// Called once, by the holder of the run token, whose own reference keeps the memory.
    pub(super) unsafe fn let_go_of_ports(&self) {
        for port in self.ports() {
            // SAFETY: the machine's reference, given up once.
            unsafe { reference::release(port.in_cell()) };
        }
    }

    /// Whether somebody waits for room in one of this machine's mailboxes: one load for each.
    pub(crate) fn has_waiters(&self) -> bool {
        self.mailboxes()
            .any(|mailbox| mailbox.queue().tail().has(word::WAITERS))
    }
}
