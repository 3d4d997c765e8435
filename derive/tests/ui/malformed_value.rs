use d3_runtime::MachineImpl;

#[derive(MachineImpl)]
#[d3(crate = 3)]
enum Number {
    A,
}

#[derive(MachineImpl)]
#[d3(crate = "d3-runtime")]
enum PackageName {
    A,
}

#[derive(MachineImpl)]
#[d3(crate = "")]
enum EmptyString {
    A,
}

#[derive(MachineImpl)]
#[d3(crate = )]
enum Nothing {
    A,
}

#[derive(MachineImpl)]
#[d3(crate)]
enum NoValue {
    A,
}

#[derive(MachineImpl)]
#[d3(crate(d3_runtime))]
enum Parentheses {
    A,
}

#[derive(MachineImpl)]
#[d3(crate = d3_runtime<u8>)]
enum Arguments {
    A,
}

#[derive(MachineImpl)]
#[d3(crate = d3_runtime::)]
enum HalfAPath {
    A,
}

fn main() {}
