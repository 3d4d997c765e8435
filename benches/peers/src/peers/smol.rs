//! smol: its executor on a few threads, one task and one bounded flume channel for each node.

use std::sync::Arc;
use std::thread::JoinHandle;

use async_executor::Executor;
use d3_benches::{Collective, Instruction, Node, Setup};
use flume::{Receiver, Sender, bounded};
use futures_lite::future::block_on;

use super::{Post, capacity, perform};

/// Tasks on smol's executor.
pub(crate) struct Smol {
    executor: Arc<Executor<'static>>,
    // Dropped, it ends the threads.
    running: Sender<()>,
    threads: Vec<JoinHandle<()>>,
    capacity: usize,
}

impl Post for Sender<Instruction> {
    async fn post(&self, instruction: Instruction) {
        self.send_async(instruction)
            .await
            .expect("the receiver lives");
    }
}

async fn run<N: Node<Smol>>(mut node: N, receiver: Receiver<Instruction>) {
    while let Ok(instruction) = receiver.recv_async().await {
        perform(node.receive(instruction)).await;
    }
}

impl Collective for Smol {
    type Address<N: Node<Self>> = Sender<Instruction>;

    const BURST: Option<u64> = None;

    fn start(setup: &Setup) -> Self {
        let executor = Arc::new(Executor::new());
        let (running, ended) = bounded::<()>(0);
        let threads = (0..setup.workers)
            .map(|_| {
                let executor = Arc::clone(&executor);
                let ended = ended.clone();
                std::thread::spawn(move || {
                    // Nothing is ever sent: this is the end of all senders.
                    let _ = block_on(executor.run(ended.recv_async()));
                })
            })
            .collect();
        Self {
            executor,
            running,
            threads,
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
                let (sender, receiver) = bounded(self.capacity);
                self.executor.spawn(run(make(index), receiver)).detach();
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
            to.send(instruction).expect("the receiver lives");
        }
    }

    fn stop(self) {
        drop(self.running);
        for thread in self.threads {
            thread.join().expect("a worker of smol's executor ends");
        }
    }
}
