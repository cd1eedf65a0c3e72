//! The affine layer y = x W^T + b.

use elman_kernels::{Element, pad};

use crate::autodiff::nodes::{LinearIds, Sequence};
use crate::autodiff::params::{Declaration, Params};
use crate::autodiff::tape::{Tape, Var};
use crate::error::Error;
use crate::nn::layer::{Footprint, Layer, Pass, Piece};

/// An affine map of every position.
#[derive(Clone, Copy, Debug)]
pub struct Linear {
    ids: LinearIds,
    outputs: usize,
}

impl Linear {
    /// Declares `{name}.weight` `[outputs, inputs]` and `{name}.bias` `[outputs]`.
    pub fn declare(declaration: &mut Declaration, name: &str, inputs: usize, outputs: usize) -> Linear {
        let ids = LinearIds::declare(declaration, name, inputs, outputs);
        [ids.weight, ids.bias].into_iter().for_each(|id| declaration.of_units(id, inputs));
        Linear { ids, outputs }
    }

    /// A map with parameters that were declared before.
    pub fn of(ids: LinearIds, outputs: usize) -> Linear {
        Linear { ids, outputs }
    }

    /// Its parameters.
    pub fn ids(&self) -> LinearIds {
        self.ids
    }
}

impl<E: Element> Layer<E> for Linear {
    fn outputs(&self) -> usize {
        self.outputs
    }

    fn is_causal(&self) -> bool {
        true
    }

    fn sequence(
        &self,
        tape: &mut Tape<E>,
        params: &Params<E>,
        x: Sequence<'_>,
        _: &[Var],
        _: &mut Vec<Var>,
        _: &mut Pass<'_>,
    ) -> Result<Var, Error> {
        match x {
            Sequence::Dense(x) => tape.linear(params, self.ids, self.outputs, x),
            Sequence::Tokens { tokens, vocab_size } => {
                tape.linear_tokens(params, self.ids.weight, Some(self.ids.bias), vocab_size, tokens)
            }
        }
    }

    fn pieces(&self) -> Option<Vec<Piece>> {
        Some(vec![Piece::Linear(self.ids)])
    }

    fn memory(&self) -> Footprint {
        let own = pad(self.outputs);
        Footprint { kept: own, output: own, widest: own, ..Footprint::default() }
    }
}
