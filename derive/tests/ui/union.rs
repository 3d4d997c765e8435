use d3_runtime::InstructionSet;

#[derive(InstructionSet)]
union Bits {
    int: u32,
    float: f32,
}

fn main() {}
