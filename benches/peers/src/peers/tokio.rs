//! tokio: one task and one bounded mpsc channel for each node.

use d3_benches::{Collective, Instruction, Node, Setup};
use tokio::runtime::Runtime;
use tokio::sync::mpsc::{Receiver, Sender, channel};

use super::{Post, capacity, perform, tokio_runtime};

/// Tasks on tokio's multi-thread runtime.
pub(crate) struct Tokio {
    runtime: Runtime,
    capacity: usize,
}

impl Post for Sender<Instruction> {
    async fn post(&self, instruction: Instruction) {
        self.send(instruction).await.expect("the receiver lives");
    }
}

async fn run<N: Node<Tokio>>(mut node: N, mut receiver: Receiver<Instruction>) {
    while let Some(instruction) = receiver.recv().await {
        perform(node.receive(instruction)).await;
    }
}

impl Collective for Tokio {
    type Address<N: Node<Self>> = Sender<Instruction>;

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
    ) -> Vec<Sender<Instruction>> {
        (0..count)
            .map(|index| {
                let (sender, receiver) = channel(self.capacity);
                self.runtime.spawn(run(make(index), receiver));
                sender
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
            to.blocking_send(instruction).expect("the receiver lives");
        }
    }

    fn stop(self) {
        drop(self.runtime);
    }
}
