//! actix: all actors on one arbiter, which is one thread, sent to by `do_send`, which knows no bound.

use std::sync::mpsc::channel;
use std::thread::JoinHandle;

use actix::{Actor, Addr, ArbiterHandle, Context, Handler, System};
use d3_benches::{Collective, Instruction, Node, Setup};

/// Actors of actix.
pub(crate) struct Actix {
    system: System,
    arbiter: ArbiterHandle,
    thread: JoinHandle<()>,
}

/// An instruction as a message of actix.
struct Note(Instruction);

impl actix::Message for Note {
    type Result = ();
}

/// A node as an actor.
pub(crate) struct Shell<N>(N);

impl<N: Node<Actix>> Actor for Shell<N> {
    type Context = Context<Self>;
}

impl<N: Node<Actix>> Handler<Note> for Shell<N> {
    type Result = ();

    fn handle(&mut self, Note(instruction): Note, _: &mut Context<Self>) {
        self.0
            .receive(instruction)
            .perform(|to, instruction| to.do_send(Note(instruction)));
    }
}

impl Collective for Actix {
    type Address<N: Node<Self>> = Addr<Shell<N>>;

    // Its send never waits, so a producer has to let others run.
    const BURST: Option<u64> = Some(128);

    fn start(_: &Setup) -> Self {
        let (tell, started) = channel();
        let thread = std::thread::spawn(move || {
            let runner = System::new();
            let system = System::current();
            tell.send((system.clone(), system.arbiter().clone()))
                .expect("who started us waits");
            runner.run().expect("the system of actix runs");
        });
        let (system, arbiter) = started.recv().expect("the system of actix starts");
        Self {
            system,
            arbiter,
            thread,
        }
    }

    fn connect<N: Node<Self>>(
        &self,
        count: usize,
        mut make: impl FnMut(usize) -> N + Send + 'static,
    ) -> Vec<Addr<Shell<N>>> {
        let (tell, made) = channel();
        let accepted = self.arbiter.spawn_fn(move || {
            let actors: Vec<_> = (0..count).map(|index| Shell(make(index)).start()).collect();
            // Fails only if who asked has given up.
            let _ = tell.send(actors);
        });
        assert!(accepted, "the arbiter lives");
        made.recv().expect("the arbiter makes the actors")
    }

    fn send_many<N: Node<Self>>(&self, to: &Addr<Shell<N>>, instruction: Instruction, times: u64) {
        for _ in 0..times {
            to.do_send(Note(instruction));
        }
    }

    fn stop(self) {
        self.system.stop();
        self.thread.join().expect("the thread of actix ends");
    }
}
