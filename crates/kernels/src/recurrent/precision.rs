//! `Precision`: the number type of the weights of a step-by-step network. Not here: rounding (`matvec`).

/// The number type of the weights.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Precision {
    /// That of the network.
    Full,
    /// bfloat16, rounded to nearest.
    Bf16,
    /// 8-bit integers with a scale for each output; the vectors that they multiply become integers of up to 16 bits.
    Int8,
}
