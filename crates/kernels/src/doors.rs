//! Holds `doors!`, which makes the public functions of a room: generic over the number type to whoever calls them, but
//! compiled here, once for f32 and once for f64. Refuses bodies: a door leads to a function of its file.
//!
//! Without it every crate, test and example that calls a generic function compiles all the kernels behind it once more.

/// `pub fn door(arguments) -> Output = room;`, in which `E` is the number type. The room is generic over E: Element.
macro_rules! doors {
    ($($(#[$attribute:meta])* $visibility:vis fn $door:ident($($argument:ident: $type:ty),* $(,)?) -> $output:ty = $room:path;)*) => {
        /// This file's doors for one number type: its own address each, so that callers link and do not compile.
        #[doc(hidden)]
        pub trait Doors<E> {
            $(#[allow(clippy::too_many_arguments)]
            fn $door($($argument: $type),*) -> $output;)*
        }
        mod in_f32 {
            use super::*;
            type E = f32;
            impl Doors<E> for E {
                $(#[inline(never)]
                fn $door($($argument: $type),*) -> $output {
                    $room($($argument),*)
                })*
            }
        }
        mod in_f64 {
            use super::*;
            type E = f64;
            impl Doors<E> for E {
                $(#[inline(never)]
                fn $door($($argument: $type),*) -> $output {
                    $room($($argument),*)
                })*
            }
        }
        $($(#[$attribute])*
        #[allow(clippy::too_many_arguments)]
        $visibility fn $door<E: Element>($($argument: $type),*) -> $output {
            <E as Doors<E>>::$door($($argument),*)
        })*
    };
}
pub(crate) use doors;
