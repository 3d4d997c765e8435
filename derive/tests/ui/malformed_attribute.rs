use d3_runtime::MachineImpl;

#[derive(MachineImpl)]
#[d3]
enum Bare {
    A,
}

#[derive(MachineImpl)]
#[d3 = "d3_runtime"]
enum NameValue {
    A,
}

#[derive(MachineImpl)]
#[d3("d3_runtime")]
enum Literal {
    A,
}

fn main() {}
