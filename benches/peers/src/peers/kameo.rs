//! kameo: one actor with a bounded mailbox for each node, sent to by `tell`.

use std::convert::Infallible;

use d3_benches::{Collective, Instruction, Node, Setup};
use kameo::actor::{ActorRef, Spawn};
use kameo::mailbox;
use kameo::message::{Context, Message};
use tokio::runtime::Runtime;

use super::{Post, capacity, perform, tokio_runtime};

/// Actors of kameo.
pub(crate) struct Kameo {
    runtime: Runtime,
    capacity: usize,
}

/// A node as an actor.
pub(crate) struct Shell<N>(N);

impl<N: Node<Kameo>> kameo::Actor for Shell<N> {
    type Args = N;
    type Error = Infallible;

    async fn on_start(node: N, _: ActorRef<Self>) -> Result<Self, Infallible> {
        Ok(Self(node))
    }
}

impl<N: Node<Kameo>> Message<Instruction> for Shell<N> {
    type Reply = ();

    async fn handle(&mut self, instruction: Instruction, _: &mut Context<Self, ()>) {
        perform(self.0.receive(instruction)).await;
    }
}

impl<N: Node<Kameo>> Post for ActorRef<Shell<N>> {
    async fn post(&self, instruction: Instruction) {
        self.tell(instruction)
            .send()
            .await
            .expect("the receiver lives");
    }
}

impl Collective for Kameo {
    type Address<N: Node<Self>> = ActorRef<Shell<N>>;

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
    ) -> Vec<ActorRef<Shell<N>>> {
        let _inside = self.runtime.enter();
        (0..count)
            .map(|index| {
                Shell::<N>::spawn_with_mailbox(make(index), mailbox::bounded(self.capacity))
            })
            .collect()
    }

    fn send_many<N: Node<Self>>(
        &self,
        to: &ActorRef<Shell<N>>,
        instruction: Instruction,
        times: u64,
    ) {
        for _ in 0..times {
            to.tell(instruction)
                .blocking_send()
                .expect("the receiver lives");
        }
    }

    fn stop(self) {
        drop(self.runtime);
    }
}
