//! The flag `--weights`: the precision at which a trained model runs. Not here: changes of the file.

use clap::ValueEnum;
use elman::Precision;

/// The number type to which the weights of a trained model are rounded before use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Weights {
    /// Not rounded
    #[value(alias = "f32")]
    Full,
    /// bfloat16: half the memory, faster for a single text
    Bf16,
    /// 8-bit integers with a scale for each output: a quarter of the memory, fastest
    Int8,
}

impl Weights {
    /// The library's value.
    pub fn precision(self) -> Precision {
        match self {
            Weights::Full => Precision::Full,
            Weights::Bf16 => Precision::Bf16,
            Weights::Int8 => Precision::Int8,
        }
    }

    /// The value on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Weights::Full => "full",
            Weights::Bf16 => "bf16",
            Weights::Int8 => "int8",
        }
    }
}
