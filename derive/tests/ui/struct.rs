use d3_runtime::MachineImpl;

#[derive(MachineImpl)]
struct Unit;

#[derive(MachineImpl)]
pub struct Generic<T> {
    value: T,
}

fn main() {}
