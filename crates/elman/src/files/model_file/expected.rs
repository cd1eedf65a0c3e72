//! Holds the names and shapes of the tensors that a language model's file must have. Refuses values: those are read when
//! every shape is right.

use elman_kernels::Element;

use crate::config::{Config, InitialState};
use crate::error::Error;
use crate::files::tensor_file::Tensors;

/// A tensor that a language model's file must hold.
pub(crate) struct Expected {
    pub name: String,
    formula: String,
    pub shape: Vec<usize>,
}

/// Checks the tensors of a language model under `prefix` against configuration and vocabulary, allocating nothing of
/// the configured size. Returns what it expected.
pub(crate) fn check_tensors<E: Element>(
    tensors: &Tensors<'_>,
    prefix: &str,
    config: &Config,
    vocab_size: usize,
) -> Result<Vec<Expected>, Error> {
    let expected = expected_tensors(config, vocab_size);
    for tensor in &expected {
        tensors.check::<E>(&format!("{prefix}{}", tensor.name), &tensor.formula, &tensor.shape)?;
    }
    Ok(expected)
}

/// The names and shapes of conventions: `encoder.weight` unless tokens are one-hot, `rnn.*`, `decoder.*`.
pub(super) fn expected_tensors(config: &Config, vocab_size: usize) -> Vec<Expected> {
    let (widths, embed) = (config.hidden_sizes(), config.embed);
    let mut expected = Vec::new();
    let mut expect = |name: String, formula: String, shape: &[usize]| {
        let shape = shape.to_vec();
        expected.push(Expected { name, formula, shape });
    };
    if embed > 0 {
        expect("encoder.weight".into(), "[vocab_size, embed]".into(), &[vocab_size, embed]);
    }
    let (rows, input) = (config.cell.gates(), if embed > 0 { embed } else { vocab_size });
    let words = |columns: &str| match rows {
        1 => format!("[hidden_size{columns}]"),
        _ => format!("[{rows}*hidden_size{columns}]"),
    };
    for (layer, &hidden) in widths.iter().enumerate() {
        let (columns, input) = match (layer, embed) {
            (0, 0) => (", vocab_size", input),
            (0, _) => (", embed", input),
            _ => (", hidden_size", widths[layer - 1]),
        };
        expect(format!("rnn.weight_ih_l{layer}"), words(columns), &[rows * hidden, input]);
        expect(format!("rnn.weight_hh_l{layer}"), words(", hidden_size"), &[rows * hidden, hidden]);
        expect(format!("rnn.bias_ih_l{layer}"), words(""), &[rows * hidden]);
        expect(format!("rnn.bias_hh_l{layer}"), words(""), &[rows * hidden]);
        if config.initial_state == InitialState::Learned {
            let parts = if config.cell.has_cell() { "hc" } else { "h" };
            for part in parts.chars() {
                expect(format!("rnn.initial_{part}_l{layer}"), "[1, hidden_size]".into(), &[1, hidden]);
            }
        }
    }
    if !config.tied {
        expect("decoder.weight".into(), "[vocab_size, hidden_size]".into(), &[vocab_size, config.hidden_size]);
    }
    expect("decoder.bias".into(), "[vocab_size]".into(), &[vocab_size]);
    expected
}
