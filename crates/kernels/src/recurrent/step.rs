//! One step of a whole network for one row: token in, logits out, as sampling one text needs it. The weights are laid out
//! again for products with one vector, in full precision or narrow. Not here: batches and gradients.
//!
//! With full weights a step gives the bits of [`super::forward`] over a sequence followed by [`crate::linear::forward`]: the
//! sums run in the same order. The sum of the bias and a one-hot token's row is computed once, when the weights are laid
//! out, and stays in full precision.
//!
//! Threads share the blocks of each layer and synchronise after it. A head of few columns is computed by the caller alone.

use std::marker::PhantomData;
use std::ops::Range;
use std::ptr::null_mut;
use std::sync::Arc;

use super::cells::with_equations;
use super::{Cell, Dims, Equations, Step, Weights};
use crate::cpu::Shared;
use crate::entry_points::entry_points;
use crate::error::{check_len, check_tokens};
use crate::gemm::Columns;
use crate::layout::PANEL;
use crate::matvec::{BoxedProduct, Full, MayBeNarrow, Product, Source, scratch_len};
use crate::number;
use crate::simd::{Backend, Kernel, RawKernel, Simd};
use crate::team::{Padded, Team, TeamThread, cores};
use crate::{Buffer, Cpu, Error, Number, gemm, linear, pad};

pub use super::precision::Precision;
pub use crate::matvec::rounded_to_bfloat16;

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

/// What a layer's gates hold before the recurrent product.
enum Reads<E> {
    /// Bias and one-hot row of every token, `[V][P][64]`.
    Rows(Buffer<E>),
    /// A product with the embedding's row, of `[V, pad(width)]`.
    Embedded { width: usize, table: Buffer<E>, bias: Buffer<E>, product: BoxedProduct<E> },
    /// A product with the h of the layer below.
    Below { bias: Buffer<E>, product: BoxedProduct<E> },
}

struct Layer<E> {
    /// Of one row and one step.
    d: Dims,
    reads: Reads<E>,
    /// `None` where the cell has no such product.
    recurrent: Option<BoxedProduct<E>>,
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

/// h and the states beside it, of every layer, for one row.
#[derive(Clone, Debug)]
pub struct State<E> {
    /// The h of all layers twice, before and after a step in turns, then the other states of all layers; each `[pad(H)]`.
    values: Buffer<E>,
    sizes: Arc<Sizes>,
    /// Which of the two h is the current one.
    current: usize,
}

/// Where the parts of a state lie.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Sizes {
    layers: Vec<LayerSizes>,
    /// Length of all h together, and of all other states.
    hidden_len: usize,
    cell_len: usize,
}

/// Where the parts of one layer's state lie.
#[derive(Clone, Debug, PartialEq, Eq)]
struct LayerSizes {
    /// The cell, because states of one length may mean different things.
    cell: Cell,
    hidden_size: usize,
    /// Where its h begins among those of all layers, and its other states among theirs.
    hidden_start: usize,
    cell_start: usize,
}

impl Sizes {
    fn push(&mut self, d: &Dims) {
        let (hidden_start, cell_start) = (self.hidden_len, self.cell_len);
        self.layers.push(LayerSizes { cell: d.cell, hidden_size: d.hidden_size, hidden_start, cell_start });
        self.hidden_len += pad(d.hidden_size);
        self.cell_len += d.cell.states().len() * pad(d.hidden_size);
    }
    fn len(&self) -> usize {
        2 * self.hidden_len + self.cell_len
    }
    fn hidden(&self, slot: usize, l: usize) -> Range<usize> {
        let layer = &self.layers[l];
        let start = slot * self.hidden_len + layer.hidden_start;
        start..start + pad(layer.hidden_size)
    }
    fn cell(&self, l: usize) -> Range<usize> {
        let layer = &self.layers[l];
        let start = 2 * self.hidden_len + layer.cell_start;
        start..start + layer.cell.states().len() * pad(layer.hidden_size)
    }
}

impl<E: Number> State<E> {
    /// h of layer `l`, `[pad(H)]`.
    pub fn hidden(&self, l: usize) -> &[E] {
        &self.values[self.sizes.hidden(self.current, l)]
    }
    /// h of layer `l`, `[pad(H)]`; its padding is 0 and must stay so.
    pub fn hidden_mut(&mut self, l: usize) -> &mut [E] {
        &mut self.values[self.sizes.hidden(self.current, l)]
    }
    /// The states beside h of layer `l`, `[S, pad(H)]`; empty where the cell has none.
    pub fn cell(&self, l: usize) -> &[E] {
        &self.values[self.sizes.cell(l)]
    }
    /// The states beside h of layer `l`, `[S, pad(H)]`; their padding is 0 and must stay so.
    pub fn cell_mut(&mut self, l: usize) -> &mut [E] {
        &mut self.values[self.sizes.cell(l)]
    }
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

impl<E: Number> Reads<E> {
    /// Width of the vector that the product multiplies.
    fn width(&self) -> usize {
        if let Reads::Embedded { width, .. } = self { *width } else { 0 }
    }
}

impl<E: Number> Layer<E> {
    fn bytes(&self) -> usize {
        let input = match &self.reads {
            Reads::Rows(_) => self.d.gates_len() * size_of::<E>(),
            Reads::Embedded { product, .. } | Reads::Below { product, .. } => product.bytes(),
        };
        input + self.recurrent.as_ref().map_or(0, |product| product.bytes())
    }
}

/// A step, as every thread of the team reads it. Nothing writes it, its weights and its sizes meanwhile.
#[derive(Clone, Copy)]
struct Job<'a, E> {
    backend: Backend,
    token: usize,
    layers: &'a [Layer<E>],
    head: &'a dyn Product<E>,
    /// Whether all threads compute the head; if not, the caller does when they are done.
    shares_head: bool,
    head_bias: &'a [E],
    /// pad(V).
    outputs: usize,
    sizes: &'a Sizes,
    /// The slot of the h before the step.
    before: usize,
    state: Shared<E>,
    gates: Shared<E>,
    logits: Shared<E>,
    scratch: Shared<f32>,
    /// Of one thread.
    scratch_len: usize,
}

impl<E: Number> Job<'_, E> {
    /// One thread's share of the step.
    ///
    /// # Safety
    /// The pointers are valid over what `sizes` and `layers` state; every thread of the team runs this once at a time.
    unsafe fn run(&self, this: &TeamThread<'_>) {
        for (l, layer) in self.layers.iter().enumerate() {
            let blocks = this.share(layer.d.blocks());
            if !blocks.is_empty() {
                // SAFETY: the caller's promise; the shares of the threads are disjoint.
                with_equations!(layer.d.cell, Q => unsafe { self.layer::<Q>(l, layer, blocks, this.index()) });
            }
            // The end of the team's work is a barrier, too.
            if l + 1 < self.layers.len() || self.shares_head {
                this.barrier();
            }
        }
        if self.shares_head {
            // SAFETY: as above.
            unsafe { self.head(this.share(self.head.panels()), this.index()) };
        }
    }

    /// What a product of `thread` may write to.
    ///
    /// # Safety
    /// There are more threads than `thread`, and no earlier result for it is still in use.
    #[allow(clippy::mut_from_ref)]
    unsafe fn scratch(&self, thread: usize, len: usize) -> &mut [f32] {
        assert!(len <= self.scratch_len);
        // SAFETY: there is a scratch for every thread, of `scratch_len`; the caller's promise.
        unsafe { std::slice::from_raw_parts_mut(self.scratch.get().add(thread * self.scratch_len), len) }
    }

    /// Some panels of the logits, by `thread`.
    ///
    /// # Safety
    /// As `run`; no other thread works on these panels, and the last h is written.
    unsafe fn head(&self, panels: Range<usize>, thread: usize) {
        if panels.is_empty() {
            return;
        }
        let end = if panels.end == self.head.panels() { self.outputs } else { panels.end * PANEL };
        let columns = panels.start * PANEL..end;
        // SAFETY: the last h was written before the last barrier and is only read now; these panels of the logits, and the
        // scratch, are this thread's.
        unsafe {
            let h = self.hidden(1 - self.before, self.layers.len() - 1);
            number::run(self.backend, Fetch { read: [h, &[]], written: null_mut()..null_mut() });
            self.write(self.logits, columns, self.head_bias);
            self.head.add(self.backend, panels, h, self.scratch(thread, h.len()), self.logits.get());
        }
    }

    /// Some blocks of a layer, by `thread`.
    ///
    /// # Safety
    /// As `run`; no other thread works on these blocks, and what the layer reads is written.
    unsafe fn layer<Q: Equations>(&self, l: usize, layer: &Layer<E>, blocks: Range<usize>, thread: usize) {
        let (d, gates) = (&layer.d, self.gates.get());
        let panels = blocks.start * Q::PANELS..blocks.end * Q::PANELS;
        let columns = panels.start * PANEL..panels.end * PANEL;
        let at = |range: Range<usize>| self.state.get().wrapping_add(range.start);
        let (before, after) = (at(self.sizes.hidden(self.before, l)), at(self.sizes.hidden(1 - self.before, l)));
        // SAFETY: the gates and states of `panels` are written by this thread alone until the next barrier; the h before
        // the step, and that of the layer below after it, are written by none. A scratch is its thread's, for one product at
        // a time.
        unsafe {
            let add = |product: &dyn Product<E>, x: &[E], columns: Columns| {
                let scratch = self.scratch(thread, x.len());
                product.add(self.backend, panels.clone(), x, scratch, gates.add(columns.first));
            };
            let x = match &layer.reads {
                Reads::Rows(_) => &[],
                Reads::Embedded { width, table, .. } => &table[self.token * pad(*width)..][..pad(*width)],
                Reads::Below { .. } => self.hidden(1 - self.before, l - 1),
            };
            let h = self.hidden(self.before, l);
            let unit = |block: usize| after.wrapping_add((block * Q::UNITS).min(pad(d.hidden_size)));
            let written = unit(blocks.start)..unit(blocks.end);
            number::run(self.backend, Fetch { read: [x, h], written });
            match &layer.reads {
                Reads::Rows(rows) => self.write(self.gates, columns, &rows[self.token * d.gates_len()..]),
                Reads::Embedded { bias, product, .. } | Reads::Below { bias, product } => {
                    self.write(self.gates, columns, bias);
                    add(&**product, x, Q::INPUT);
                }
            }
            if let (Some(product), Some(columns)) = (&layer.recurrent, Q::RECURRENT) {
                add(&**product, h, columns);
            }
            let cell = at(self.sizes.cell(l));
            E::run(self.backend, Activate::<E, Q> { d, blocks, gates, before, after, cell, equations: PhantomData });
        }
    }

    /// h of layer `l` in a slot.
    ///
    /// # Safety
    /// Nothing writes it while it is borrowed.
    unsafe fn hidden(&self, slot: usize, l: usize) -> &[E] {
        let range = self.sizes.hidden(slot, l);
        // SAFETY: the sizes are the state's own; the caller's promise.
        unsafe { std::slice::from_raw_parts(self.state.get().add(range.start), range.len()) }
    }

    /// Copies `columns` of `from` to `to`; where `from` ends earlier, the rest is left.
    ///
    /// # Safety
    /// `columns` of `to` are this thread's alone.
    unsafe fn write(&self, to: Shared<E>, columns: Range<usize>, from: &[E]) {
        let from = &from[columns.clone()];
        // SAFETY: the caller's promise.
        unsafe { std::slice::from_raw_parts_mut(to.get().add(columns.start), from.len()) }.copy_from_slice(from);
    }
}

/// Prefetches all lines that another thread has written or read: moving them one by one between cores takes long.
struct Fetch<'a, E> {
    read: [&'a [E]; 2],
    written: Range<*mut E>,
}

impl<E: Number> Kernel<E> for Fetch<'_, E> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd<E>>(self, s: S) {
        for read in self.read {
            gemm::lines(read.as_ptr(), read.len()).for_each(|line| s.fetch(line));
        }
        let len = (self.written.end as usize - self.written.start as usize) / size_of::<E>();
        gemm::lines(self.written.start.cast_const(), len).for_each(|line| s.fetch_to_write(line));
    }
}

/// The equations of some blocks, in place: `gates` `[P][64]`, `after` `[pad(H)]` and `cell` `[S, pad(H)]` are writable there,
/// and `before` `[pad(H)]` is readable.
struct Activate<'a, E, Q> {
    d: &'a Dims,
    blocks: Range<usize>,
    gates: *mut E,
    before: *mut E,
    after: *mut E,
    cell: *mut E,
    equations: PhantomData<Q>,
}

impl<E: Number, Q: Equations> RawKernel<E> for Activate<'_, E, Q> {
    type Output = ();
    #[inline(always)]
    unsafe fn run<S: Simd<E>>(self, s: S) {
        for block in self.blocks {
            // SAFETY: the caller's promise. A state beside h is its own predecessor, and each unit's is read before it is
            // written; without one, nothing touches the pointer.
            unsafe {
                let units = block * Q::UNITS;
                let cell = if Q::STATES.is_empty() { self.cell } else { self.cell.add(units) };
                let step = Step {
                    units: self.d.units_of(block),
                    gates: self.gates.add(block * Q::PANELS * PANEL),
                    panel_stride: PANEL,
                    hidden_before: self.before.add(units),
                    hidden_after: self.after.add(units),
                    cell_before: cell,
                    cell_after: cell,
                    cell_stride: pad(self.d.hidden_size),
                    grad_before: null_mut(),
                    grad_after: std::ptr::null(),
                    grad_cell: null_mut(),
                    grad_cell_stride: 0,
                };
                Q::activate(s, step);
                Q::forward(s, step);
                step.zero_padding::<Q>(self.d.hidden_size, block);
            }
        }
    }
}

impl<E> std::fmt::Debug for Stepper<E> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Stepper").field("layers", &self.layers.len()).field("team", &self.team).finish_non_exhaustive()
    }
}
