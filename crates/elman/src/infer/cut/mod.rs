//! The settings of a sampler and the truncations of the tail, a file each. A new truncation is a file and a line in
//! `cuts!`, from which its setting, its default, its check and its flag in the program follow. Settings that make no
//! distribution are errors. Not here: draws (`choose.rs`).

mod range;

use std::str::FromStr;

use crate::error::Error;
use range::refuse;

/// A cut as a program sees it: its setting's name, words for its help, and how to read it.
#[derive(Clone, Copy, Debug)]
pub struct Cut {
    /// The field of [`Settings`].
    pub name: &'static str,
    /// What the value is called: `N` for a number of tokens, `P` for a probability.
    pub value: &'static str,
    /// What it does, in a line.
    pub help: &'static str,
    /// The default, as text.
    pub default: fn() -> String,
    /// Whether a text is a value of its type. Errors: why not.
    pub parse: fn(&str) -> Result<(), String>,
}

/// Makes [`Settings`] and the functions that apply all truncations. Each file has `HELP`, `VALUE`, `DEFAULT`, `check`
/// and `kept`.
macro_rules! cuts {
    ($($(#[$doc:meta])* $name:ident $type:ty;)*) => {
        $(mod $name;)*

        /// How a token is chosen: penalty, temperature, the cuts in their order here, one draw.
        #[derive(Clone, Copy, Debug, PartialEq)]
        pub struct Settings {
            /// Divides the logits; 0 always takes the likeliest token (the lowest id of equals).
            pub temperature: f64,
            $($(#[$doc])* pub $name: $type,)*
            /// Divides the positive logits and multiplies the negative ones of the tokens among the last
            /// [`REPETITION_WINDOW`](super::REPETITION_WINDOW) characters of prompt and text; 1 changes nothing.
            pub repetition_penalty: f64,
        }

        impl Default for Settings {
            fn default() -> Self {
                Settings { temperature: 0.8, $($name: $name::DEFAULT,)* repetition_penalty: 1.0 }
            }
        }

        /// Every cut.
        pub const CUTS: &[Cut] = &[$(Cut {
            name: stringify!($name),
            value: $name::VALUE,
            help: $name::HELP,
            default: || $name::DEFAULT.to_string(),
            parse: |text| parse::<$type>(text).map(|_| ()),
        }),*];

        impl Settings {
            /// Sets a cut by its name. Errors: no such cut; a text that is no value of its type.
            pub fn set(&mut self, name: &str, text: &str) -> Result<(), Error> {
                match name {
                    $(stringify!($name) => {
                        let refuse = |expected| Error::Setting { name: stringify!($name), got: text.into(), expected };
                        self.$name = parse(text).map_err(refuse)?;
                    })*
                    _ => return Err(Error::UnknownParameter { name: name.into() }),
                }
                Ok(())
            }

            fn check_cuts(&self) -> Result<(), Error> {
                $($name::check(self.$name)?;)*
                Ok(())
            }

            /// How many tokens every cut keeps, at least one: `weights` are their probabilities but for a factor, the
            /// likeliest first and 1.
            pub(super) fn kept(&self, weights: &[f64]) -> usize {
                let mut kept = weights.len();
                $(kept = $name::kept(&weights[..kept], self.$name).clamp(1, kept.max(1));)*
                kept
            }
        }
    };
}

cuts! {
    /// Only the k likeliest tokens; 0 takes all.
    top_k usize;
    /// Only the likeliest tokens that together reach this probability, after temperature and the cuts before, the
    /// likeliest always among them; 0 takes that one alone, 1 takes all.
    top_p f64;
    /// Only tokens at least this share as likely as the likeliest, after temperature; 0 takes all.
    min_p f64;
}

fn parse<T: FromStr<Err: ToString>>(text: &str) -> Result<T, String> {
    text.parse().map_err(|error: T::Err| error.to_string())
}

impl Settings {
    /// Checks each setting. Errors: the first out of range, by name.
    pub fn check(&self) -> Result<(), Error> {
        if !(self.temperature.is_finite() && self.temperature >= 0.0) {
            return refuse("temperature", self.temperature, "a finite number, 0 or more");
        }
        self.check_cuts()?;
        if !(self.repetition_penalty.is_finite() && self.repetition_penalty > 0.0) {
            return refuse("repetition_penalty", self.repetition_penalty, "a finite number above 0");
        }
        Ok(())
    }
}
