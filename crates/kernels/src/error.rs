//! Holds the error type of the kernels: a slice of another length than its shape says, or an instruction set
//! this machine lacks.

/// Why a kernel refused its arguments.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A slice does not have the length its shape asks for.
    #[error("{name} has {got} elements, expected {shape} = {expected}")]
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
    /// A token is not below the number of rows of the table it indexes.
    #[error("token {token} at position {position}, expected less than {limit}")]
    Token {
        /// The token.
        token: u32,
        /// Where it stands.
        position: usize,
        /// Number of rows.
        limit: usize,
    },
    /// The named instruction set is unknown, or this machine lacks it.
    #[error("ELMAN_BACKEND is {got}, expected one of {available}")]
    Backend {
        /// What was asked for.
        got: String,
        /// What this machine has.
        available: String,
    },
    /// A number of threads that cannot be served.
    #[error("threads is {got}, expected {expected}")]
    Threads {
        /// What was asked for.
        got: usize,
        /// What can be served.
        expected: String,
    },
}

/// Refuses a slice whose length is not that of its shape.
pub(crate) fn check_len(name: &'static str, got: usize, shape: &'static str, expected: usize) -> Result<(), Error> {
    if got == expected { Ok(()) } else { Err(Error::Length { name, got, shape, expected }) }
}

/// Refuses tokens that do not index a table of `limit` rows.
pub(crate) fn check_tokens(tokens: &[u32], limit: usize) -> Result<(), Error> {
    match tokens.iter().position(|&token| token as usize >= limit) {
        None => Ok(()),
        Some(position) => Err(Error::Token { token: tokens[position], position, limit }),
    }
}
