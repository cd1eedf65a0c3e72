//! One problem of a recurrent layer with all its inputs, and what the reference and the fused layer compute from it. Not
//! here: tests.

#![allow(dead_code)] // no test needs all of it

use elman_kernels::recurrent::{self, Dims, Input, Inputs, Sequence, WeightGrads, Weights};
use elman_kernels::reference::{self, Grads, Layer};
use elman_kernels::{Buffer, Cpu, Element};

use crate::rows::{assert_close, cell_states, dense, noise, packed, padded, unpacked};

/// Everything a layer computes, dense, by name.
pub type Results<E> = Vec<(&'static str, Vec<E>)>;

/// The bits of all numbers: -0 is not 0.
pub fn bits<E: Element>(results: &Results<E>) -> Vec<(&'static str, Vec<u64>)> {
    results.iter().map(|(name, x)| (*name, x.iter().map(|x| x.to_f64().to_bits()).collect())).collect()
}

/// A problem. Where a position is masked, x is NaN, and a token is out of range.
#[derive(Clone)]
pub struct Case<E> {
    pub d: Dims,
    pub cell: Layer<E>,
    pub x: Vec<E>,
    pub tokens: Option<Vec<u32>>,
    pub mask: Option<Vec<bool>>,
    pub h0: Vec<E>,
    pub c0: Vec<E>,
    pub grad_y: Vec<E>,
    /// What the gradients hold before, noise: backward adds to it. `c0` is the gradient by the last states beside h.
    pub before: Grads<E>,
}

impl<E: Element> Case<E> {
    pub fn new(d: Dims, with_tokens: bool, mask: Option<Vec<bool>>) -> Case<E> {
        let Dims { cell: kind, seq_len, batch, input_size, hidden_size, reverse } = d;
        let (gate_rows, rows, state) = (kind.gates() * hidden_size, seq_len * batch, batch * hidden_size);
        let recurrent_rows = if kind.has_recurrent_product() { gate_rows } else { 0 };
        // Weights shrink with the width, so that the gates stay off saturation as in a real network.
        let scale = E::from_f64(1.0 / (hidden_size.max(1) as f64).sqrt());
        let layer = |tag: u64, scale: E| {
            let weight = |n, tag| noise::<E>(n, tag).into_iter().map(|x| x * scale).collect::<Vec<E>>();
            Layer {
                weight_ih: weight(gate_rows * input_size, tag),
                weight_hh: weight(recurrent_rows * hidden_size, tag + 1),
                bias_ih: weight(gate_rows, tag + 2),
                bias_hh: weight(recurrent_rows, tag + 3),
                ..Layer::zeros(kind, input_size, hidden_size, reverse)
            }
        };
        let tokens = with_tokens.then(|| (0..rows).map(|i| (i * i + 3 * i) as u32 % input_size as u32).collect());
        let one_hot = |tokens: &Vec<u32>| {
            let bit = |&t: &u32| (0..input_size).map(move |k| if k == t as usize { E::ONE } else { E::ZERO });
            tokens.iter().flat_map(bit).collect()
        };
        let x = tokens.as_ref().map_or_else(|| noise(rows * input_size, 5), one_hot);
        let before = Grads {
            weights: layer(11, E::ONE),
            x: noise(if with_tokens { 0 } else { x.len() }, 15),
            h0: noise(state, 16),
            c0: noise(kind.states().len() * state, 9),
        };
        let (h0, c0, grad_y) = (noise(state, 6), cell_states(kind, state, 7), noise(rows * hidden_size, 8));
        let mut case = Case { d, cell: layer(1, scale), x, tokens, mask, h0, c0, grad_y, before };
        case.spoil_masked();
        case
    }

    /// Puts invalid values at masked positions: reading one changes a result or fails.
    pub fn spoil_masked(&mut self) {
        let Some(mask) = &self.mask else { return };
        for position in (0..mask.len()).filter(|&position| !mask[position]) {
            self.x[position * self.d.input_size..][..self.d.input_size].fill(E::from_f64(f64::NAN));
            if let Some(tokens) = &mut self.tokens {
                tokens[position] = u32::MAX;
            }
        }
    }

    /// The gradients by h from above at masked positions become 0.
    pub fn silence_masked(&mut self) {
        let Some(mask) = &self.mask else { return };
        for position in (0..mask.len()).filter(|&position| !mask[position]) {
            self.grad_y[position * self.d.hidden_size..][..self.d.hidden_size].fill(E::ZERO);
        }
    }

    /// A cell without c has none to compare, tokens no gradient.
    fn results(&self, y: Vec<E>, hidden: Vec<E>, cell: Vec<E>, g: Grads<E>) -> Results<E> {
        let w = g.weights;
        let mut all = vec![("y", y), ("hidden", hidden), ("d_h0", g.h0)];
        all.extend([("d_weight_ih", w.weight_ih), ("d_weight_hh", w.weight_hh)]);
        all.extend([("d_bias_ih", w.bias_ih), ("d_bias_hh", w.bias_hh)]);
        if self.d.cell.has_cell() {
            all.extend([("cell", cell), ("d_c0", g.c0)]);
        }
        if self.tokens.is_none() {
            all.push(("d_x", g.x));
        }
        all
    }

    pub fn reference(&self) -> Results<E> {
        let Dims { seq_len, batch, .. } = self.d;
        let (x, mask) = (&self.x, self.mask.as_deref());
        let inputs = reference::Inputs { seq_len, batch, x, mask, h0: &self.h0, c0: &self.c0 };
        let run = self.cell.forward(&inputs);
        let mut g = self.cell.backward(&inputs, &run, &self.grad_y, &self.before.c0);
        let add = |to: &mut Vec<E>, more: &[E]| to.iter_mut().zip(more).for_each(|(to, &more)| *to += more);
        let before = &self.before;
        add(&mut g.weights.weight_ih, &before.weights.weight_ih);
        add(&mut g.weights.weight_hh, &before.weights.weight_hh);
        add(&mut g.weights.bias_ih, &before.weights.bias_ih);
        add(&mut g.weights.bias_hh, &before.weights.bias_hh);
        add(&mut g.x, &before.x);
        add(&mut g.h0, &before.h0);
        self.results(run.y, run.hidden, run.cell, g)
    }

    pub fn fused(&self, cpu: &Cpu) -> Results<E> {
        let (d, h) = (&self.d, self.d.hidden_size);
        let pack = |layer: &Layer<E>| {
            [
                packed(d.weight_ih(), &layer.weight_ih),
                packed(d.weight_hh(), &layer.weight_hh),
                packed(d.bias_ih(), &layer.bias_ih),
                packed(d.bias_hh(), &layer.bias_hh),
            ]
        };
        let [weight_ih, weight_hh, bias_ih, bias_hh] = &pack(&self.cell);
        let w = Weights { weight_ih, weight_hh, bias_ih, bias_hh };
        let rows = padded(&self.x, d.input_size);
        let x = self.tokens.as_ref().map_or(Input::Dense(&rows), |tokens| Input::Tokens(tokens));
        let inputs = Inputs { x, mask: self.mask.as_deref() };
        // Buffers hold anything before.
        let anything = |n| {
            let mut buffer = Buffer::zeros(n);
            buffer.fill(E::from_f64(f64::NAN));
            buffer
        };
        let mut gates = anything(d.gates_len());
        let (mut hidden, mut cell) = (anything(d.hidden_len()), anything(d.cell_len()));
        let slot = |slot: usize| slot * d.state_len()..(slot + 1) * d.state_len();
        hidden[slot(d.first_slot())].copy_from_slice(&padded(&self.h0, h));
        let (len, cell_states) = (d.hidden_len(), 0..d.cell.states().len());
        for (i, state) in padded(&self.c0, h).chunks_exact(d.state_len().max(1)).enumerate() {
            cell[i * len..][slot(d.first_slot())].copy_from_slice(state);
        }
        recurrent::forward(cpu, d, &w, inputs, &mut gates, &mut hidden, &mut cell).unwrap();

        let outputs = d.output_slot() * d.state_len()..(d.output_slot() + d.seq_len) * d.state_len();
        let mut grad_hidden = vec![E::ZERO; d.hidden_len()];
        grad_hidden[outputs.clone()].copy_from_slice(&padded(&self.grad_y, h));
        grad_hidden[slot(d.first_slot())].copy_from_slice(&padded(&self.before.h0, h));
        let mut grad_cell = padded(&self.before.c0, h);
        let mut grad_x = padded(&self.before.x, d.input_size);
        let mut grads = pack(&self.before.weights);
        let [weight_ih, weight_hh, bias_ih, bias_hh] = &mut grads;
        let weight_grads = WeightGrads { weight_ih, weight_hh, bias_ih, bias_hh };
        let want_x = self.tokens.is_none().then_some(&mut grad_x[..]);
        let run = Sequence {
            gates: &mut gates,
            hidden: &hidden,
            cell: &cell,
            grad_hidden: &mut grad_hidden,
            grad_cell: &mut grad_cell,
        };
        recurrent::backward(cpu, d, &w, inputs, run, want_x, weight_grads).unwrap();
        let weights = Layer {
            weight_ih: unpacked(d.weight_ih(), &grads[0]),
            weight_hh: unpacked(d.weight_hh(), &grads[1]),
            bias_ih: unpacked(d.bias_ih(), &grads[2]),
            bias_hh: unpacked(d.bias_hh(), &grads[3]),
            ..Layer::zeros(d.cell, d.input_size, h, d.reverse)
        };
        let h0 = dense(&grad_hidden[slot(d.first_slot())], h);
        let g = Grads { weights, x: dense(&grad_x, d.input_size), h0, c0: dense(&grad_cell, h) };
        let last_cell = cell_states.flat_map(|i| dense(&cell[i * len..][slot(d.last_slot())], h)).collect();
        self.results(dense(&hidden[outputs], h), dense(&hidden[slot(d.last_slot())], h), last_cell, g)
    }

    /// A first-order bound: each of T steps adds a chain of I + H sums, and weight gradients sum T*B rows. An inner
    /// product makes of each step two.
    pub fn tolerance(&self) -> f64 {
        let Dims { seq_len, batch, input_size, hidden_size, .. } = self.d;
        E::ROUNDING * (8 + input_size + hidden_size * (1 + 2 * seq_len) + seq_len * batch) as f64
    }

    /// Holds the fused layer against `want`, the reference's results.
    pub fn check(&self, cpu: &Cpu, want: &Results<E>) -> Results<E> {
        let got = self.fused(cpu);
        assert_eq!(got.len(), want.len());
        for ((name, got), (_, want)) in got.iter().zip(want) {
            let mask = self.mask.as_ref().map_or("", |_| " masked");
            let what = format!("{} {:?} {:?}{mask} {name}", E::NAME, cpu.backend(), self.d);
            assert_close(&what, got, want, self.tolerance());
        }
        got
    }
}
