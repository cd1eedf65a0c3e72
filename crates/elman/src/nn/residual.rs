//! A layer whose input is added to its output.

use std::sync::Arc;

use elman_kernels::{Element, pad};

use crate::autodiff::nodes::Sequence;
use crate::autodiff::params::Params;
use crate::autodiff::tape::{Tape, Var};
use crate::error::Error;
use crate::nn::layer::{Footprint, Layer, Pass};
use crate::nn::state::StatePart;

/// y = x + layer(x); x has as many columns as the layer's output.
#[derive(Clone, Debug)]
pub struct Residual<E>(pub Arc<dyn Layer<E>>);

impl<E: Element> Layer<E> for Residual<E> {
    fn outputs(&self) -> usize {
        self.0.outputs()
    }

    fn states(&self) -> &[StatePart] {
        self.0.states()
    }

    fn is_causal(&self) -> bool {
        self.0.is_causal()
    }

    fn sequence(
        &self,
        tape: &mut Tape<E>,
        params: &Params<E>,
        x: Sequence<'_>,
        before: &[Var],
        after: &mut Vec<Var>,
        pass: &mut Pass<'_>,
    ) -> Result<Var, Error> {
        let y = self.0.sequence(tape, params, x, before, after, pass)?;
        tape.add(x.dense("a residual layer")?, y)
    }

    fn memory(&self) -> Footprint {
        let own = pad(self.0.outputs());
        let of = self.0.memory();
        Footprint { kept: of.kept + own, output: of.output + own, ..of }
    }
}
