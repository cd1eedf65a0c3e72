//! Dropout as a layer: off wherever a pass has no generator.

use elman_kernels::{Element, pad};
use rand_chacha::ChaCha8Rng;

use crate::autodiff::nodes::Sequence;
use crate::autodiff::params::Params;
use crate::autodiff::tape::{Tape, Var};
use crate::error::Error;
use crate::nn::layer::{Footprint, Layer, Pass, Piece};

/// How much dropout, and what its mask varies with.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Dropout {
    /// Probability to drop an element.
    pub p: f64,
    /// One mask for all steps of a row (variational dropout, Gal and Ghahramani 2016) instead of one for each step.
    pub locked: bool,
}

impl Dropout {
    /// The node: x `[T*B, H]` with B = `batch`.
    pub fn apply<E: Element>(
        self,
        tape: &mut Tape<E>,
        rng: &mut ChaCha8Rng,
        x: Var,
        batch: usize,
    ) -> Result<Var, Error> {
        if self.locked { tape.locked_dropout(self.p, rng, x, batch) } else { tape.dropout(self.p, rng, x) }
    }

    /// The layer, for inputs of `width` columns.
    pub fn layer(self, width: usize) -> DropoutLayer {
        DropoutLayer { dropout: self, width }
    }
}

/// Dropout of a known width.
#[derive(Clone, Copy, Debug)]
pub struct DropoutLayer {
    dropout: Dropout,
    width: usize,
}

impl<E: Element> Layer<E> for DropoutLayer {
    fn outputs(&self) -> usize {
        self.width
    }

    fn is_causal(&self) -> bool {
        true
    }

    fn sequence(
        &self,
        tape: &mut Tape<E>,
        _: &Params<E>,
        x: Sequence<'_>,
        _: &[Var],
        _: &mut Vec<Var>,
        pass: &mut Pass<'_>,
    ) -> Result<Var, Error> {
        let (x, batch) = (x.dense("dropout")?, pass.batch);
        pass.dropout.as_deref_mut().map_or(Ok(x), |rng| self.dropout.apply(tape, rng, x, batch))
    }

    fn pieces(&self) -> Option<Vec<Piece>> {
        Some(Vec::new())
    }

    fn memory(&self) -> Footprint {
        let dropped = if self.dropout.p > 0.0 { pad(self.width) } else { 0 };
        Footprint { kept: dropped, dropped, ..Footprint::default() }
    }
}
