//! One step of a whole network for one row: token in, logits out, as sampling one text needs it. The weights are laid out
//! again for products with one vector, in full precision or narrow. Not here: batches and gradients.
//!
//! With full weights a step gives the bits of [`super::forward`] over a sequence followed by [`crate::linear::forward`]: the
//! sums run in the same order. The sum of the bias and a one-hot token's row is computed once, when the weights are laid
//! out, and stays in full precision.
//!
//! Threads share the blocks of each layer and synchronise after it. A head of few columns is computed by the caller alone.

mod job;
mod state;

use std::sync::Arc;

use super::cells::with_equations;
use super::{Cell, Dims, Equations, Weights};
use crate::cpu::Shared;
use crate::entry_points::entry_points;
use crate::error::{check_len, check_tokens};
use crate::gemm::Columns;
use crate::layout::PANEL;
use crate::matvec::{BoxedProduct, Full, MayBeNarrow, Product, Source, scratch_len};
use crate::simd::Backend;
use crate::team::{Padded, Team, TeamThread, cores};
use crate::{Buffer, Cpu, Error, Number, linear, pad};
use job::{Job, Layer, Reads};
use state::Sizes;

pub use super::precision::Precision;
pub use crate::matvec::rounded_to_bfloat16;
pub use state::State;

/// Bytes of weights below which another thread costs more than it saves: `cargo bench -p elman-kernels --bench step`
/// measures it.
const BYTES_PER_THREAD: usize = 1 << 16;

/// A network in packed weights, as training has it.
#[derive(Clone, Copy, Debug)]
pub struct Network<'a, E> {
    /// V.
    pub vocab_size: usize,
    /// Width and table `[V, pad(width)]` of the embedding; without one, tokens are one-hot.
    pub embedding: Option<(usize, &'a [E])>,
    /// Sizes and weights of each layer; `seq_len`, `batch` and `reverse` do not count.
    pub layers: &'a [(Dims, Weights<'a, E>)],
    /// Weight of the head, packed by [`linear::Dims::weight`], `[V, H]`.
    pub head_weight: &'a [E],
    /// Its bias `[V]`.
    pub head_bias: &'a [E],
}

/// Whether a [`Stepper`] supports the cell: it has no second product with the state within a step.
pub fn is_built_for(cell: Cell) -> bool {
    with_equations!(cell, Q => Q::INNER.is_none())
}

/// A network ready to be run step by step.
pub struct Stepper<E> {
    backend: Backend,
    vocab_size: usize,
    layers: Vec<Layer<E>>,
    sizes: Arc<Sizes>,
    head: BoxedProduct<E>,
    head_bias: Buffer<E>,
    team: Team,
    /// `[P][64]` of the largest layer.
    gates: Buffer<E>,
    /// Integers of a vector, by thread.
    scratch: Buffer<f32>,
}

impl<E: Number> Stepper<E> {
    fn build(
        cpu: &Cpu,
        network: &Network<'_, E>,
        product: impl Fn(&Source<'_, E>) -> BoxedProduct<E>,
    ) -> Result<Stepper<E>, Error> {
        network.check()?;
        let vocab_size = network.vocab_size;
        let mut layers: Vec<Layer<E>> = Vec::new();
        for (l, (d, w)) in network.layers.iter().enumerate() {
            let d = Dims { seq_len: 1, batch: 1, reverse: false, ..*d };
            let mut bias = Buffer::zeros(w.bias_ih.len());
            w.add_biases(&mut bias);
            let (input, recurrent) = with_equations!(d.cell, Q => (Q::INPUT, Q::RECURRENT));
            let input = || product(&source(&d, w.weight_ih, d.input_size, input));
            let reads = match (l, network.embedding) {
                (0, None) => Reads::Rows(rows(&d, w.weight_ih, &bias)),
                (0, Some((width, table))) => Reads::Embedded { width, table: copy(table), bias, product: input() },
                _ => Reads::Below { bias, product: input() },
            };
            let recurrent = recurrent.map(|columns| product(&source(&d, w.weight_hh, d.hidden_size, columns)));
            layers.push(Layer { d, reads, recurrent });
        }
        let hidden_size = layers.last().map_or(0, |layer| layer.d.hidden_size);
        let outputs = pad(vocab_size);
        let head =
            Source { packed: network.head_weight, inputs: hidden_size, columns: Columns::ALL, outputs, joined: true };
        let head = product(&head);
        let bytes = layers.iter().map(Layer::bytes).sum::<usize>() + head.bytes();
        let team = Team::new(cpu.threads().min(cores()).min((bytes / BYTES_PER_THREAD).max(1)))?;
        let gates = layers.iter().map(|layer| layer.d.gates_len()).max().unwrap_or_default();
        let mut sizes = Sizes::default();
        layers.iter().for_each(|layer| sizes.push(&layer.d));
        let widest = layers.iter().map(|layer| layer.d.hidden_size.max(layer.reads.width())).max().unwrap_or_default();
        Ok(Stepper {
            backend: cpu.backend(),
            vocab_size,
            layers,
            sizes: sizes.into(),
            head,
            head_bias: copy(network.head_bias),
            gates: Buffer::zeros(gates),
            scratch: Buffer::zeros(team.count() * scratch_len(widest)),
            team,
        })
    }

    /// Bytes of weights that a step reads: what it takes is close to what the memory needs to give them.
    pub fn bytes(&self) -> usize {
        self.layers.iter().map(Layer::bytes).sum::<usize>() + self.head.bytes()
    }

    /// Threads that a step runs on.
    pub fn threads(&self) -> usize {
        self.team.count()
    }

    /// The same on exactly `threads` threads at every step, to measure or to test. Errors: none, or more than the system gives.
    pub fn with_threads(self, threads: usize) -> Result<Stepper<E>, Error> {
        if threads == 0 {
            return Err(Error::Threads { got: 0, expected: "at least 1".into() });
        }
        let scratch = Buffer::zeros(threads * (self.scratch.len() / self.team.count()));
        Ok(Stepper { team: Team::new(threads)?.together(), scratch, ..self })
    }

    /// V.
    pub fn vocab_size(&self) -> usize {
        self.vocab_size
    }

    /// L.
    pub fn layers(&self) -> usize {
        self.layers.len()
    }

    /// A state of zeros.
    pub fn zero_state(&self) -> State<E> {
        State { values: Buffer::zeros(self.sizes.len()), sizes: self.sizes.clone(), current: 0 }
    }
}

impl<E: Number + EntryPoints<E>> Stepper<E> {
    /// Lays the weights of `network` out anew, as they are. Runs on the instructions of `cpu` and on as many of its
    /// threads as pay and the machine has cores.
    ///
    /// Allocates: the weights once more, and the gates of every token where those are one-hot.
    /// Errors: no layer; sizes that do not fit each other; a length that differs from its shape; no threads.
    pub fn new(cpu: &Cpu, network: &Network<'_, E>) -> Result<Stepper<E>, Error> {
        lay_out(cpu, network, Precision::Full)
    }

    /// As [`Stepper::new`], with the weights of every product in `precision`. Biases and rows that tokens pick stay full.
    /// Errors: narrow weights of f64.
    pub fn with_precision(cpu: &Cpu, network: &Network<'_, E>, precision: Precision) -> Result<Stepper<E>, Error> {
        lay_out(cpu, network, precision)
    }

    /// Reads a token: `state` is advanced, `logits` `[pad(V)]` overwritten, its padding 0. Allocates nothing.
    ///
    /// Errors: a token out of range; a state of another network; logits of another length.
    pub fn step(&mut self, token: u32, state: &mut State<E>, logits: &mut [E]) -> Result<(), Error> {
        advance(self, token, state, logits)
    }
}

entry_points! {
    pub(crate) fn lay_out(
        cpu: &Cpu,
        network: &Network<'_, E>,
        precision: Precision,
    ) -> Result<Stepper<E>, Error> = lay_out_for;

    pub(crate) fn advance(
        stepper: &mut Stepper<E>,
        token: u32,
        state: &mut State<E>,
        logits: &mut [E],
    ) -> Result<(), Error> = advance_for;
}

fn lay_out_for<E: MayBeNarrow>(cpu: &Cpu, network: &Network<'_, E>, precision: Precision) -> Result<Stepper<E>, Error> {
    match E::narrow(precision) {
        _ if precision == Precision::Full => Stepper::build(cpu, network, |source| Box::new(Full::new(source))),
        Some(product) => Stepper::build(cpu, network, product),
        None => Err(Error::Narrow { precision: format!("{precision:?}").to_lowercase(), got: E::NAME }),
    }
}

fn advance_for<E: Number>(
    stepper: &mut Stepper<E>,
    token: u32,
    state: &mut State<E>,
    logits: &mut [E],
) -> Result<(), Error> {
    check_tokens(&[token], None, stepper.vocab_size)?;
    check_len("logits", logits.len(), "pad(V)", &[pad(stepper.vocab_size)])?;
    if state.sizes != stepper.sizes {
        return Err(Error::Length {
            name: "state of another network",
            got: state.values.len(),
            shape: "2 h and the other states of every layer, and the same cells",
            expected: stepper.sizes.len(),
        });
    }
    let before = state.current;
    state.current = 1 - before;
    let outputs = pad(stepper.vocab_size);
    let job = Job {
        backend: stepper.backend,
        token: token as usize,
        layers: &stepper.layers,
        head: &*stepper.head,
        shares_head: shares(&*stepper.head, outputs, stepper.team.count()),
        head_bias: &stepper.head_bias,
        outputs,
        sizes: &stepper.sizes,
        before,
        state: Shared::new(&mut state.values),
        gates: Shared::new(&mut stepper.gates),
        logits: Shared::new(logits),
        scratch_len: stepper.scratch.len() / stepper.team.count(),
        scratch: Shared::new(&mut stepper.scratch),
    };
    // SAFETY: the job's pointers are to the state's, the stepper's and the caller's memory, of the lengths that `sizes`
    // states; every thread of the team runs the job once.
    stepper.team.run(&Padded(move |this: &TeamThread<'_>| unsafe { job.run(this) }).0);
    if !job.shares_head {
        // SAFETY: as above; the other threads are done.
        unsafe { job.head(0..stepper.head.panels(), 0) };
    }
    Ok(())
}

impl<E: Number> Network<'_, E> {
    fn check(&self) -> Result<(), Error> {
        check_len("layers", self.layers.len().min(1), "at least 1", &[1])?;
        let built = self.layers.iter().filter(|(d, _)| is_built_for(d.cell)).count();
        check_len("layers of a cell with one recurrent product", built, "L", &[self.layers.len()])?;
        let mut width = self.vocab_size;
        if let Some((columns, table)) = self.embedding {
            check_len("embedding", table.len(), "V * pad(width)", &[self.vocab_size, pad(columns)])?;
            width = columns;
        }
        for (d, w) in self.layers {
            check_len("input_size of a layer", d.input_size, "what comes from below", &[width])?;
            check_len("weight_ih", w.weight_ih.len(), "P * I * 64", &d.weight_ih().factors())?;
            check_len("weight_hh", w.weight_hh.len(), "P * H * 64", &d.weight_hh().factors())?;
            check_len("bias_ih", w.bias_ih.len(), "P * 64", &d.bias_ih().factors())?;
            check_len("bias_hh", w.bias_hh.len(), "P * 64", &d.bias_hh().factors())?;
            width = d.hidden_size;
        }
        let head = linear::Dims { rows: 1, inputs: width, outputs: self.vocab_size };
        check_len("head weight", self.head_weight.len(), "P * H * 64", &head.weight().factors())?;
        check_len("head bias", self.head_bias.len(), "P * 64", &head.bias().factors())
    }
}

/// Whether sharing the head among threads saves more than their synchronisation costs: by what the threads other than the
/// busiest would do.
fn shares<E>(head: &dyn Product<E>, outputs: usize, threads: usize) -> bool {
    let busiest = head.panels().div_ceil(threads) * PANEL + outputs % PANEL;
    head.bytes() / outputs.max(1) * outputs.saturating_sub(busiest) >= BYTES_PER_THREAD
}

fn copy<E: Number>(values: &[E]) -> Buffer<E> {
    let mut copy = Buffer::zeros(values.len());
    copy.copy_from_slice(values);
    copy
}

/// The columns of a layer's weight with `inputs` rows a panel.
fn source<'a, E: Number>(d: &Dims, packed: &'a [E], inputs: usize, columns: Columns) -> Source<'a, E> {
    // Gated cells fill every panel; an RNN's last one may be narrow.
    let outputs = if d.units() == PANEL { pad(d.hidden_size) } else { d.panels() * columns.width };
    Source { packed, inputs, columns, outputs, joined: false }
}

/// Bias and row of every token, `[V][P][64]`.
fn rows<E: Number>(d: &Dims, weight_ih: &[E], bias: &[E]) -> Buffer<E> {
    let mut rows = Buffer::zeros(d.input_size * d.panels() * PANEL);
    for (token, gates) in rows.chunks_exact_mut((d.panels() * PANEL).max(1)).enumerate() {
        for (p, gates) in gates.chunks_exact_mut(PANEL).enumerate() {
            let row = &weight_ih[(p * d.input_size + token) * PANEL..][..PANEL];
            for (gate, (&b, &w)) in gates.iter_mut().zip(bias[p * PANEL..].iter().zip(row)) {
                *gate = b + w;
            }
        }
    }
    rows
}

impl<E> std::fmt::Debug for Stepper<E> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Stepper").field("layers", &self.layers.len()).field("team", &self.team).finish_non_exhaustive()
    }
}
