//! `#[d3(crate = …)]` in each of its forms.

use derive_reexport::d3::MachineImpl;
use derive_reexport::d3::MachineImpl as Trait;

mod reexport {
    pub(crate) use derive_reexport::d3 as here;
}

#[derive(MachineImpl)]
#[d3(crate = derive_reexport::d3)]
enum ByPath<T> {
    A(T),
}

#[derive(MachineImpl)]
#[d3(crate = ::derive_reexport::deep::machines)]
enum ByAbsolutePath {
    A,
}

#[derive(MachineImpl)]
#[d3(crate = "derive_reexport::d3")]
enum ByString {
    A,
}

#[derive(MachineImpl)]
#[d3(crate = "::derive_reexport::d3")]
enum ByAbsoluteString {
    A,
}

#[derive(MachineImpl)]
#[d3(crate = crate::reexport::here)]
enum FromTheRoot {
    A,
}

#[derive(MachineImpl)]
#[d3()]
#[d3(crate = self::reexport::here)]
enum FromHere {
    A,
}

mod inner {
    #[derive(super::MachineImpl)]
    #[d3(crate = "super::reexport::here")]
    pub(crate) enum FromAbove {
        A,
    }
}

derive_reexport::orders!(ByMacro);

macro_rules! with_root {
    ($root:path, $literal:literal) => {
        #[derive(MachineImpl)]
        #[d3(crate = $root)]
        enum PathFragment {
            A,
        }

        #[derive(MachineImpl)]
        #[d3(crate = $literal)]
        enum LiteralFragment {
            A,
        }
    };
}

with_root!(derive_reexport::d3, "derive_reexport::d3");

#[test]
fn every_form_leads_to_the_trait() {
    assert_eq!(<ByPath<u8> as Trait>::NAME, "ByPath");
    assert_eq!(ByPath::A(1_u8).variant(), 0);
    assert_eq!(ByAbsolutePath::A.variant(), 0);
    assert_eq!(ByString::A.variant(), 0);
    assert_eq!(ByAbsoluteString::A.variant(), 0);
    assert_eq!(FromTheRoot::A.variant(), 0);
    assert_eq!(FromHere::A.variant(), 0);
    assert_eq!(inner::FromAbove::A.variant(), 0);
    assert_eq!(ByMacro::Take.variant(), 0);
    assert_eq!(ByMacro::Cancel.variant(), 1);
    assert_eq!(PathFragment::A.variant(), 0);
    assert_eq!(LiteralFragment::A.variant(), 0);
    assert_eq!(derive_reexport::own_orders(), ["Take", "Cancel"]);
}
