use d3_runtime::MachineImpl;

#[derive(MachineImpl)]
enum Everywhere<#[d3(crate = d3_runtime)] T> {
    #[d3(crate = d3_runtime)]
    Variant(#[d3(crate = d3_runtime)] T),
    Struct {
        #[d3(skip)]
        field: u8,
    },
}

#[derive(MachineImpl)]
#[d3(path = d3_runtime)]
#[d3(crate = "no path")]
enum AllMistakesAtOnce {
    #[d3]
    A,
}

fn main() {}
