//! The LSTM with layer normalization. Source: Ba, Kiros, Hinton 2016, equations 20 to 22.
//!
//! ```text
//! a = LN(x W_ih^T) * g_ih + LN(h[t-1] W_hh^T) * g_hh + b
//! i = sigmoid(a_i)   f = sigmoid(a_f)   g = tanh(a_g)   o = sigmoid(a_o)
//! c[t] = f c[t-1] + i g                 h[t] = o tanh(LN(c[t]) * g_c + b_c)
//! ```
//!
//! LN takes the mean and the deviation over all 4H units of a step, or over the H units of c. The carried c is not
//! normalised. Parameters: `weight_ih` `[4H, I]`, `weight_hh` `[4H, H]`, `gain_ih`, `gain_hh`, `bias_ih` (b) `[4H]`,
//! `gain_c`, `bias_c` `[H]`.

use elman_kernels::{Element, pad};

use super::direction::Direction;
use super::scan::ScanCell;
use crate::autodiff::nodes::Sequence;
use crate::autodiff::params::{Declaration, ParamId, Params, Start};
use crate::autodiff::tape::{Tape, Var};
use crate::error::Error;
use crate::nn::state::StatePart;

/// The cell's parameters.
#[derive(Clone, Debug)]
pub struct LayerNormLstm {
    hidden_size: usize,
    weight_ih: ParamId,
    weight_hh: ParamId,
    gain_ih: ParamId,
    gain_hh: ParamId,
    bias_ih: ParamId,
    gain_c: ParamId,
    bias_c: ParamId,
    states: Vec<StatePart>,
}

impl LayerNormLstm {
    /// Declares the parameters: gains start at 1, biases of the norm of c at 0.
    pub fn declare(declaration: &mut Declaration, direction: &Direction<'_>) -> LayerNormLstm {
        let Direction { input_size, hidden_size, .. } = *direction;
        let gates = hidden_size.saturating_mul(4);
        let weight_ih = declaration.weight(direction.parameter("weight_ih"), gates, input_size);
        let weight_hh = declaration.weight(direction.parameter("weight_hh"), gates, hidden_size);
        let mut vector = |kind: &str, len, start| {
            let id = declaration.bias(direction.parameter(kind), len);
            if let Some(start) = start {
                declaration.starts_as(id, Start::Constant(start));
            }
            id
        };
        let [gain_ih, gain_hh] = ["gain_ih", "gain_hh"].map(|kind| vector(kind, gates, Some(1.0)));
        let bias_ih = vector("bias_ih", gates, None);
        let (gain_c, bias_c) = (vector("gain_c", hidden_size, Some(1.0)), vector("bias_c", hidden_size, Some(0.0)));
        [weight_ih, weight_hh, bias_ih].into_iter().for_each(|id| declaration.of_units(id, hidden_size));
        declaration.starts_as(weight_hh, Start::Square);
        declaration.forget_gate(bias_ih, hidden_size..2 * hidden_size);
        let states = direction.states(declaration, &["h", "c"]);
        LayerNormLstm { hidden_size, weight_ih, weight_hh, gain_ih, gain_hh, bias_ih, gain_c, bias_c, states }
    }
}

impl<E: Element> ScanCell<E> for LayerNormLstm {
    fn outputs(&self) -> usize {
        self.hidden_size
    }

    fn states(&self) -> &[StatePart] {
        &self.states
    }

    fn input(&self, tape: &mut Tape<E>, params: &Params<E>, x: Sequence<'_>) -> Result<Var, Error> {
        let x = match x {
            Sequence::Dense(x) => tape.matmul(params, self.weight_ih, x)?,
            Sequence::Tokens { tokens, vocab_size } => {
                tape.linear_tokens(params, self.weight_ih, None, vocab_size, tokens)?
            }
        };
        tape.layer_norm(params, self.gain_ih, Some(self.bias_ih), x)
    }

    fn step(
        &self,
        tape: &mut Tape<E>,
        params: &Params<E>,
        x: Var,
        before: &[Var],
        after: &mut Vec<Var>,
    ) -> Result<Var, Error> {
        let (&[h, c], width) = (before, self.hidden_size) else { return Err(Error::Value { problem: "is no state" }) };
        let recurrent = tape.matmul(params, self.weight_hh, h)?;
        let recurrent = tape.layer_norm(params, self.gain_hh, None, recurrent)?;
        let a = tape.add(x, recurrent)?;
        let mut gate = |number: usize| tape.slice(a, number * width, width);
        let (i, f, g, o) = (gate(0)?, gate(1)?, gate(2)?, gate(3)?);
        let (i, f, g, o) = (tape.sigmoid(i)?, tape.sigmoid(f)?, tape.tanh(g)?, tape.sigmoid(o)?);
        let (kept, new) = (tape.mul(f, c)?, tape.mul(i, g)?);
        let c = tape.add(kept, new)?;
        let normed = tape.layer_norm(params, self.gain_c, Some(self.bias_c), c)?;
        let normed = tape.tanh(normed)?;
        let h = tape.mul(o, normed)?;
        after.extend([h, c]);
        Ok(h)
    }

    fn kept(&self) -> usize {
        // x W and its norm, h W, its norm, a; 4 gates before and after; f c, i g, c, its norm, tanh, h.
        6 * pad(4 * self.hidden_size) + 14 * pad(self.hidden_size)
    }
}
