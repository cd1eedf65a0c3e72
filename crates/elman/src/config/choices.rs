//! The choices of a configuration that have no module of their own, with a name for each. Not here: what they mean.

use elman_kernels::{Cpu, Element};
use serde::{Deserialize, Serialize};

use crate::error::Error;

/// The numbers of a run: its weights, values, gradients and moments, and what its files hold; and what its products
/// take.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Dtype {
    /// Single precision.
    F32,
    /// Double precision: twice the memory and more than twice the time, for what needs its digits.
    F64,
    /// Single precision whose products, in training and validation, take operands rounded to bfloat16 and sum in f32.
    /// The file is that of `F32`. Needs AVX512-BF16 to be fast, see [`Cpu::with_bfloat16`].
    Bf16,
}

impl Dtype {
    /// The processor as such a run uses it. Errors: products of bfloat16 are not to be had.
    pub fn on(self, cpu: &Cpu) -> Result<Cpu, Error> {
        let cpu = cpu.clone();
        Ok(if self == Dtype::Bf16 { cpu.with_bfloat16()? } else { cpu })
    }

    /// Bytes of a number in memory and in files.
    pub fn bytes(self) -> usize {
        match self {
            Dtype::F32 | Dtype::Bf16 => 4,
            Dtype::F64 => 8,
        }
    }

    /// As a recipe and a flag have it.
    pub fn name(self) -> &'static str {
        match self {
            Dtype::F32 => "f32",
            Dtype::F64 => "f64",
            Dtype::Bf16 => "bf16",
        }
    }

    /// Errors: it is not that of `E`.
    pub(crate) fn check<E: Element>(self) -> Result<(), Error> {
        if self.bytes() == size_of::<E>() {
            return Ok(());
        }
        let expected = format!("{}, the numbers it is computed in", E::NAME);
        Err(Error::Setting { name: "dtype", got: self.name().into(), expected })
    }
}

/// What the state is before the first step of a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum InitialState {
    /// Zero.
    Zero,
    /// A row of parameters, the same for every sequence. It is learned from the windows that begin one.
    Learned,
}

/// How the parameters of a fresh model are drawn: see [`Config::init_scale`](super::Config::init_scale) for the scale s.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Init {
    /// Uniform in ±s/sqrt(H).
    Pytorch,
    /// Normal with deviation s.
    Normal,
    /// Normal with deviation s/sqrt(columns); biases s/sqrt(H).
    Fan,
    /// Each H x H block of the recurrent weights s times an orthogonal matrix, the rest uniform in ±1/sqrt(H).
    Orthogonal,
}

/// What biases begin with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum InitBias {
    /// Drawn like the weights.
    Drawn,
    /// Zero.
    Zero,
}

/// How the training text is cut into batches.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum BatchKind {
    /// Contiguous rows, the state carried along each.
    Rows,
    /// Consecutive chunks, each from the zero state.
    Chunks,
    /// Windows drawn with replacement, each from the zero state.
    Random,
    /// A line an example, from the zero state; shorter ones padded, the padding without weight.
    Lines,
}

/// How a text becomes tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TokenizerKind {
    /// One token per Unicode scalar value.
    Char,
    /// One token per byte, of anything.
    Byte,
    /// Words: see [`Config::words`](super::Config::words).
    Word,
    /// Subwords, by byte-pair encoding.
    Bpe,
}

impl TokenizerKind {
    /// What one of its tokens is called.
    pub fn unit(self) -> &'static str {
        match self {
            TokenizerKind::Char => "character",
            TokenizerKind::Byte => "byte",
            TokenizerKind::Word => "word",
            TokenizerKind::Bpe => "token",
        }
    }

    /// What `count` of its tokens are called.
    pub fn units(self, count: usize) -> &'static str {
        match (self, count) {
            (kind, 1) => kind.unit(),
            (TokenizerKind::Char, _) => "characters",
            (TokenizerKind::Byte, _) => "bytes",
            (TokenizerKind::Word, _) => "words",
            (TokenizerKind::Bpe, _) => "tokens",
        }
    }
}

/// What becomes of a step whose loss, gradient or parameters are not finite, or whose gradient jumps.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OnNan {
    /// The run ends with an error; the last save stays.
    Stop,
    /// The step changes nothing, and the next is taken.
    Skip,
    /// The run returns to its last save, with half the learning rate.
    Rollback,
}
