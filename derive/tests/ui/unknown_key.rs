use d3_runtime::MachineImpl;

#[derive(MachineImpl)]
#[d3(krate = d3_runtime)]
enum Misspelt {
    A,
}

#[derive(MachineImpl)]
#[d3(crate = d3_runtime, name = "Other")]
enum Extra {
    A,
}

#[derive(MachineImpl)]
#[d3(d3_runtime)]
enum NoKey {
    A,
}

#[derive(MachineImpl)]
#[d3(crate::path = d3_runtime)]
enum PathAsKey {
    A,
}

fn main() {}
