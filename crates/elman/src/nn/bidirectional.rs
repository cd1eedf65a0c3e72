//! Two layers over the same input, one of them from the last step to the first, with their outputs side by side.

use std::sync::Arc;

use elman_kernels::Element;

use crate::autodiff::nodes::Sequence;
use crate::autodiff::params::Params;
use crate::autodiff::tape::{Tape, Var};
use crate::error::Error;
use crate::nn::layer::{Footprint, Layer, Pass};
use crate::nn::state::{StatePart, distinct, split};

/// A layer that reads forward and one that reads backward.
#[derive(Clone, Debug)]
pub struct Bidirectional<E> {
    forward: Arc<dyn Layer<E>>,
    backward: Arc<dyn Layer<E>>,
    states: Vec<StatePart>,
}

impl<E: Element> Bidirectional<E> {
    /// Of two layers with the same input; which way each reads is its own.
    pub fn new(forward: Arc<dyn Layer<E>>, backward: Arc<dyn Layer<E>>) -> Bidirectional<E> {
        let states = distinct([&forward, &backward].into_iter().flat_map(|layer| layer.states()));
        Bidirectional { forward, backward, states }
    }
}

impl<E: Element> Layer<E> for Bidirectional<E> {
    fn outputs(&self) -> usize {
        self.forward.outputs().saturating_add(self.backward.outputs())
    }

    fn states(&self) -> &[StatePart] {
        &self.states
    }

    fn is_causal(&self) -> bool {
        false
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
        let (own, others) = split(before, self.forward.states().len())?;
        let forward = self.forward.sequence(tape, params, x, own, after, pass)?;
        let backward = self.backward.sequence(tape, params, x, others, after, pass)?;
        tape.concat(&[forward, backward])
    }

    fn memory(&self) -> Footprint {
        let [a, b] = [&self.forward, &self.backward].map(|layer| layer.memory());
        Footprint {
            kept: a.kept + b.kept + a.output + b.output,
            output: 2 * (a.output + b.output),
            working: a.working.max(b.working),
            dropped: a.dropped + b.dropped,
            widest: a.widest + b.widest,
        }
    }
}
