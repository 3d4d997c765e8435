//! Connecting: what a builder refuses, and machines with more than two sets.

use std::sync::Arc;

use d3::prelude::*;
use d3::{BuildError, MachineMut, bounded};

use crate::pair::{A, B, Books, Both};
use crate::support::probe::read;
use crate::support::{PATIENCE, runtime};

#[test]
fn connecting_tells_what_is_wrong() {
    let runtime = runtime(1);
    let books = Arc::<Books>::default();
    let builder = || {
        let machine = runtime.machine(Both::new(&books));
        machine.accepts::<A>().accepts::<B>()
    };
    let zero = builder().capacity(0).try_connect();
    assert!(matches!(zero, Err(BuildError::ZeroCapacity)));
    assert!(builder().capacity(1).try_connect().is_ok());
    runtime.shutdown(PATIENCE);
    assert!(matches!(builder().try_connect(), Err(BuildError::Stopped)));
    let (a, b) = builder().connect();
    assert!(a.is_disconnected() && b.is_disconnected());
    assert_eq!(read(&books.connected), read(&books.disconnected));
}

#[derive(MachineImpl)]
enum C {
    Add(u64),
}

#[derive(MachineImpl)]
enum D {
    Add(u64),
}

#[derive(MachineImpl)]
enum E {
    Add(u64),
}

#[derive(MachineImpl)]
enum F {
    Tell(Sender<u64>),
}

#[derive(Default)]
struct Sum(u64);

impl MachineMut<C> for Sum {
    fn receive(&mut self, C::Add(n): C) {
        self.0 += n;
    }
}

impl MachineMut<D> for Sum {
    fn receive(&mut self, D::Add(n): D) {
        self.0 += n;
    }
}

impl MachineMut<E> for Sum {
    fn receive(&mut self, E::Add(n): E) {
        self.0 += n;
    }
}

impl MachineMut<F> for Sum {
    fn receive(&mut self, F::Tell(to): F) {
        to.send(self.0).expect("the test waits");
    }
}

#[test]
fn three_and_four_sets() {
    let runtime = runtime(2);
    let (c, d, f) = runtime
        .machine(Sum::default())
        .accepts::<C>()
        .accepts::<D>()
        .accepts::<F>()
        .connect();
    c.send(C::Add(1)).expect("it lives");
    d.send(D::Add(10)).expect("it lives");
    runtime.wait_idle(PATIENCE).expect("it rests");
    let (to, total) = bounded(1);
    f.send(F::Tell(to)).expect("it lives");
    assert_eq!(total.recv_timeout(PATIENCE), Ok(11));

    let (c, d, e, f) = runtime
        .machine(Sum::default())
        .unbounded()
        .accepts::<C>()
        .accepts::<D>()
        .accepts::<E>()
        .accepts::<F>()
        .connect();
    assert_eq!(e.capacity(), None);
    for n in 0..1_000 {
        c.send(C::Add(n)).expect("it lives");
        d.send(D::Add(n)).expect("it lives");
        e.send(E::Add(n)).expect("it lives");
    }
    runtime.wait_idle(PATIENCE).expect("it rests");
    let (to, total) = bounded(1);
    f.send(F::Tell(to)).expect("it lives");
    assert_eq!(total.recv_timeout(PATIENCE), Ok(3 * 499_500));
}
