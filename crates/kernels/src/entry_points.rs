//! `entry_points!`: makes the public functions of a file. They are generic over the number type for their callers, and
//! compiled here, once for f32 and once for f64. Not here: bodies; an entry point calls a function of its file.
//!
//! Without it every crate, test and example that calls a generic function would compile all the kernels behind it again.

/// `pub fn name(arguments) -> Output = body;`, in which `E` is the number type. `body` is a function, generic over E: Number.
macro_rules! entry_points {
    ($($(#[$attribute:meta])* $visibility:vis fn $name:ident($($argument:ident: $type:ty),* $(,)?) -> $output:ty = $body:path;)*) => {
        /// This file's functions for one number type. Each has an address of its own, so that callers link and do not
        /// compile.
        #[doc(hidden)]
        pub trait EntryPoints<E> {
            $(#[allow(clippy::too_many_arguments)]
            fn $name($($argument: $type),*) -> $output;)*
        }
        mod in_f32 {
            use super::*;
            type E = f32;
            impl EntryPoints<E> for E {
                $(#[inline(never)]
                fn $name($($argument: $type),*) -> $output {
                    $body($($argument),*)
                })*
            }
        }
        mod in_f64 {
            use super::*;
            type E = f64;
            impl EntryPoints<E> for E {
                $(#[inline(never)]
                fn $name($($argument: $type),*) -> $output {
                    $body($($argument),*)
                })*
            }
        }
        $($(#[$attribute])*
        #[allow(clippy::too_many_arguments)]
        $visibility fn $name<E: Number + EntryPoints<E>>($($argument: $type),*) -> $output {
            <E as EntryPoints<E>>::$name($($argument),*)
        })*
    };
}
pub(crate) use entry_points;
