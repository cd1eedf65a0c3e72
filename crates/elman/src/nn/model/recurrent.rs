//! The recurrent layers that the settings of a run ask for. Not here: the layers (`nn/stack.rs`).

use elman_kernels::Element;

use crate::autodiff::params::Declaration;
use crate::config::{Config, InitialState};
use crate::nn::dropout::Dropout;
use crate::nn::stack::{Recurrent, Stack};

/// Declares the layers under `{prefix}rnn.`, which read `input_size` numbers at each step.
pub fn declare<E: Element>(
    declaration: &mut Declaration,
    prefix: &str,
    config: &Config,
    input_size: usize,
    bidirectional: bool,
) -> Stack<E> {
    let recurrent = Recurrent {
        cell: config.cell,
        input_size,
        hidden_sizes: &config.hidden_sizes(),
        bidirectional,
        learned_state: config.initial_state == InitialState::Learned,
        dropout: Dropout { p: config.dropout, locked: config.locked_dropout },
    };
    recurrent.declare(declaration, &format!("{prefix}rnn."))
}
