//! The flag `--weights`: the precision at which a trained model runs. Not here: changes of the file.

use clap::ValueEnum;
use elman::Precision;

/// What the weights of a trained model are rounded to before they are used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Weights {
    /// As they are
    #[value(alias = "f32")]
    Full,
    /// bfloat16: half the memory, faster one text at a time
    Bf16,
    /// 8-bit integers with a scale for each output: a quarter of the memory, fastest
    Int8,
}

impl Weights {
    /// The same, as the library knows it.
    pub fn precision(self) -> Precision {
        match self {
            Weights::Full => Precision::Full,
            Weights::Bf16 => Precision::Bf16,
            Weights::Int8 => Precision::Int8,
        }
    }

    /// As a user types it.
    pub fn name(self) -> &'static str {
        match self {
            Weights::Full => "full",
            Weights::Bf16 => "bf16",
            Weights::Int8 => "int8",
        }
    }
}
