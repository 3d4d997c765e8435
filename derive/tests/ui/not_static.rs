use d3_runtime::MachineImpl;

#[derive(MachineImpl)]
enum Borrowed<'a> {
    Text(&'a str),
}

fn instruction<P: MachineImpl>(_: P) {}

fn main() {
    let text = String::from("short-lived");
    instruction(Borrowed::Text(&text));
}
