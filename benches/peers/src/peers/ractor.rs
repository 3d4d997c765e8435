//! ractor: one actor for each node, sent to by `cast`. Its mailboxes have no bound.

use std::marker::PhantomData;

use d3_benches::{Collective, Instruction, Node, Setup};
use ractor::{Actor, ActorProcessingErr, ActorRef};
use tokio::runtime::Runtime;

use super::tokio_runtime;

/// Actors of ractor.
pub(crate) struct Ractor {
    runtime: Runtime,
}

/// A kind of actor; the node is its state.
pub(crate) struct Shell<N>(PhantomData<N>);

impl<N: Node<Ractor>> Actor for Shell<N> {
    type Msg = Instruction;
    type State = N;
    type Arguments = N;

    async fn pre_start(&self, _: ActorRef<Instruction>, node: N) -> Result<N, ActorProcessingErr> {
        Ok(node)
    }

    async fn handle(
        &self,
        _: ActorRef<Instruction>,
        instruction: Instruction,
        node: &mut N,
    ) -> Result<(), ActorProcessingErr> {
        node.receive(instruction)
            .perform(|to, instruction| to.cast(instruction).expect("the receiver lives"));
        Ok(())
    }
}

impl Collective for Ractor {
    type Address<N: Node<Self>> = ActorRef<Instruction>;

    // Its send never waits, so a producer has to let others run.
    const BURST: Option<u64> = Some(128);

    fn start(setup: &Setup) -> Self {
        Self {
            runtime: tokio_runtime(setup),
        }
    }

    fn connect<N: Node<Self>>(
        &self,
        count: usize,
        mut make: impl FnMut(usize) -> N + Send + 'static,
    ) -> Vec<ActorRef<Instruction>> {
        self.runtime.block_on(async {
            let mut actors = Vec::with_capacity(count);
            for index in 0..count {
                let (actor, _) = Actor::spawn(None, Shell(PhantomData), make(index))
                    .await
                    .expect("an actor without a name can always be spawned");
                actors.push(actor);
            }
            actors
        })
    }

    fn send_many<N: Node<Self>>(
        &self,
        to: &ActorRef<Instruction>,
        instruction: Instruction,
        times: u64,
    ) {
        for _ in 0..times {
            to.cast(instruction).expect("the receiver lives");
        }
    }

    /// An actor of ractor lives until it is stopped, whoever still knows it.
    fn release<N: Node<Self>>(&self, all: Vec<ActorRef<Instruction>>) {
        for actor in all {
            actor.stop(None);
        }
    }

    fn stop(self) {
        drop(self.runtime);
    }
}
