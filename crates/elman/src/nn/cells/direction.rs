//! What a cell needs to know to declare itself as one direction of one layer.

use crate::autodiff::params::{Declaration, ParamId, Start};
use crate::nn::state::StatePart;

/// One direction of one layer: its place in the network and its sizes.
#[derive(Clone, Copy, Debug)]
pub struct Direction<'a> {
    /// What the names of its parameters begin with, such as `rnn.`.
    pub prefix: &'a str,
    /// What they end with: `l0`, `l0_reverse`, `l1`, ...
    pub name: &'a str,
    /// I, or V where tokens are read.
    pub input_size: usize,
    /// H.
    pub hidden_size: usize,
    /// Whether the last step is read first.
    pub reverse: bool,
    /// Whether the initial state is a parameter.
    pub learned_state: bool,
}

impl Direction<'_> {
    /// The name of a parameter: `rnn.weight_ih_l0` for `weight_ih`.
    pub fn parameter(&self, kind: &str) -> String {
        format!("{}{kind}_{}", self.prefix, self.name)
    }

    /// Parts of the state, each of H numbers, with their learned rows where the initial state is learned.
    pub fn states(&self, declaration: &mut Declaration, letters: &[&str]) -> Vec<StatePart> {
        let mut initial = |letter: &str| -> Option<ParamId> {
            self.learned_state.then(|| {
                let id = declaration.table(self.parameter(&format!("initial_{letter}")), 1, self.hidden_size);
                declaration.starts_as(id, Start::Constant(0.0));
                id
            })
        };
        let part = |letter: &&str| StatePart {
            name: format!("{letter}_{}", self.name),
            width: self.hidden_size,
            initial: initial(letter),
        };
        letters.iter().map(part).collect()
    }
}
