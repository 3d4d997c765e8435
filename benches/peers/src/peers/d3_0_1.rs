//! d3 0.1.3, what this d3 comes from: one machine for each node, bounded or not.

use atomic_refcell::AtomicRefCell;
use d3_benches::{Collective, Instruction, Node, Setup};
use d3_core::executor;
// The derive refers to all of it.
use d3_core::machine_impl::*;
use d3_derive::MachineImpl;

/// Machines of d3 0.1.3. Its executor is one for the whole process.
pub(crate) struct D301 {
    capacity: Option<usize>,
}

/// An instruction as an instruction of d3 0.1.3, whose derive takes only an enum of this crate.
#[derive(Debug, MachineImpl)]
#[allow(
    unreachable_pub,
    reason = "the derive writes public types that name it"
)]
pub enum Old {
    /// The instruction.
    Run(Instruction),
}

/// A node as a machine. d3 0.1.3 runs a machine through `&self`; it uses this cell itself for what only one thread touches.
struct Shell<N>(AtomicRefCell<N>);

impl<N: Node<D301>> Machine<Old> for Shell<N> {
    fn receive(&self, Old::Run(instruction): Old) {
        self.0
            .borrow_mut()
            .receive(instruction)
            .perform(|to, instruction| {
                to.send(Old::Run(instruction)).expect("the receiver lives");
            });
    }
}

impl Collective for D301 {
    type Address<N: Node<Self>> = Sender<Old>;

    // Its send in a machine waits at the second instruction that finds no room: the worker runs others meanwhile.
    const BURST: Option<u64> = Some(128);

    fn start(setup: &Setup) -> Self {
        executor::set_executor_count(setup.workers);
        executor::start_server();
        Self {
            capacity: setup.capacity,
        }
    }

    fn connect<N: Node<Self>>(
        &self,
        count: usize,
        mut make: impl FnMut(usize) -> N + Send + 'static,
    ) -> Vec<Sender<Old>> {
        (0..count)
            .map(|index| {
                let machine = Shell(AtomicRefCell::new(make(index)));
                match self.capacity {
                    Some(capacity) => {
                        executor::connect_with_capacity::<_, Old>(machine, capacity).1
                    }
                    None => executor::connect_unbounded::<_, Old>(machine).1,
                }
            })
            .collect()
    }

    fn send_many<N: Node<Self>>(&self, to: &Sender<Old>, instruction: Instruction, times: u64) {
        for _ in 0..times {
            to.send(Old::Run(instruction)).expect("the receiver lives");
        }
    }

    fn stop(self) {
        executor::stop_server();
    }
}
