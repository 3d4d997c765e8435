//! Stands for a framework on top of d3, whose users depend on it and not on d3.

pub use d3;

/// The root of d3 somewhere deeper.
pub mod deep {
    pub use ::d3 as machines;
}

/// Defines an instruction set of orders in the user's scope.
#[macro_export]
macro_rules! orders {
    ($name:ident) => {
        #[derive($crate::d3::MachineImpl)]
        #[d3(crate = $crate::d3)]
        enum $name {
            Take,
            Cancel,
        }
    };
}

crate::orders!(Own);

/// The names of this crate's own orders, from the macro above.
pub fn own_orders() -> [&'static str; 2] {
    use d3::MachineImpl;

    [Own::Take, Own::Cancel].map(|order| Own::VARIANTS[order.variant()])
}
