use d3_runtime::MachineImpl;

#[derive(MachineImpl)]
#[d3(crate = d3_runtime, crate = d3_runtime)]
enum InOneAttribute {
    A,
}

#[derive(MachineImpl)]
#[d3(crate = d3_runtime)]
#[d3(crate = "d3_runtime")]
enum InTwoAttributes {
    A,
}

fn main() {}
