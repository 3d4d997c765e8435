use derive_reexport::d3::MachineImpl;

#[derive(MachineImpl)]
enum Order {
    Take,
}

fn main() {}
