//! The seam between what is done and who runs it.

use d3_runtime::MachineImpl;

/// How a collective is set up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Setup {
    /// Threads that run nodes.
    pub workers: usize,
    /// Instructions that a mailbox holds; `None`: no bound.
    pub capacity: Option<usize>,
}

/// The one instruction set of all workloads: a word and what it means, so that what is measured is the way, not the load.
#[derive(Clone, Copy, Debug, PartialEq, Eq, MachineImpl)]
pub enum Instruction {
    /// Take the addresses that you need from the directory.
    Wire,
    /// Let go of your addresses: the workload is over.
    Cut,
    /// The work itself; each workload says what the number is.
    Token(u64),
    /// Send so many tokens.
    Produce(u64),
}

/// What a node wants done after it took an instruction.
///
/// A value, not a call, so that one behaviour serves runtimes whose send returns at once and those whose send is awaited. After
/// inlining nothing of it is left.
#[derive(Debug)]
pub enum Effect<'a, A> {
    /// Nothing.
    Nothing,
    /// One instruction to one node.
    Send(&'a A, Instruction),
    /// One instruction to each of many nodes.
    Each(&'a [A], Instruction),
    /// Many instructions to one node.
    Repeat {
        /// The receiver.
        to: &'a A,
        /// What it gets.
        instruction: Instruction,
        /// How often.
        times: u64,
        /// What is sent after that.
        then: Option<(&'a A, Instruction)>,
    },
}

impl<'a, A> Effect<'a, A> {
    /// Does it, with a `send` that does not wait.
    #[inline]
    pub fn perform(self, mut send: impl FnMut(&'a A, Instruction)) {
        match self {
            Self::Nothing => {}
            Self::Send(to, instruction) => send(to, instruction),
            Self::Each(all, instruction) => all.iter().for_each(|to| send(to, instruction)),
            Self::Repeat {
                to,
                instruction,
                times,
                then,
            } => {
                for _ in 0..times {
                    send(to, instruction);
                }
                if let Some((to, instruction)) = then {
                    send(to, instruction);
                }
            }
        }
    }
}

/// A behaviour: the state of one machine, actor or task.
///
/// `Sync` and `Unpin` are what d3 0.1.3 and actix ask for.
pub trait Node<C: Collective>: Send + Sync + Unpin + Sized + 'static {
    /// Takes one instruction.
    fn receive(&mut self, instruction: Instruction) -> Effect<'_, C::Address<Self>>;
}

/// Something that runs nodes: d3, or a peer.
///
/// The methods are called by a thread outside of the collective. They panic when the runtime fails: there is no figure then.
pub trait Collective: Sized + 'static {
    /// The way to a node.
    type Address<N: Node<Self>>: Clone + Send + Sync + Unpin + 'static;

    /// How many instructions a node sends in one go before it lets others run and sends itself the rest. `None`: all of them,
    /// because here a send waits for room.
    const BURST: Option<u64>;

    /// Starts the runtime.
    fn start(setup: &Setup) -> Self;

    /// Connects `count` nodes, made where the runtime likes them made.
    fn connect<N: Node<Self>>(
        &self,
        count: usize,
        make: impl FnMut(usize) -> N + Send + 'static,
    ) -> Vec<Self::Address<N>>;

    /// Sends `times` times the same instruction, waiting while the mailbox is full.
    fn send_many<N: Node<Self>>(&self, to: &Self::Address<N>, instruction: Instruction, times: u64);

    /// Sends each node one instruction, waiting while a mailbox is full.
    fn send_each<N: Node<Self>>(&self, all: &[Self::Address<N>], instruction: Instruction) {
        for to in all {
            self.send_many(to, instruction, 1);
        }
    }

    /// Gives the addresses up, so that the nodes end.
    fn release<N: Node<Self>>(&self, all: Vec<Self::Address<N>>) {
        drop(all);
    }

    /// Ends the runtime; all nodes have ended.
    fn stop(self);
}
