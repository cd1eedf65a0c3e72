//! The first state of recurrent layers as a function of rows that are known before: h = tanh(W x + b), c = W x + b; other
//! states begin with zero. Not here: what the rows are.

use elman_kernels::Element;

use crate::autodiff::nodes::LinearIds;
use crate::autodiff::params::{Declaration, Params};
use crate::autodiff::tape::{Tape, Var};
use crate::config::Config;
use crate::error::Error;
use crate::nn::state::StatePart;

/// A map for each state that is an h or c; None for others.
#[derive(Clone, Debug)]
pub struct FirstState(Vec<Option<LinearIds>>);

impl FirstState {
    /// Declares `{prefix}.{h,c}_l*.*` for the layers of `config`, from rows of `inputs` numbers.
    pub fn declare(declaration: &mut Declaration, prefix: &str, config: &Config, inputs: usize) -> FirstState {
        let mut maps = Vec::new();
        for (l, &hidden) in config.hidden_sizes().iter().enumerate() {
            maps.extend(config.cell.states().iter().map(|letter| {
                let name = format!("{prefix}.{letter}_l{l}");
                matches!(&letter[..], "h" | "c").then(|| LinearIds::declare(declaration, &name, inputs, hidden))
            }));
        }
        FirstState(maps)
    }

    /// The state of `rows` rows, for the layers' `parts`; `x` gives the rows that a part follows from.
    pub fn of<E: Element>(
        &self,
        tape: &mut Tape<E>,
        params: &Params<E>,
        parts: &[StatePart],
        rows: usize,
        mut x: impl FnMut(&mut Tape<E>, &StatePart) -> Result<Var, Error>,
    ) -> Result<Vec<Var>, Error> {
        let state = self.0.iter().zip(parts).map(|(map, part)| {
            let Some(map) = *map else { return Ok(tape.zeros(rows, part.width)) };
            let x = x(tape, part)?;
            let value = tape.linear(params, map, part.width, x)?;
            if part.name.starts_with('h') { tape.tanh(value) } else { Ok(value) }
        });
        state.collect()
    }
}
