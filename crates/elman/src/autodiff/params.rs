//! The parameters of a model: one flat packed memory, and a view by PyTorch's names and layout. Gradients and moments
//! have the same type and layout, so an optimizer step is one loop. Not here: what a parameter is for.

use std::ops::Range;
use std::sync::Arc;

use elman_kernels::layout::Layout;
use elman_kernels::{Buffer, Cpu, Element, norm};

use crate::available_memory::needs;
use crate::error::Error;
use crate::rng::{self, ChaCha8Rng};

/// A parameter's place in its model's [`Params`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ParamId(usize);

/// How the values of a fresh parameter are made.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[non_exhaustive]
pub enum Start {
    /// Drawn as the configuration says.
    #[default]
    Drawn,
    /// Drawn as an embedding.
    Embedding,
    /// Drawn as the blocks of a recurrent weight, each with as many rows as columns.
    Square,
    /// All this number; nothing is drawn.
    Constant(f64),
}

/// The description of a parameter, without its values.
#[derive(Clone, Debug)]
struct Entry {
    name: String,
    shape: Vec<usize>,
    layout: Layout,
    range: Range<usize>,
    start: Start,
    /// Units of the recurrent layer that it belongs to.
    units: Option<usize>,
    /// Rows of a bias that are a forget gate's.
    forget_gate: Range<usize>,
    /// Its shape as text.
    formula: String,
}

/// A declared parameter.
pub(crate) struct Declared<'a> {
    pub name: &'a str,
    pub shape: &'a [usize],
    /// The shape as text.
    pub formula: &'a str,
}

/// How a parameter starts, for whoever draws it.
#[derive(Clone, Debug)]
pub struct Fresh {
    /// Its name.
    pub name: String,
    /// Its logical shape.
    pub shape: Vec<usize>,
    /// How its values are made.
    pub start: Start,
    /// Units of the recurrent layer that it belongs to; None elsewhere.
    pub units: Option<usize>,
    /// Rows of a bias that are a forget gate's; empty elsewhere.
    pub forget_gate: Range<usize>,
}

/// All parameters of a model, or one number for each of them (a gradient, a moment).
#[derive(Clone, Debug)]
pub struct Params<E> {
    entries: Arc<Vec<Entry>>,
    /// Shared by copies until one of them changes.
    values: Arc<Buffer<E>>,
}

/// Declares the parameters of a model before their memory is made.
#[derive(Clone, Debug, Default)]
pub struct Declaration {
    entries: Vec<Entry>,
}

impl Declaration {
    /// Adds a matrix with the layout's rows and columns.
    pub fn matrix(&mut self, name: impl Into<String>, layout: Layout) -> ParamId {
        self.push(name.into(), vec![layout.rows(), layout.cols()], layout)
    }

    /// Adds a vector with the layout's rows; the layout has one column.
    pub fn vector(&mut self, name: impl Into<String>, layout: Layout) -> ParamId {
        self.push(name.into(), vec![layout.rows()], layout)
    }

    /// Adds a weight `[outputs, inputs]`, for products and as rows.
    pub fn weight(&mut self, name: impl Into<String>, outputs: usize, inputs: usize) -> ParamId {
        self.matrix(name, Layout::Panels { rows: outputs, cols: inputs })
    }

    /// Adds a bias `[outputs]`.
    pub fn bias(&mut self, name: impl Into<String>, outputs: usize) -> ParamId {
        self.vector(name, Layout::Panels { rows: outputs, cols: 1 })
    }

    /// Adds a table `[rows, cols]` whose rows are picked: an embedding.
    pub fn table(&mut self, name: impl Into<String>, rows: usize, cols: usize) -> ParamId {
        self.matrix(name, Layout::Table { rows, cols })
    }

    fn push(&mut self, name: String, shape: Vec<usize>, layout: Layout) -> ParamId {
        let first = self.entries.last().map_or(0, |e| e.range.end);
        let range = first..first.saturating_add(layout.packed_len());
        self.entries.push(Entry {
            name,
            shape,
            layout,
            range,
            start: Start::Drawn,
            units: None,
            forget_gate: 0..0,
            formula: String::new(),
        });
        ParamId(self.entries.len() - 1)
    }

    /// Adds a table whose rows are picked by tokens, in a layout that has a row for each.
    pub fn embedding(&mut self, name: impl Into<String>, layout: Layout) -> ParamId {
        let id = self.matrix(name, layout);
        self.starts_as(id, Start::Embedding);
        id
    }

    /// Says how the values of a fresh parameter are made.
    pub fn starts_as(&mut self, id: ParamId, start: Start) {
        self.entries[id.0].start = start;
    }

    /// Says that a parameter belongs to a recurrent layer of this number of units: its draws are as wide as that
    /// layer's.
    pub fn of_units(&mut self, id: ParamId, units: usize) {
        self.entries[id.0].units = Some(units);
    }

    /// Says that rows of a bias are a forget gate's, to which the configured forget bias is added.
    pub fn forget_gate(&mut self, id: ParamId, rows: Range<usize>) {
        self.entries[id.0].forget_gate = rows;
    }

    /// Number of parameters, without padding. Saturates.
    pub fn count(&self) -> usize {
        self.logical_lens().fold(0, usize::saturating_add)
    }

    /// Elements of the packed memory. Saturates.
    pub fn packed_len(&self) -> usize {
        self.entries.last().map_or(0, |e| e.range.end)
    }

    /// Elements of the largest parameter, without padding. Saturates.
    pub fn largest(&self) -> usize {
        self.logical_lens().max().unwrap_or_default()
    }

    fn logical_lens(&self) -> impl Iterator<Item = usize> {
        self.entries.iter().map(|e| e.layout.rows().saturating_mul(e.layout.cols()))
    }

    /// Says how messages write the shape of a parameter, such as `[4*hidden_size, input_size]`.
    pub fn formula(&mut self, id: ParamId, formula: impl Into<String>) {
        self.entries[id.0].formula = formula.into();
    }

    /// The names and shapes of what was declared, in order.
    pub fn names_and_shapes(&self) -> impl Iterator<Item = (&str, &[usize])> {
        self.shapes().map(|declared| (declared.name, declared.shape))
    }

    /// What was declared, in order.
    pub(crate) fn shapes(&self) -> impl Iterator<Item = Declared<'_>> {
        self.entries.iter().map(|entry| Declared {
            name: &entry.name,
            shape: &entry.shape,
            formula: if entry.formula.is_empty() { "the model's" } else { &entry.formula },
        })
    }

    /// Makes the memory, all zero. Errors: the system does not have it; two parameters of one name.
    pub fn zeros<E: Element>(self) -> Result<Params<E>, Error> {
        let mut names: Vec<&str> = self.entries.iter().map(|e| e.name.as_str()).collect();
        names.sort_unstable();
        if let Some(pair) = names.windows(2).find(|pair| pair[0] == pair[1]) {
            let expected = "a name of its own".to_string();
            return Err(Error::Setting { name: "parameter", got: pair[0].to_string(), expected });
        }
        let len = self.packed_len();
        let bytes = len.saturating_mul(size_of::<E>());
        // Some systems promise memory that they do not have.
        needs(bytes)?;
        let values = Buffer::try_zeros(len).ok_or(Error::Memory { bytes, left: None })?;
        Ok(Params { entries: Arc::new(self.entries), values: Arc::new(values) })
    }
}

impl<E: Element> Params<E> {
    /// PyTorch's names, in the order of the model.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.entries.iter().map(|e| e.name.as_str())
    }

    /// The logical shape of a parameter.
    pub fn shape(&self, name: &str) -> Option<&[usize]> {
        self.entry(name).map(|e| &e.shape[..])
    }

    /// A parameter in PyTorch's layout, row-major. Allocates.
    pub fn get(&self, name: &str) -> Option<Vec<E>> {
        let entry = self.entry(name)?;
        let mut logical = vec![E::ZERO; entry.layout.rows() * entry.layout.cols()];
        entry.layout.unpack(&self.values[entry.range.clone()], &mut logical);
        Some(logical)
    }

    /// Sets a parameter from PyTorch's layout, row-major.
    ///
    /// Errors: no such name; another number of values than the shape's.
    pub fn set(&mut self, name: &str, values: &[E]) -> Result<(), Error> {
        let Some(entry) = self.entries.iter().find(|e| e.name == name) else {
            return Err(Error::UnknownParameter { name: name.into() });
        };
        if values.len() != entry.layout.rows() * entry.layout.cols() {
            let (name, expected) = (name.into(), entry.shape.clone());
            return Err(Error::Shape { name, got: vec![values.len()], expected });
        }
        entry.layout.pack(values, &mut Arc::make_mut(&mut self.values)[entry.range.clone()]);
        Ok(())
    }

    /// Draws every parameter uniformly in [-bound, bound), in the order of the names and row-major.
    pub fn fill_uniform(&mut self, bound: f64, rng: &mut ChaCha8Rng) {
        for entry in self.entries.iter() {
            let mut draw = || E::from_f64((2.0 * rng::uniform(rng) - 1.0) * bound);
            let logical: Vec<E> = (0..entry.layout.rows() * entry.layout.cols()).map(|_| draw()).collect();
            entry.layout.pack(&logical, &mut Arc::make_mut(&mut self.values)[entry.range.clone()]);
        }
    }

    /// How each parameter starts, in the order of the model.
    pub fn fresh(&self) -> Vec<Fresh> {
        let fresh = |e: &Entry| {
            let (name, shape, forget_gate) = (e.name.clone(), e.shape.clone(), e.forget_gate.clone());
            Fresh { name, shape, start: e.start, units: e.units, forget_gate }
        };
        self.entries.iter().map(fresh).collect()
    }

    /// Number of parameters, without padding.
    pub fn count(&self) -> usize {
        self.entries.iter().map(|e| e.layout.rows() * e.layout.cols()).sum()
    }

    /// Whether these are the parameters of the same model: declared with them, not only of the same sizes.
    pub(crate) fn is_like(&self, other: &Params<E>) -> bool {
        Arc::ptr_eq(&self.entries, &other.entries)
    }

    /// The same places, all zero: a gradient or a moment. Allocates.
    pub fn zeros_like(&self) -> Params<E> {
        Params { entries: self.entries.clone(), values: Arc::new(Buffer::zeros(self.values.len())) }
    }

    /// The same places without any memory, to be swapped with one that has it.
    pub(crate) fn without_memory(&self) -> Params<E> {
        Params { entries: self.entries.clone(), values: Arc::new(Buffer::zeros(0)) }
    }

    /// The flat packed memory. Padding is zero and must stay so.
    pub fn values(&self) -> &[E] {
        &self.values
    }

    /// The flat packed memory. Padding is zero and must stay so.
    pub fn values_mut(&mut self) -> &mut [E] {
        &mut Arc::make_mut(&mut self.values)[..]
    }

    /// Adds another's numbers, each to the one in its place.
    pub(crate) fn add(&mut self, cpu: &Cpu, more: &Params<E>) {
        let _part = cpu.part("sum of shards");
        let more = &more.values[..];
        cpu.fill(&mut Arc::make_mut(&mut self.values)[..], 1024, 8, |start, part| {
            part.iter_mut().zip(&more[start..]).for_each(|(sum, &more)| *sum += more);
        });
    }

    /// Global L2 norm: logical rows in rising columns, then rows, then parameters, in f64, so that neither layout nor
    /// threads change a bit.
    pub fn norm(&self, cpu: &Cpu) -> f64 {
        libm::sqrt(self.squared_norms(cpu).sum())
    }

    /// The L2 norm of each parameter, in the order of the model.
    pub fn norms(&self, cpu: &Cpu) -> impl Iterator<Item = f64> {
        self.squared_norms(cpu).map(libm::sqrt)
    }

    fn squared_norms(&self, cpu: &Cpu) -> impl Iterator<Item = f64> {
        self.entries.iter().map(|e| norm::squared(cpu, &e.layout, &self.values[e.range.clone()]))
    }

    /// The packed memory of each parameter, in the order of the model.
    pub fn each_mut(&mut self) -> impl Iterator<Item = &mut [E]> {
        let mut rest = &mut Arc::make_mut(&mut self.values)[..];
        self.entries.iter().map(move |entry| {
            let (this, after) = std::mem::take(&mut rest).split_at_mut(entry.range.len());
            rest = after;
            this
        })
    }

    /// Where the elements of a parameter are in its packed memory.
    pub(crate) fn layout(&self, id: ParamId) -> Layout {
        self.entries.get(id.0).map_or(Layout::Panels { rows: 0, cols: 0 }, |e| e.layout)
    }

    /// Whether a parameter was declared as a vector.
    pub(crate) fn is_vector(&self, id: ParamId) -> bool {
        self.entries.get(id.0).is_some_and(|e| e.shape.len() == 1)
    }

    /// The packed memory of one parameter; nothing where it was declared elsewhere, beyond these.
    pub fn slice(&self, id: ParamId) -> &[E] {
        self.entries.get(id.0).map_or(&[], |e| &self.values[e.range.clone()])
    }

    /// The packed memory of one parameter.
    pub fn slice_mut(&mut self, id: ParamId) -> &mut [E] {
        &mut Arc::make_mut(&mut self.values)[self.entries[id.0].range.clone()]
    }

    /// The packed memories of several different parameters at once.
    pub fn slices_mut<const N: usize>(&mut self, ids: [ParamId; N]) -> [&mut [E]; N] {
        let ranges = ids.map(|id| self.entries[id.0].range.clone());
        Arc::make_mut(&mut self.values).get_disjoint_mut(ranges).expect("the parameters of one layer are different")
    }

    fn entry(&self, name: &str) -> Option<&Entry> {
        self.entries.iter().find(|e| e.name == name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_parameter_goes_in_and_out_by_name() {
        let mut declaration = Declaration::default();
        let gates = |cols| Layout::Gates { slots: &[0, 1, 2, 3], units: 16, panels: 1, hidden_size: 3, cols };
        let weight = declaration.matrix("rnn.weight_ih_l0", gates(2));
        let bias = declaration.vector("rnn.bias_ih_l0", gates(1));
        let mut params = declaration.zeros::<f64>().unwrap();
        let values: Vec<f64> = (0..24).map(|i| i as f64).collect();
        params.set("rnn.weight_ih_l0", &values).unwrap();
        assert_eq!(params.get("rnn.weight_ih_l0").unwrap(), values);
        assert_eq!(params.shape("rnn.bias_ih_l0").unwrap(), [12]);
        assert_eq!(params.count(), 36);
        let cpu = Cpu::new(Some(1)).unwrap();
        assert_eq!(params.norm(&cpu), values.iter().map(|x| x * x).sum::<f64>().sqrt());
        let [a, b] = params.slices_mut([weight, bias]);
        assert_eq!((a.len(), b.len()), (128, 64));
        let error = params.set("rnn.bias_ih_l0", &[0.0; 3]).unwrap_err().to_string();
        assert_eq!(error, "rnn.bias_ih_l0 has shape [3], expected [12]");
        assert!(params.set("nothing", &[]).is_err());
    }
}
