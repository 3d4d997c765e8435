//! xtra: one actor with a bounded mailbox for each node on tokio's runtime; sends wait for room and not for the answer.

use d3_benches::{Collective, Instruction, Node, Setup};
use tokio::runtime::Runtime;
use xtra::{Actor, Address, Context, Handler, Mailbox};

use super::{Post, capacity, perform, tokio_runtime};

/// Actors of xtra.
pub(crate) struct Xtra {
    runtime: Runtime,
    capacity: usize,
}

/// A node as an actor.
pub(crate) struct Shell<N>(N);

impl<N: Node<Xtra>> Actor for Shell<N> {
    type Stop = ();

    async fn stopped(self) {}
}

impl<N: Node<Xtra>> Handler<Instruction> for Shell<N> {
    type Return = ();

    async fn handle(&mut self, instruction: Instruction, _: &mut Context<Self>) {
        perform(self.0.receive(instruction)).await;
    }
}

impl<N: Node<Xtra>> Post for Address<Shell<N>> {
    async fn post(&self, instruction: Instruction) {
        let answer = self.send(instruction).detach().await;
        // There is none to wait for.
        drop(answer.expect("the receiver lives"));
    }
}

impl Collective for Xtra {
    type Address<N: Node<Self>> = Address<Shell<N>>;

    const BURST: Option<u64> = None;

    fn start(setup: &Setup) -> Self {
        Self {
            runtime: tokio_runtime(setup),
            capacity: capacity(setup),
        }
    }

    fn connect<N: Node<Self>>(
        &self,
        count: usize,
        mut make: impl FnMut(usize) -> N + Send + 'static,
    ) -> Vec<Address<Shell<N>>> {
        let _inside = self.runtime.enter();
        (0..count)
            .map(|index| xtra::spawn_tokio(Shell(make(index)), Mailbox::bounded(self.capacity)))
            .collect()
    }

    // It has no send for threads: the thread is an executor of its own, entered once for all.
    fn send_many<N: Node<Self>>(
        &self,
        to: &Address<Shell<N>>,
        instruction: Instruction,
        times: u64,
    ) {
        futures_lite::future::block_on(async {
            for _ in 0..times {
                to.post(instruction).await;
            }
        });
    }

    fn send_each<N: Node<Self>>(&self, all: &[Address<Shell<N>>], instruction: Instruction) {
        futures_lite::future::block_on(async {
            for to in all {
                to.post(instruction).await;
            }
        });
    }

    fn stop(self) {
        drop(self.runtime);
    }
}
