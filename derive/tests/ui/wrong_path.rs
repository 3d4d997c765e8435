use d3_runtime::MachineImpl;

mod empty {}

#[derive(MachineImpl)]
#[d3(crate = no::such::module)]
enum Nowhere {
    A,
}

#[derive(MachineImpl)]
#[d3(crate = "crate::empty")]
enum NoTrait {
    A,
}

fn main() {}
