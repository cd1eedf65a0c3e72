//! The error type of the crate, and the checks of the public functions: lengths against shapes, tokens against tables,
//! instruction sets against the machine.

use std::fmt;

/// Why a kernel refused its arguments.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Error {
    /// A slice does not have the length its shape asks for.
    Length {
        /// Which argument.
        name: &'static str,
        /// Its length.
        got: usize,
        /// The shape it should have, in the legend's letters.
        shape: &'static str,
        /// The length of that shape.
        expected: usize,
    },
    /// A shape that no memory holds: its length, taken without factors that are 0, is beyond `usize`.
    Size {
        /// Which argument.
        name: &'static str,
        /// Its length.
        got: usize,
        /// The shape it should have, in the legend's letters.
        shape: &'static str,
    },
    /// A token is not below the number of rows of the table it indexes.
    Token {
        /// The token.
        token: u32,
        /// Where it stands.
        position: usize,
        /// Number of rows.
        limit: usize,
    },
    /// The named instruction set is unknown, or this machine lacks it.
    Backend {
        /// What was asked for.
        got: String,
        /// What this machine has.
        available: String,
    },
    /// The instruction set has no products of bfloat16.
    Bfloat16 {
        /// What the machine has.
        backend: &'static str,
    },
    /// Narrow weights are made of f32 alone.
    Narrow {
        /// What was asked for.
        precision: String,
        /// What the weights are.
        got: &'static str,
    },
    /// A number of threads that cannot be served.
    Threads {
        /// What was asked for.
        got: usize,
        /// What can be served.
        expected: String,
    },
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::Length { name, got, shape, expected } => {
                write!(f, "{name} has {got} elements, expected {shape} = {expected}")
            }
            Error::Size { name, got, shape } => {
                write!(f, "{name} has {got} elements, expected {shape}, which is more than any memory holds")
            }
            Error::Token { token, position, limit } => {
                write!(f, "token {token} at position {position}, expected less than {limit}")
            }
            Error::Backend { got, available } => write!(f, "ELMAN_BACKEND is {got}, expected one of {available}"),
            Error::Bfloat16 { backend } => write!(
                f,
                "bfloat16 needs AVX512-BF16, which this machine's {backend} lacks; \
                 ELMAN_BACKEND=portable gives the same numbers, slowly"
            ),
            Error::Narrow { precision, got } => {
                write!(f, "weights of {precision} are made of f32; these are {got}")
            }
            Error::Threads { got, expected } => write!(f, "threads is {got}, expected {expected}"),
        }
    }
}

impl std::error::Error for Error {}

/// The product of the factors of a shape; `None` where that of those above 0 is beyond `usize`. So the product of any
/// of the factors is sound where this one is, even where another factor is 0.
#[inline]
pub(crate) fn product(factors: &[usize]) -> Option<usize> {
    let above_0 = factors.iter().try_fold(1usize, |product, &factor| product.checked_mul(factor.max(1)))?;
    Some(if factors.contains(&0) { 0 } else { above_0 })
}

/// Errors: the length of a slice is not the product of its shape's factors.
pub(crate) fn check_len(name: &'static str, got: usize, shape: &'static str, factors: &[usize]) -> Result<(), Error> {
    match product(factors) {
        Some(expected) if got == expected => Ok(()),
        Some(expected) => Err(Error::Length { name, got, shape, expected }),
        None => Err(Error::Size { name, got, shape }),
    }
}

/// The length of a row, at least 1. Errors: the slice is not whole rows, or has elements although a row has none.
pub(crate) fn check_rows<E>(name: &'static str, x: &[E], width: usize) -> Result<usize, Error> {
    let step = crate::pad(width).max(1);
    check_len(name, x.len(), "rows * pad(width)", &[x.len() / step, crate::pad(width)])?;
    Ok(step)
}

/// Errors: a token does not index a table of `limit` rows. Masked tokens may be anything.
pub(crate) fn check_tokens(tokens: &[u32], mask: Option<&[bool]>, limit: usize) -> Result<(), Error> {
    let is_read = |position: usize| mask.is_none_or(|mask| mask[position]);
    match (0..tokens.len()).find(|&position| tokens[position] as usize >= limit && is_read(position)) {
        None => Ok(()),
        Some(position) => Err(Error::Token { token: tokens[position], position, limit }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_length_that_wraps_is_no_length() {
        assert_eq!(product(&[]), Some(1));
        assert_eq!(product(&[3, 0, 5]), Some(0));
        assert_eq!(product(&[1 << 32, 1 << 31]), Some(1 << 63));
        assert_eq!(product(&[1 << 32, 1 << 32]), None);
        assert_eq!(product(&[0, 1 << 32, 1 << 32]), None);
        assert!(check_len("x", 0, "rows * 16", &[1 << 60, 16]).is_err());
        assert!(check_len("x", 0, "rows * 16", &[0, 1 << 60, 16]).is_err());
        assert!(check_len("x", 32, "rows * 16", &[2, 16]).is_ok());
        let error = check_len("x", 0, "rows * 16", &[1 << 60, 16]).unwrap_err().to_string();
        assert_eq!(error, "x has 0 elements, expected rows * 16, which is more than any memory holds");
    }
}
