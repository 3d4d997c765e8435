//! The peers behind the seam, each as its own manual would have it written.
//!
//! A peer whose send waits for room awaits it inside the node, as tokio tasks do; one whose send returns at once just sends.

pub(crate) mod actix;
pub(crate) mod d3_0_1;
pub(crate) mod kameo;
pub(crate) mod ractor;
pub(crate) mod smol;
pub(crate) mod tokio;
pub(crate) mod xtra;

use d3_benches::{Effect, Instruction, Setup};

/// An address whose send waits for room.
trait Post: Sync {
    /// Sends, and waits until the instruction is in the mailbox.
    fn post(&self, instruction: Instruction) -> impl Future<Output = ()> + Send;
}

/// Does what a node wants done, with sends that wait.
async fn perform<A: Post>(effect: Effect<'_, A>) {
    match effect {
        Effect::Nothing => {}
        Effect::Send(to, instruction) => to.post(instruction).await,
        Effect::Each(all, instruction) => {
            for to in all {
                to.post(instruction).await;
            }
        }
        Effect::Repeat {
            to,
            instruction,
            times,
            then,
        } => {
            for _ in 0..times {
                to.post(instruction).await;
            }
            if let Some((to, instruction)) = then {
                to.post(instruction).await;
            }
        }
    }
}

/// The bound of a peer that has bounded mailboxes only here.
fn capacity(setup: &Setup) -> usize {
    setup
        .capacity
        .expect("this peer is compared with bounded mailboxes")
}

/// tokio's runtime with as many workers as the others have.
fn tokio_runtime(setup: &Setup) -> ::tokio::runtime::Runtime {
    ::tokio::runtime::Builder::new_multi_thread()
        .worker_threads(setup.workers)
        .enable_time()
        .build()
        .expect("the system gives us a few threads")
}
