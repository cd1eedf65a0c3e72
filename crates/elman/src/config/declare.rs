//! How settings are declared: a structure whose fields stand with their defaults, and choices that are lower-case words.

/// Makes structs of settings that are read from a table; each field stands with its default.
macro_rules! settings {
    ($(
        $(#[$doc:meta])*
        pub struct $name:ident { $($(#[$of_field:meta])* pub $field:ident: $type:ty = $default:expr,)* }
    )*) => {$(
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
        #[serde(default, deny_unknown_fields)]
        pub struct $name { $($(#[$of_field])* pub $field: $type,)* }

        impl Default for $name {
            fn default() -> $name {
                $name { $($field: $default,)* }
            }
        }
    )*};
}

/// Makes enums of choices, which are lower-case words in a table.
macro_rules! choices {
    ($($(#[$doc:meta])* pub enum $name:ident { $($(#[$of_choice:meta])* $choice:ident,)* })*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
        #[serde(rename_all = "lowercase")]
        pub enum $name { $($(#[$of_choice])* $choice,)* }

        impl $name {
            /// Every choice.
            pub const ALL: &'static [$name] = &[$($name::$choice),*];
        }
    )*};
}
