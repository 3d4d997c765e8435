//! The derive in an example.

use d3_runtime::MachineImpl;

#[derive(MachineImpl)]
enum Order {
    Take,
    Cancel,
}

fn main() {
    let index = Order::Take.variant() + Order::Cancel.variant();
    assert_eq!(<Order as MachineImpl>::VARIANTS[index], "Cancel");
}
