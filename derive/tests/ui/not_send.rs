use std::rc::Rc;

use d3_runtime::MachineImpl;

#[derive(MachineImpl)]
enum Plain {
    Fine(u8),
    Shared(Rc<u8>),
}

#[derive(MachineImpl)]
enum Generic<T> {
    Value(T),
}

fn instructions<P: MachineImpl>() {}

fn main() {
    instructions::<Generic<Rc<u8>>>();
}
