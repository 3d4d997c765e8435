//! Instructions that carry senders of their own kind: the bound `Send` on the enum is proved in spite of the circle.

// The instructions are here for their types; nobody makes or reads them.
#![allow(dead_code)]

use d3_runtime::{MachineImpl, Sender};

#[derive(MachineImpl)]
enum Plain {
    Subscribe(Sender<Plain>),
    Done,
}

#[derive(MachineImpl)]
enum Generic<T> {
    Subscribe {
        own: Sender<Generic<T>>,
        plain: Sender<Plain>,
    },
    Value(T),
}

/// Through each other, in both directions.
#[derive(MachineImpl)]
enum Left<T> {
    Right(Sender<Right<T>>),
    Value(T),
}

#[derive(MachineImpl)]
enum Right<T> {
    Left(Sender<Left<T>>),
    Value(T),
}

fn variants<P: MachineImpl>() -> &'static [&'static str] {
    P::VARIANTS
}

#[test]
fn senders_of_the_own_kind() {
    assert_eq!(variants::<Plain>(), ["Subscribe", "Done"]);
    assert_eq!(variants::<Generic<u8>>(), ["Subscribe", "Value"]);
    assert_eq!(variants::<Left<u8>>(), ["Right", "Value"]);
    assert_eq!(variants::<Right<u8>>(), ["Left", "Value"]);
}
