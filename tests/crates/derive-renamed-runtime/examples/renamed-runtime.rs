//! The derive in an example.

use my_runtime::MachineImpl;

#[derive(MachineImpl)]
enum Order {
    Take,
    Cancel,
}

fn main() {
    let index = Order::Take.variant() + Order::Cancel.variant();
    assert_eq!(<Order as MachineImpl>::VARIANTS[index], "Cancel");
}
