//! d3 behind the seam.

use std::time::Duration;

use d3_runtime::{MachineMut, Runtime, Sender};

use crate::collective::{Collective, Instruction, Node, Setup};

/// How long a runtime without machines may take to end.
const PATIENCE: Duration = Duration::from_secs(30);

/// A runtime of d3, with machines connected by value.
#[derive(Debug)]
pub struct D3 {
    runtime: Runtime,
    capacity: Option<usize>,
}

impl D3 {
    /// The runtime, for what only d3 can be asked.
    pub fn runtime(&self) -> &Runtime {
        &self.runtime
    }
}

/// A node as a machine.
struct Shell<N>(N);

impl<N: Node<D3>> MachineMut<Instruction> for Shell<N> {
    #[inline]
    fn receive(&mut self, instruction: Instruction) {
        self.0
            .receive(instruction)
            .perform(|to, instruction| to.send(instruction).expect("the receiver lives"));
    }
}

impl Collective for D3 {
    type Address<N: Node<Self>> = Sender<Instruction>;

    // A machine's send never waits; one that sent a whole mailbox's worth lets its receiver run.
    const BURST: Option<u64> = Some(128);

    fn start(setup: &Setup) -> Self {
        let runtime = Runtime::builder()
            .workers(setup.workers)
            .build()
            .expect("the system gives us a few threads");
        Self {
            runtime,
            capacity: setup.capacity,
        }
    }

    fn connect<N: Node<Self>>(
        &self,
        count: usize,
        mut make: impl FnMut(usize) -> N + Send + 'static,
    ) -> Vec<Sender<Instruction>> {
        (0..count)
            .map(|index| {
                let machine = self.runtime.machine(Shell(make(index)));
                let machine = match self.capacity {
                    Some(capacity) => machine.capacity(capacity),
                    None => machine.unbounded(),
                };
                machine.accepts::<Instruction>().connect()
            })
            .collect()
    }

    fn send_many<N: Node<Self>>(
        &self,
        to: &Sender<Instruction>,
        instruction: Instruction,
        times: u64,
    ) {
        for _ in 0..times {
            to.send(instruction).expect("the machine lives");
        }
    }

    fn stop(self) {
        let report = self.runtime.shutdown(PATIENCE);
        assert!(report.is_clean(), "{report}");
    }
}
