//! Defect 15: d3's derive needed crossbeam, log and parking_lot in its user's scope. This package has d3 and nothing else.

use std::time::Duration;

use d3::d3_derive::MachineImpl;

/// Not even the traits are imported here.
#[derive(MachineImpl)]
pub enum Alone {
    /// The only instruction.
    Hello(u32),
}

/// Names that the derive's output would trip over if it did not write full paths.
mod hostile {
    #![expect(dead_code, reason = "they are only in the way")]

    pub(crate) struct Box;
    pub(crate) struct Result;
    pub(crate) struct Option;
    pub(crate) trait Send {}
    pub(crate) trait Machine {}
    pub(crate) mod std {}
    pub(crate) mod core {}
    pub(crate) mod d3 {}

    #[derive(super::MachineImpl)]
    pub(crate) enum Surrounded {
        Hello { number: u32 },
        Bye,
    }

    pub(crate) fn number(cmd: Surrounded) -> u32 {
        match cmd {
            Surrounded::Hello { number } => number,
            Surrounded::Bye => 0,
        }
    }
}

#[test]
fn defect_15_derive_needs_only_d3() {
    let (sender, receiver) = d3::core::machine_impl::channel();
    sender.send(Alone::Hello(1)).unwrap();
    let Ok(Alone::Hello(number)) = receiver.recv_timeout(Duration::from_secs(1)) else {
        panic!("nothing came")
    };
    assert_eq!(number, 1);

    let (sender, receiver) = d3::core::machine_impl::channel();
    sender
        .send(hostile::Surrounded::Hello { number: 2 })
        .unwrap();
    sender.send(hostile::Surrounded::Bye).unwrap();
    drop(sender);
    assert_eq!(receiver.iter().map(hostile::number).sum::<u32>(), 2);
}
