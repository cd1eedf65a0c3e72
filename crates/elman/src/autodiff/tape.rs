//! Reverse-mode differentiation over blocks: a tape of nodes with N inputs and M outputs each. A node is computed when
//! it is added; backward runs over the nodes in reverse order. Buffers are kept from one pass to the next. Not here:
//! equations (`nodes/`) and the meaning of parameters (`nn`).
//!
//! A value is a matrix of rows padded with zeros to a multiple of 16 columns. A sequence `[T, B, *]` is `T*B` rows.

use std::any::{Any, TypeId};
use std::sync::atomic::{AtomicU64, Ordering};

use elman_kernels::{Buffer, Cpu, Element, pad};

use crate::autodiff::params::Params;
use crate::autodiff::pool::Pool;
use crate::error::Error;

/// A value on the tape: some rows of a buffer. Two values may share a buffer, and then share its gradient.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Var {
    /// The tape and pass it belongs to.
    pass: u64,
    pub(crate) slot: usize,
    pub(crate) first_row: usize,
    rows: usize,
    cols: usize,
}

impl Var {
    /// Number of rows.
    pub fn rows(&self) -> usize {
        self.rows
    }
    /// Number of columns, without padding.
    pub fn cols(&self) -> usize {
        self.cols
    }
    /// Elements of the value, padding included.
    pub(crate) fn len(&self) -> usize {
        self.rows * pad(self.cols)
    }
    /// Elements of a row, padding included; 1 where there are no columns.
    pub(crate) fn stride(&self) -> usize {
        pad(self.cols).max(1)
    }
    pub(crate) fn range(&self) -> std::ops::Range<usize> {
        let start = self.first_row * pad(self.cols);
        start..start + self.len()
    }
}

/// A recorded computation: what it read, what it wrote and what backward needs.
pub(crate) trait Node<E: Element>: Any + Send + std::fmt::Debug {
    /// Turns the gradients by the outputs into gradients by inputs and parameters, adding to what is there.
    fn backward(&mut self, m: &mut Memory<E>, params: &Params<E>, grads: &mut Params<E>) -> Result<(), Error>;

    /// Returns the node's own buffers and lists, to be used again.
    fn recycle(&mut self, _: &mut Memory<E>) {}
}

/// An [`Error::Shape`] of a value.
pub(crate) fn shape_error(name: &str, got: Var, expected: [usize; 2]) -> Error {
    Error::Shape { name: name.into(), got: vec![got.rows(), got.cols()], expected: expected.to_vec() }
}

/// A sequence of nodes and their values. See the file's head.
#[derive(Debug)]
pub struct Tape<E> {
    pub(crate) memory: Memory<E>,
    nodes: Vec<Box<dyn Node<E>>>,
    pub(crate) recording: bool,
}

/// Numbers the passes of all tapes, so that no value is taken for one of another pass. No result depends on it.
static PASSES: AtomicU64 = AtomicU64::new(0);

/// The buffers of a tape.
#[derive(Debug)]
pub(crate) struct Memory<E> {
    pub cpu: Cpu,
    /// Tapes of earlier scans, to be used again.
    pub inner: Vec<Tape<E>>,
    pass: u64,
    values: Vec<Buffer<E>>,
    grads: Vec<Option<Buffer<E>>>,
    wants_grad: Vec<bool>,
    spare: Pool<E>,
    /// What nodes were made of, to be used again.
    pub lists: Lists<E>,
}

/// Nodes of one type, emptied.
type Boxes<E> = Vec<Box<dyn Node<E>>>;

/// Lists and boxes that nodes of earlier passes gave back.
#[derive(Debug)]
pub(crate) struct Lists<E> {
    pub tokens: Spare<u32>,
    pub draws: Spare<u16>,
    pub mask: Spare<bool>,
    pub vars: Spare<Var>,
    pub numbers: Spare<f64>,
    /// Boxes of nodes by type, each with an emptied node in it.
    boxes: Vec<(TypeId, Boxes<E>)>,
}

/// Empty lists with capacity.
#[derive(Debug)]
pub(crate) struct Spare<T>(Vec<Vec<T>>);

impl<T: Copy> Spare<T> {
    /// An empty list.
    pub fn take(&mut self) -> Vec<T> {
        self.0.pop().unwrap_or_default()
    }

    /// A list of these.
    pub fn copy(&mut self, values: &[T]) -> Vec<T> {
        let mut list = self.take();
        list.extend_from_slice(values);
        list
    }

    pub fn recycle(&mut self, mut list: Vec<T>) {
        list.clear();
        self.0.push(list);
    }
}

impl<E: Element> Tape<E> {
    /// An empty tape that computes on `cpu`.
    pub fn new(cpu: &Cpu) -> Tape<E> {
        let memory = Memory {
            cpu: cpu.clone(),
            inner: Vec::new(),
            pass: PASSES.fetch_add(1, Ordering::Relaxed),
            values: Vec::new(),
            grads: Vec::new(),
            wants_grad: Vec::new(),
            spare: Pool::default(),
            lists: Lists {
                tokens: Spare(Vec::new()),
                draws: Spare(Vec::new()),
                mask: Spare(Vec::new()),
                vars: Spare(Vec::new()),
                numbers: Spare(Vec::new()),
                boxes: Vec::new(),
            },
        };
        Tape { memory, nodes: Vec::new(), recording: false }
    }

    /// Forgets every node and value, keeping their buffers. With `recording` off, nodes compute and are forgotten at
    /// once: nothing can be differentiated.
    pub fn start(&mut self, recording: bool) {
        while let Some(node) = self.nodes.pop() {
            self.memory.recycle_node(node);
        }
        let memory = &mut self.memory;
        while let Some(grad) = memory.grads.pop() {
            memory.recycle(grad.unwrap_or_default());
        }
        while let Some(buffer) = memory.values.pop() {
            memory.recycle(buffer);
        }
        memory.wants_grad.clear();
        memory.pass = PASSES.fetch_add(1, Ordering::Relaxed);
        self.recording = recording;
    }

    /// A value given from outside, rows padded to `pad(cols)`. Its gradient is kept if it is wanted.
    pub fn leaf(&mut self, cols: usize, padded: &[E], wants_grad: bool) -> Var {
        let mut buffer = self.memory.take(padded.len());
        buffer.copy_from_slice(padded);
        let slot = self.memory.push(buffer, wants_grad);
        self.memory.view(slot, 0, padded.len() / pad(cols).max(1), cols)
    }

    /// A leaf of zeros that wants no gradient.
    pub fn zeros(&mut self, rows: usize, cols: usize) -> Var {
        let mut buffer = self.memory.take(rows * pad(cols));
        buffer.fill(E::ZERO);
        let slot = self.memory.push(buffer, false);
        self.memory.view(slot, 0, rows, cols)
    }

    /// As [`Tape::leaf`], from rows without padding. Errors: `dense` is not whole rows of `cols`.
    pub fn dense_leaf(&mut self, cols: usize, dense: &[E], wants_grad: bool) -> Result<Var, Error> {
        let rows = dense.len() / cols.max(1);
        if rows * cols != dense.len() {
            return Err(Error::Shape { name: "leaf".into(), got: vec![dense.len()], expected: vec![rows, cols] });
        }
        let mut buffer = self.memory.take(rows * pad(cols));
        buffer.fill(E::ZERO);
        for (to, from) in buffer.chunks_exact_mut(pad(cols).max(1)).zip(dense.chunks_exact(cols.max(1))) {
            to[..cols].copy_from_slice(from);
        }
        let slot = self.memory.push(buffer, wants_grad);
        Ok(self.memory.view(slot, 0, rows, cols))
    }

    /// The rows of a value without padding. Allocates.
    pub fn dense_value(&self, var: Var) -> Vec<E> {
        self.value(var).chunks_exact(var.stride()).flat_map(|row| &row[..var.cols]).copied().collect()
    }

    /// As [`Tape::grad`], without padding; zeros where nothing depends on the leaf. Allocates.
    pub fn dense_grad(&self, var: Var) -> Vec<E> {
        match self.grad(var) {
            Some(grad) => grad.chunks_exact(var.stride()).flat_map(|row| &row[..var.cols]).copied().collect(),
            None => vec![E::ZERO; var.rows * var.cols],
        }
    }

    /// The rows of a value, padding included.
    pub fn value(&self, var: Var) -> &[E] {
        self.memory.value(var)
    }

    /// The gradient by a leaf after [`Tape::backward`], padding included; `None` where nothing depends on it.
    pub fn grad(&self, var: Var) -> Option<&[E]> {
        self.memory.grads[var.slot].as_ref().map(|g| &g[var.range()])
    }

    /// Adds `seed`, padded as the value is, to the gradient by a value: where backward starts from.
    pub fn seed(&mut self, var: Var, seed: &[E]) {
        self.memory.add_grad(var, seed);
    }

    /// Walks the tape backwards from a loss of one element: adds the gradient by every parameter to `grads` and
    /// leaves the gradients by the leaves on the tape.
    ///
    /// Errors: a loss of more than one element; a value of another tape or an earlier pass; gradients of other
    /// parameters.
    pub fn backward(&mut self, loss: Var, params: &Params<E>, grads: &mut Params<E>) -> Result<(), Error> {
        self.memory.check(loss)?;
        if [loss.rows(), loss.cols()] != [1, 1] {
            return Err(shape_error("loss", loss, [1, 1]));
        }
        let mut one = self.memory.take(loss.len());
        one.fill(E::ZERO);
        one[0] = E::ONE;
        self.seed(loss, &one);
        self.memory.recycle(one);
        self.backward_seeded(params, grads)
    }

    /// The value of a loss `[1]`, and its gradients by the parameters: `grads` is overwritten.
    pub(crate) fn gradients(&mut self, loss: Var, params: &Params<E>, grads: &mut Params<E>) -> Result<f64, Error> {
        let value = self.value(loss)[0].to_f64();
        self.memory.clear(grads.values_mut());
        self.backward(loss, params, grads)?;
        Ok(value)
    }

    /// As [`Tape::backward`], from the gradients given by [`Tape::seed`].
    pub fn backward_seeded(&mut self, params: &Params<E>, grads: &mut Params<E>) -> Result<(), Error> {
        if !grads.is_like(params) {
            return Err(Error::Value { problem: "is a gradient of parameters that were declared elsewhere" });
        }
        while let Some(mut node) = self.nodes.pop() {
            let done = node.backward(&mut self.memory, params, grads);
            self.memory.recycle_node(node);
            done?;
        }
        Ok(())
    }

    /// Takes back lists of values that are no longer needed, so that their memory is used again.
    pub(crate) fn recycle_vars<const N: usize>(&mut self, lists: [Vec<Var>; N]) {
        lists.into_iter().for_each(|list| self.memory.lists.vars.recycle(list));
    }

    /// Keeps a node for backward, or returns its buffers where nothing is recorded.
    pub(crate) fn record<N: Node<E>>(&mut self, mut node: N) {
        if self.recording {
            let boxed = self.memory.boxed(node);
            self.nodes.push(boxed);
        } else {
            node.recycle(&mut self.memory);
        }
    }
}

impl<E: Element> Memory<E> {
    /// A buffer of `len` elements with anything in it.
    pub fn take(&mut self, len: usize) -> Buffer<E> {
        self.spare.take(len)
    }

    /// Gives a buffer back.
    pub fn recycle(&mut self, buffer: Buffer<E>) {
        self.spare.put(buffer);
    }

    /// A node in a box, one that was used before where there is one of its type.
    fn boxed<N: Node<E>>(&mut self, node: N) -> Box<dyn Node<E>> {
        let pool = self.lists.boxes.iter_mut().find(|(id, _)| *id == TypeId::of::<N>());
        let Some(mut used) = pool.and_then(|(_, pool)| pool.pop()) else { return Box::new(node) };
        match (&mut *used as &mut dyn Any).downcast_mut::<N>() {
            Some(place) => *place = node,
            None => used = Box::new(node),
        }
        used
    }

    /// Takes back a node's buffers and its box.
    fn recycle_node(&mut self, mut node: Box<dyn Node<E>>) {
        node.recycle(self);
        let id = (&*node as &dyn Any).type_id();
        match self.lists.boxes.iter_mut().find(|(known, _)| *known == id) {
            Some((_, pool)) => pool.push(node),
            None => self.lists.boxes.push((id, vec![node])),
        }
    }

    /// A new slot.
    pub fn push(&mut self, buffer: Buffer<E>, wants_grad: bool) -> usize {
        self.values.push(buffer);
        self.grads.push(None);
        self.wants_grad.push(wants_grad);
        self.values.len() - 1
    }

    /// A new slot of `rows` by `cols`, as a value.
    pub fn push_rows(&mut self, buffer: Buffer<E>, rows: usize, cols: usize) -> Var {
        let slot = self.push(buffer, true);
        self.view(slot, 0, rows, cols)
    }

    /// Some rows of a slot, as a value.
    pub fn view(&self, slot: usize, first_row: usize, rows: usize, cols: usize) -> Var {
        Var { pass: self.pass, slot, first_row, rows, cols }
    }

    /// Errors: a value of another tape or an earlier pass, or one that was consumed.
    pub fn check(&self, var: Var) -> Result<(), Error> {
        match self.values.get(var.slot) {
            Some(_) if var.pass != self.pass => Err(Error::Value { problem: "is of another tape or an earlier pass" }),
            Some(buffer) if buffer.len() >= var.range().end => Ok(()),
            Some(_) => Err(Error::Value { problem: "was consumed by its loss" }),
            None => Err(Error::Value { problem: "is of another tape or an earlier pass" }),
        }
    }

    pub fn value(&self, var: Var) -> &[E] {
        &self.values[var.slot][var.range()]
    }

    /// The whole buffer of a slot.
    pub fn buffer(&self, slot: usize) -> &Buffer<E> {
        &self.values[slot]
    }

    /// Takes the buffer of a slot; its value can no longer be read.
    pub fn consume(&mut self, slot: usize) -> Buffer<E> {
        std::mem::take(&mut self.values[slot])
    }

    pub fn wants_grad(&self, slot: usize) -> bool {
        self.wants_grad[slot]
    }

    /// Fills with zeros.
    pub fn clear(&self, values: &mut [E]) {
        let _part = self.cpu.part("zeroing");
        self.cpu.fill(values, 1024, 8, |_, part| part.fill(E::ZERO));
    }

    /// Takes the gradient buffer of a slot to add to, zeroed if there was none.
    pub fn take_grad(&mut self, slot: usize) -> Buffer<E> {
        self.grads[slot].take().unwrap_or_else(|| {
            let mut buffer = self.take(self.values[slot].len());
            self.clear(&mut buffer);
            buffer
        })
    }

    /// Takes the gradient buffer of a slot, if anything was added to it.
    pub fn take_grad_if_any(&mut self, slot: usize) -> Option<Buffer<E>> {
        self.grads[slot].take()
    }

    /// Adds to the gradient by a value, if it is wanted.
    pub fn add_grad(&mut self, var: Var, more: &[E]) {
        if self.wants_grad(var.slot) {
            let mut grad = self.take_grad(var.slot);
            grad[var.range()].iter_mut().zip(more).for_each(|(g, &more)| *g += more);
            self.put_grad(var.slot, grad);
        }
    }

    pub fn put_grad(&mut self, slot: usize, grad: Buffer<E>) {
        self.grads[slot] = Some(grad);
    }
}
