use d3_runtime::{InstructionSet, MachineImpl};

#[derive(MachineImpl, InstructionSet)]
enum Twice {
    A,
}

fn main() {}
